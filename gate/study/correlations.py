"""Metric against metric: which of them say the same thing twice.

All pairs of metrics at once: τ-b is the correlation of the signs of pairs of models, so that a sum of
matrix products has the numerators and denominators of every pair of metrics; likewise R² of sums.
Models without one of the two figures are left out of that pair alone.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.study.interface import Correlation
from gate.study.trends import FEWEST, constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gate.study.interface import StudiedModel

    Array = NDArray[np.float64]

_NO_SPREAD: Final = 1e-24
"""Product of two variances of values of at most 1 that is rounding alone."""


def correlate(
    names: Sequence[str], models: Sequence[StudiedModel], groups: Sequence[str], min_group: int
) -> tuple[Correlation, ...]:
    """Return every pair of metrics with its pooled figures and mean τ within sub-groups, none left out."""
    table = _scaled([[model.metrics.get(name) for model in models] for name in names])
    members = [[place for place, model in enumerate(models) if model.group == group] for group in groups]
    n, r2, tau = *_lines(table), kendall(table)
    within = _mean([kendall(table[:, held], fewest=min_group) for held in members], len(names))
    return tuple(
        Correlation(
            names[a], names[b], int(n[a, b]), _known(tau[a, b]), _known(r2[a, b]), _known(within[a, b])
        )
        for a, b in combinations(range(len(names)), 2)
    )


def _scaled(columns: Sequence[Sequence[float | None]]) -> Array:
    """Return metrics × models about 0, at most 1 in size; NaN where a metric has no value, or no spread."""
    return np.array([_centred(np.array(column, dtype=np.float64)) for column in columns])


def _centred(values: Array) -> Array:
    known = values[np.isfinite(values)]
    if len(known) < FEWEST or constant(known):
        return np.full_like(values, np.nan)
    centred = values - known.mean()
    scaled: Array = centred / np.nanmax(np.abs(centred))
    return scaled


def _lines(table: Array) -> tuple[Array, Array]:
    """Return, for every pair of rows, the models that have both and R² over them."""
    known = np.isfinite(table).astype(np.float64)
    x = np.nan_to_num(table)
    n = known @ known.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = x @ known.T / n
        spread = (x * x) @ known.T / n - mean**2
        shared = x @ x.T / n - mean * mean.T
        product = spread * spread.T
        r2 = np.where(product > _NO_SPREAD, shared**2 / product, np.nan)
    return n, np.where(n >= FEWEST, np.minimum(r2, 1.0), np.nan)


def kendall(table: Array, *, fewest: int = FEWEST) -> Array:
    """Return τ-b of every pair of rows over the columns that both have; NaN below ``fewest`` of them."""
    metrics, models = table.shape
    known = np.isfinite(table).astype(np.float64)
    score, untied = np.zeros((metrics, metrics)), np.zeros((metrics, metrics))
    for place in range(models - 1):
        both = known[:, place + 1 :] * known[:, place : place + 1]
        signs = np.nan_to_num(np.sign(table[:, place + 1 :] - table[:, place : place + 1]))
        score += signs @ signs.T
        untied += np.abs(signs) @ both.T
    with np.errstate(divide="ignore", invalid="ignore"):
        tau: Array = score / np.sqrt(untied * untied.T)
    return np.where(known @ known.T >= max(fewest, FEWEST), tau, np.nan)


def _mean(found: Sequence[Array], metrics: int) -> Array:
    """Return the plain mean of the figures that are defined."""
    stacked = np.array(found).reshape(-1, metrics, metrics)
    defined = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):
        mean: Array = np.where(defined, stacked, 0.0).sum(axis=0) / defined.sum(axis=0)
    return mean


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
