"""A layer's binned spectrum and its fit as things that can be drawn, checked for consistency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from gate.report.figures import finite

if TYPE_CHECKING:
    from gate.report.html.svg import Point
    from gate.spectra.interface import LayerMetrics, LayerPlot

MOST_NUMBERS: Final = 1024
"""A plot of more numbers was not written by the engine and is not drawn."""

_NARROWEST: Final = 1e-13
_CURVE_POINTS: Final = 48


@dataclass(frozen=True, slots=True)
class Bins:
    """A consistent binned spectrum: ascending positive edges, counts with a positive total."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    shuffled: tuple[int, ...]
    total: int

    def density(self, counts: tuple[int, ...]) -> list[Point]:
        """Return (geometric centre, density) of the bins that are not empty."""
        total = sum(counts)
        return [
            (math.sqrt(low) * math.sqrt(high), count / total / (high - low))
            for (low, high), count in zip(pairwise(self.edges), counts, strict=True)
            if count > 0
        ]

    def per_decade(self, counts: tuple[int, ...]) -> list[float]:
        """Return the density over log10 of the eigenvalue, bin by bin."""
        total = sum(counts)
        return [
            count / total / math.log10(high / low)
            for (low, high), count in zip(pairwise(self.edges), counts, strict=True)
        ]

    def even(self, counts: tuple[int, ...], limit: float, bins: int) -> list[float]:
        """Return the density in ``bins`` equal bins from 0 to ``limit``, counts spread evenly in theirs."""
        total, width = sum(counts), limit / bins
        heights = [0.0] * bins
        for (low, high), count in zip(pairwise(self.edges), counts, strict=True):
            if low >= limit:
                break
            for place in range(int(low / width), min(bins, int(min(high, limit) / width) + 1)):
                overlap = min(high, (place + 1) * width) - max(low, place * width)
                heights[place] += max(0.0, overlap) / (high - low) * count / total / width
        return heights

    def quantile(self, share: float) -> float:
        """Return the lowest edge below which at least ``share`` of the eigenvalues lie."""
        below = 0
        for edge, count in zip(self.edges[1:], self.counts, strict=True):
            below += count
            if below >= share * self.total:
                return edge
        return self.edges[-1]

    def survival(self) -> list[Point]:
        """Return (edge, share of the eigenvalues at or above it) at every lower edge."""
        above, points = self.total, []
        for edge, count in zip(self.edges[:-1], self.counts, strict=True):
            points.append((edge, above / self.total))
            above -= count
        return points


def bins_of(plot: LayerPlot | None) -> Bins | None:
    """Return the spectrum of a plot, or None where there is none that can be drawn."""
    if plot is None or not 0 < len(plot.counts) == len(plot.edges) - 1 < MOST_NUMBERS:
        return None
    ascending = all(low * (1 + _NARROWEST) < high for low, high in pairwise(plot.edges))
    bounded = plot.edges[0] > 1e-290 and plot.edges[-1] < 1e290  # noqa: PLR2004 - densities stay finite
    if not (ascending and bounded) or min(plot.counts) < 0 or sum(plot.counts) == 0:
        return None
    usable = len(plot.shuffled) == len(plot.counts) and min(plot.shuffled) >= 0 and sum(plot.shuffled) > 0
    return Bins(plot.edges, plot.counts, plot.shuffled if usable else (), sum(plot.counts))


@dataclass(frozen=True, slots=True)
class Fit:
    """A power law that can be drawn: exponent, range and the share of eigenvalues in it."""

    alpha: float
    x_min: float
    x_max: float
    share: float

    def density(self, x: float) -> float:
        """Return the density at ``x``, of the whole spectrum (arXiv:2106.00734, eq. 1)."""
        return self.share * (self.alpha - 1) / self.x_min * math.pow(x / self.x_min, -self.alpha)

    def survival(self, x: float) -> float:
        """Return the share of the whole spectrum at or above ``x``."""
        return self.share * math.pow(x / self.x_min, 1 - self.alpha)

    def reaches(self, share: float) -> float:
        """Return where the survival function falls to ``share``, at most x_max."""
        return min(self.x_max, self.x_min * max(1.0, math.pow(share / self.share, 1 / (1 - self.alpha))))


def fit_of(row: LayerMetrics, bins: Bins) -> Fit | None:
    """Return the fit of a row where it has one that lies within the drawn range."""
    alpha, x_min, x_max = finite(row.alpha), finite(row.x_min), finite(row.x_max)
    if alpha is None or x_min is None or x_max is None or not row.tail_size or not 1.001 < alpha < 100:  # noqa: PLR2004
        return None
    if not bins.edges[0] / 2 <= x_min < x_max <= bins.edges[-1] * 2:
        return None
    return Fit(alpha, x_min, x_max, min(1.0, row.tail_size / bins.total))


def marchenko_pastur(row: LayerMetrics, bins: Bins) -> list[Point]:
    """Return the Marchenko-Pastur density whose upper edge was fitted (X = WᵀW, engine's section 6)."""
    edge = finite(row.mp_edge)
    if edge is None or edge <= 0 or not 0 < row.columns <= row.rows:
        return []
    inverse = math.sqrt(row.columns / row.rows)
    scale = edge / (1 + inverse) ** 2  # N σ²
    low, high = max(scale * (1 - inverse) ** 2, bins.edges[0]), min(edge, bins.edges[-1])
    if not low < high:
        return []
    ratio = (high / low) ** (1 / _CURVE_POINTS)
    grid = [low * ratio**step for step in range(_CURVE_POINTS + 1)]
    least = scale * (1 - inverse) ** 2
    constant = row.rows / row.columns / (2 * math.pi * scale)
    return [(x, constant * math.sqrt(max(0.0, (edge - x) * (x - least))) / x) for x in grid]
