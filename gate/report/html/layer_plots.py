"""The logarithmic views of one layer: density, survival function, D over x_min, a sparkline.

After figure 1 of arXiv:2106.00734.  Everything is drawn from the binned spectrum of the verdict; a
plot that a hostile file made inconsistent is not drawn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gate.report.figures import figure, finite
from gate.report.html.panel import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, description, path, tail, vertical
from gate.report.html.spectrum import MOST_NUMBERS, Bins, Fit, bins_of, fit_of, marchenko_pastur
from gate.report.html.svg import Axis, Frame, Point, dots, element, log_axis, picture

if TYPE_CHECKING:
    from markupsafe import Markup

    from gate.spectra.interface import LayerMetrics, LayerPlot

_SPARK_POINTS: Final = 32


def density_plot(row: LayerMetrics, plot: LayerPlot | None, *, id_: str | None = None) -> Markup | None:
    """Draw the empirical spectral density log-log, with x_min, x_max and the fitted line."""
    bins = bins_of(plot)
    if bins is None:
        return None
    fit, points, shuffled = fit_of(row, bins), bins.density(bins.counts), _shuffled(bins)
    curve = marchenko_pastur(row, bins)
    line = _line(fit)
    x = log_axis(bins.edges, LEFT, RIGHT)
    heights = [height for _, height in points + shuffled + line if height > 0]
    y = log_axis(heights, BOTTOM, TOP)
    curve = [(at, height) for at, height in curve if height >= y.low]
    frame = Frame(WIDTH, HEIGHT, x, y, "eigenvalue λ", "density")
    return picture(
        frame,
        "Spectrum, log-log",
        description(row, fit),
        tail(frame, fit),
        path("mp", x, y, curve),
        element("path", class_="shuffled", d=dots((x(at), y(height)) for at, height in shuffled)),
        element("path", class_="dots", d=dots((x(at), y(height)) for at, height in points)),
        path("fit", x, y, line),
        id_=id_,
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
        description(row, fit),
        tail(frame, fit),
        path("steps", x, y, points),
        path("fit", x, y, line),
    )


def distance_plot(row: LayerMetrics, plot: LayerPlot | None) -> Markup | None:
    """Draw the KS distance D of every candidate fit over its x_min, the chosen one marked."""
    if plot is None or not 0 < len(plot.curve_x_min) == len(plot.curve_ks_distance) < MOST_NUMBERS:
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
        marks.append(vertical(frame, x_min, "chosen"))
        marks.append(element("circle", class_="chosen", cx=x(x_min), cy=y(distance), r=4))
    described = f"Smallest D is {figure(row.ks_distance)} at x_min {figure(row.x_min)}."
    return picture(frame, "KS distance over x_min", described, path("steps", x, y, points), *marks)


def sparkline(plot: LayerPlot | None) -> str | None:
    """Return path data of the log-log density as one small line of 96 by 22 pixels, without axes."""
    bins = bins_of(plot)
    if bins is None:
        return None
    points = bins.density(bins.counts)
    x, y = log_axis(bins.edges, 1, 95), log_axis([height for _, height in points], 21, 2)
    thinned = points[:: max(1, len(points) // _SPARK_POINTS)]
    return "M" + "L".join(f"{x(at):.0f} {y(height):.0f}" for at, height in thinned)


def _line(fit: Fit | None) -> list[Point]:
    """Return the ends of the fitted density, unless it vanishes in floating point."""
    ends = [] if fit is None else [(x, fit.density(x)) for x in (fit.x_min, fit.x_max)]
    return ends if all(0 < height < math.inf for _, height in ends) else []


def _shuffled(bins: Bins) -> list[Point]:
    return bins.density(bins.shuffled) if bins.shuffled else []
