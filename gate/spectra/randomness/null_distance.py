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
    axes, scaled_mean, deviation = _table()
    point = np.log([columns, rows / columns, matrices])
    mean = float(np.log(max(_interpolate(scaled_mean, axes, point), 1e-3))) - float(np.log(columns))
    point[0] = min(point[0], axes[0][-1])  # the spread is not extrapolated
    return mean, _interpolate(deviation, axes, point)


@lru_cache(maxsize=1)
def _table() -> tuple[list[NDArray[np.float64]], NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithms of the axes, M·exp(mean of ln D) and the deviation of ln D."""
    text = files(__package__).joinpath("null_distance.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    axes = [np.log(np.asarray(stored[name], dtype=np.float64)) for name in _AXES]
    mean = np.asarray(stored["mean_log_distance"], dtype=np.float64)
    return axes, np.exp(mean + axes[0][:, None, None]), np.asarray(stored["deviation_log_distance"])


def _interpolate(
    values: NDArray[np.float64], axes: list[NDArray[np.float64]], point: NDArray[np.float64]
) -> float:
    """Interpolate linearly along each axis in turn; only the first (columns) extrapolates upwards."""
    for number, (axis, at) in enumerate(zip(axes, point, strict=True)):
        low = int(np.clip(np.searchsorted(axis, at) - 1, 0, len(axis) - 2))
        share = (at - axis[low]) / (axis[low + 1] - axis[low])
        share = max(share, 0.0) if number == 0 else min(max(share, 0.0), 1.0)
        values = values[low] * (1 - share) + values[low + 1] * share
    return float(values)
