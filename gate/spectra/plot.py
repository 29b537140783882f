"""The few numbers from which a report draws one row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.spectra.interface import LayerPlot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.power_law import Curve

CURVE_POINTS: Final = 48
MOST_BINS: Final = 48
_FEWEST_BINS: Final = 8


def plot(
    positive: NDArray[np.float64], curve: Curve | None, shuffled: NDArray[np.float64] | None = None
) -> LayerPlot | None:
    """Bin the positive eigenvalues over logarithmic edges; None where there are none.

    The number of bins follows Rice's rule, 2·n^⅓, up to 48: with the curve and the shuffled counts
    that is at most 242 numbers.
    """
    if len(positive) == 0:
        return None
    edges = _edges(float(positive[0]), float(positive[-1]), len(positive))
    return LayerPlot(
        edges=tuple(edges.tolist()),
        counts=_counts(positive, edges),
        curve_x_min=() if curve is None else tuple(curve.x_min.tolist()),
        curve_ks_distance=() if curve is None else tuple(curve.ks_distance.tolist()),
        shuffled=() if shuffled is None else _counts(np.sort(shuffled), edges),
    )


def _edges(low: float, high: float, count: int) -> NDArray[np.float64]:
    if not high > low * (1 + 1e-9):
        return np.array([low * 0.9, high * 1.1])
    bins = min(MOST_BINS, max(_FEWEST_BINS, int(2 * np.cbrt(count))))
    first, last = math.log(low), math.log(high)
    edges: NDArray[np.float64] = np.exp(first + (last - first) / bins * np.arange(bins + 1))
    edges[0], edges[-1] = low, high
    return edges


def _counts(ordered: NDArray[np.float64], edges: NDArray[np.float64]) -> tuple[int, ...]:
    """Count ascending values per bin, the last bin closed; values outside the edges are left out."""
    places = ordered.searchsorted(edges)
    places[-1] = ordered.searchsorted(edges[-1], side="right")
    return tuple((places[1:] - places[:-1]).tolist())
