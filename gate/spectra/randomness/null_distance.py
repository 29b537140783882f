"""How far from Marchenko-Pastur a purely random layer lies: the null law of the KS distance.

The textbook p-value of a KS test never rejects here: eigenvalues repel one another, so a random
matrix's spectrum lies far closer to its limit than as many independent draws would.  The law of
the distance D was therefore simulated from seeded Gaussian matrices, fitted by the same code, over
a grid of sizes (``benchmarks/null_distance.py`` writes ``null_distance.json``).  ln D is close to
normal; its mean and standard deviation vary slowly and are interpolated in the logarithms of M, Q
and the number of matrices.  Beyond 512 columns M·median(D) goes on growing with ln M, as it does
from 8 to 512.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AXES: Final = ("columns", "aspect", "matrices")


def p_value(distance: float, rows: int, columns: int, matrices: int) -> float:
    """Return the probability that a random layer lies at least ``distance`` from the law."""
    from scipy.special import ndtr  # noqa: PLC0415  (scipy loads slowly)

    mean, deviation = _moments(rows, columns, matrices)
    return float(ndtr((mean - np.log(max(distance, 1e-300))) / deviation))


def critical_value(level: float, rows: int, columns: int, matrices: int) -> float:
    """Return the distance that a share ``level`` of random layers exceeds."""
    from scipy.special import ndtri  # noqa: PLC0415  (scipy loads slowly)

    mean, deviation = _moments(rows, columns, matrices)
    return float(np.exp(mean - deviation * ndtri(level)))


@lru_cache(maxsize=512)
def _moments(rows: int, columns: int, matrices: int) -> tuple[float, float]:
    """Return mean and standard deviation of ln D."""
    axes, mean, deviation = _table()
    within = np.log(rows / columns), np.log(matrices)
    means, deviations = (
        _along(_along(values, axes[1], within[0], 1), axes[2], within[1], 1) for values in (mean, deviation)
    )
    # M·D, not ln D, is linear in ln M, and goes on being so beyond the table.
    scaled = np.exp(means + axes[0])
    at = float(np.log(columns))
    slope = (scaled[-1] - scaled[-2]) / (axes[0][-1] - axes[0][-2])
    median = float(np.interp(at, axes[0], scaled)) + max(0.0, at - axes[0][-1]) * slope
    return float(np.log(median)) - at, float(np.interp(at, axes[0], deviations))


def _along(
    values: NDArray[np.float64], axis: NDArray[np.float64], at: float, number: int
) -> NDArray[np.float64]:
    """Interpolate linearly along one axis of the table, the ends held."""
    return np.apply_along_axis(lambda line: np.interp(at, axis, line), number, values)


@lru_cache(maxsize=1)
def _table() -> tuple[list[NDArray[np.float64]], NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithms of the axes, and mean and deviation of ln D over them."""
    text = files(__package__).joinpath("null_distance.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    axes = [np.log(np.asarray(stored[name], dtype=np.float64)) for name in _AXES]
    return axes, np.asarray(stored["mean_log_distance"]), np.asarray(stored["deviation_log_distance"])
