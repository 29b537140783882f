"""Bootstrap intervals of the figures of a trend (percentile method, seeded).

A resample is a vector of how often each model was drawn, w.  Every figure is a function of sums
that are linear or quadratic in w (Σwx, Σwxy, wᵀKw with K the signs of pairs), so all resamples of a
sub-group are a few matrix products instead of thousands of calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.study.trends import constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gate.study.interface import Interval, Trend
    from gate.study.trends import Points

    Array = NDArray[np.float64]

_BLOCK: Final = 512
"""Models whose pairs are held at a time: 512 × n signs."""

_ENOUGH: Final = 0.5
"""An interval needs a defined figure in at least this share of the resamples."""


def with_intervals(
    trends: Sequence[Trend], sets: Sequence[Points], mean: Trend | None, settings: tuple[int, int, float]
) -> tuple[tuple[Trend, ...], Trend | None]:
    """Return trends, and their mean, with intervals.

    Parameters
    ----------
    trends, sets:
        Figures of each sub-group and what they are of; resampled apart from each other.
    mean:
        Their plain mean, or None.
    settings:
        Seed, number of resamples and confidence.
    """
    seed, resamples, confidence = settings
    generator = np.random.default_rng(seed)
    drawn = [_resampled(data, generator, resamples) for data in sets]
    found = tuple(
        _apply(each, figures, confidence) for each, figures in zip(trends, drawn, strict=True)
    )  # fmt: skip
    if mean is None or not drawn:
        return found, mean
    known = [figures for each, figures in zip(trends, drawn, strict=True) if each.r2 is not None]
    return found, _apply(mean, np.mean(known, axis=0), confidence) if known else mean


def _resampled(data: Points, generator: np.random.Generator, resamples: int) -> Array:
    """Return R², slope and τ-b of every resample, shape (3, resamples); NaN where not defined."""
    n = len(data)
    if n == 0 or constant(data.x) or constant(data.y):
        return np.full((3, resamples), np.nan)
    weights = generator.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([*_line(data, weights), _kendall(data, weights)])


def _line(data: Points, weights: Array) -> tuple[Array, Array]:
    """Return R² and slope for each row of weights."""
    x, y = data.x - data.x.mean(), data.y - data.y.mean()
    n = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / n, weights @ y / n
    xx = weights @ (x * x) / n - mean_x**2
    yy = weights @ (y * y) / n - mean_y**2
    xy = weights @ (x * y) / n - mean_x * mean_y
    xx[xx <= 1e-14 * np.mean(x * x)] = np.nan  # every draw alike: no line
    yy[yy <= 1e-14 * np.mean(y * y)] = np.nan
    return np.minimum(xy**2 / (xx * yy), 1.0), xy / xx


def _kendall(data: Points, weights: Array) -> Array:
    """Return τ-b for each row of weights: pairs of the same draw count as ties, as they are."""
    score, in_x, in_y = (np.zeros(len(weights)) for _ in range(3))
    for start in range(0, len(data), _BLOCK):
        part = slice(start, start + _BLOCK)
        x = np.sign(data.x[:, None] - data.x[None, part])
        y = np.sign(data.y[:, None] - data.y[None, part])
        score += _pairs(weights, x * y, part)
        in_x += _pairs(weights, np.abs(x), part)
        in_y += _pairs(weights, np.abs(y), part)
    in_x[in_x == 0], in_y[in_y == 0] = np.nan, np.nan
    return score / np.sqrt(in_x * in_y)


def _pairs(weights: Array, signs: Array, part: slice) -> Array:
    """Return Σ w_i K_ij w_j of each row of weights, over all i and the j of one block."""
    found: Array = np.einsum("ij,ij->i", weights @ signs, weights[:, part])
    return found


def _apply(found: Trend, figures: Array, confidence: float) -> Trend:
    if found.r2 is None:
        return found
    r2, slope, tau = (_interval(row, confidence) for row in figures)
    return replace(found, r2_interval=r2, slope_interval=slope, kendall_tau_interval=tau)


def _interval(values: Array, confidence: float) -> Interval:
    known = values[np.isfinite(values)]
    if len(known) < _ENOUGH * len(values):
        return (None, None)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return (float(low), float(high))
