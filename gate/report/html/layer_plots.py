"""The views of one layer: density and survival function log-log, D over x_min, a sparkline.

After figure 1 of arXiv:2106.00734.  Everything is drawn from the binned spectrum of the verdict; a
plot that a hostile file made inconsistent is not drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from gate.report.figures import figure, finite
from gate.report.html.svg import Axis, Frame, Point, dots, element, join, log_axis, number, picture, polyline

if TYPE_CHECKING:
    from markupsafe import Markup

    from gate.spectra.interface import LayerMetrics, LayerPlot

WIDTH: Final = 320
HEIGHT: Final = 208
LEFT, RIGHT, TOP, BOTTOM = 40.0, 312.0, 18.0, 172.0

_LABEL: Final = 36
_CURVE_POINTS: Final = 48
_MOST_NUMBERS: Final = 1024


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

    def survival(self) -> list[Point]:
        """Return (edge, share of the eigenvalues at or above it) at every lower edge."""
        above, points = self.total, []
        for edge, count in zip(self.edges[:-1], self.counts, strict=True):
            points.append((edge, above / self.total))
            above -= count
        return points


def bins_of(plot: LayerPlot | None) -> Bins | None:
    """Return the spectrum of a plot, or None where there is none that can be drawn."""
    if plot is None or not 0 < len(plot.counts) == len(plot.edges) - 1 < _MOST_NUMBERS:
        return None
    ascending = all(low < high for low, high in pairwise(plot.edges))
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


def density_plot(row: LayerMetrics, plot: LayerPlot | None) -> Markup | None:
    """Draw the empirical spectral density log-log, with x_min, x_max and the fitted line."""
    bins = bins_of(plot)
    if bins is None:
        return None
    fit, points, shuffled = fit_of(row, bins), bins.density(bins.counts), _shuffled(bins)
    curve = _marchenko_pastur(row, bins)
    line = _line(fit)
    x = log_axis(bins.edges, LEFT, RIGHT)
    heights = [height for _, height in points + shuffled + line if height > 0]
    y = log_axis(heights, BOTTOM, TOP)
    curve = [(at, height) for at, height in curve if height >= y.low]
    frame = Frame(WIDTH, HEIGHT, x, y, "eigenvalue λ", "density")
    return picture(
        frame,
        "Spectrum, log-log",
        _description(row, fit),
        _tail(frame, fit),
        _path("mp", x, y, curve),
        element("path", class_="shuffled", d=dots((x(at), y(height)) for at, height in shuffled)),
        element("path", class_="dots", d=dots((x(at), y(height)) for at, height in points)),
        _path("fit", x, y, line),
    )


def survival_plot(row: LayerMetrics, plot: LayerPlot | None) -> Markup | None:
    """Draw the share of eigenvalues at or above λ log-log: noise smooths out, the tail shows."""
    bins = bins_of(plot)
    if bins is None:
        return None
    fit, points = fit_of(row, bins), [point for point in bins.survival() if point[1] > 0]
    x = log_axis(bins.edges, LEFT, RIGHT)
    y = log_axis([1.0, *(share for _, share in points), 1 / bins.total / 1.5], BOTTOM, TOP)
    frame = Frame(WIDTH, HEIGHT, x, y, "eigenvalue λ", "share of eigenvalues ≥ λ")
    line = [] if fit is None else [(at, fit.survival(at)) for at in (fit.x_min, fit.reaches(y.low))]
    return picture(
        frame,
        "Survival function, log-log",
        _description(row, fit),
        _tail(frame, fit),
        _path("steps", x, y, points),
        _path("fit", x, y, line),
    )


def distance_plot(row: LayerMetrics, plot: LayerPlot | None) -> Markup | None:
    """Draw the KS distance D of every candidate fit over its x_min, the chosen one marked."""
    if plot is None or not 0 < len(plot.curve_x_min) == len(plot.curve_ks_distance) < _MOST_NUMBERS:
        return None
    points = sorted(
        (x, y)
        for x, y in zip(plot.curve_x_min, plot.curve_ks_distance, strict=True)
        if 0 < x < math.inf and 0 <= y <= 1
    )
    if len(points) < 2:  # noqa: PLR2004 - two points make a line
        return None
    x = log_axis([at for at, _ in points], LEFT, RIGHT)
    y = Axis(0.0, max(height for _, height in points) * 1.05 or 1.0, BOTTOM, TOP)
    frame = Frame(WIDTH, HEIGHT, x, y, "x_min", "KS distance D of the fit from x_min on")
    marks: list[Markup] = []
    x_min, distance = finite(row.x_min), finite(row.ks_distance)
    if x_min is not None and distance is not None and x.low <= x_min <= x.high and 0 <= distance <= y.high:
        marks.append(_vertical(frame, x_min, "chosen"))
        marks.append(element("circle", class_="chosen", cx=x(x_min), cy=y(distance), r=4))
    described = f"Smallest D is {figure(row.ks_distance)} at x_min {figure(row.x_min)}."
    return picture(frame, "KS distance over x_min", described, _path("steps", x, y, points), *marks)


def sparkline(plot: LayerPlot | None) -> Markup | None:
    """Draw the log-log density as one small line, without axes; the table row describes it."""
    bins = bins_of(plot)
    if bins is None:
        return None
    points = bins.density(bins.counts)
    x, y = log_axis(bins.edges, 1, 95), log_axis([height for _, height in points], 21, 2)
    thinned = points[:: max(1, len(points) // 32)]
    path = "M" + "L".join(f"{x(at):.0f} {y(height):.0f}" for at, height in thinned)
    return element("svg", element("path", d=path), viewBox="0 0 96 22", class_="spark", aria_hidden="true")


def _line(fit: Fit | None) -> list[Point]:
    """Return the ends of the fitted density, unless it vanishes in floating point."""
    ends = [] if fit is None else [(x, fit.density(x)) for x in (fit.x_min, fit.x_max)]
    return ends if all(0 < height < math.inf for _, height in ends) else []


def _shuffled(bins: Bins) -> list[Point]:
    return bins.density(bins.shuffled) if bins.shuffled else []


def _marchenko_pastur(row: LayerMetrics, bins: Bins) -> list[Point]:
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


def _path(name: str, x: Axis, y: Axis, points: list[Point]) -> Markup:
    return element("path", class_=name, d=polyline([(x(at), y(height)) for at, height in points]))


def _tail(frame: Frame, fit: Fit | None) -> Markup:
    """Shade the fitted tail and mark where it starts and ends."""
    if fit is None:
        return join(())
    start = frame.x(max(fit.x_min, frame.x.low))
    end = frame.x(min(fit.x_max, frame.x.high))
    shade = element("rect", class_="tail", x=start, y=TOP, width=max(0.0, end - start), height=BOTTOM - TOP)
    row = 1 if end - start < _LABEL else 0
    return join((shade, _vertical(frame, fit.x_min, "x_min"), _vertical(frame, fit.x_max, "x_max", row=row)))


def _vertical(frame: Frame, value: float, label: str, *, row: int = 0) -> Markup:
    at = frame.x(min(max(value, frame.x.low), frame.x.high))
    line = element("path", class_="mark", d=f"M{number(at)} {number(BOTTOM)}V{number(TOP)}")
    y = TOP + 10 + 12 * row
    if at - LEFT < _LABEL:
        return join((line, element("text", label, x=at + 3, y=y, class_="mark")))
    return join((line, element("text", label, x=at - 3, y=y, class_="end mark")))


def _description(row: LayerMetrics, fit: Fit | None) -> str:
    if fit is None:
        return f"{figure(row.eigenvalues)} eigenvalues, no power law fitted."
    return (
        f"{figure(row.eigenvalues)} eigenvalues; power law with alpha {figure(fit.alpha)} from x_min"
        f" {figure(fit.x_min)} to x_max {figure(fit.x_max)}, KS distance {figure(row.ks_distance)}."
    )
