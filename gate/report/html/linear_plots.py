"""The views of one layer with linear axes: density over λ, and over log10 λ.

After figure 1 (b) and (c) of arXiv:2106.00734; drawn from the same bins as the logarithmic views.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from gate.report.figures import count, figure
from gate.report.html.panel import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, description, path, tail
from gate.report.html.spectrum import bins_of, fit_of, marchenko_pastur
from gate.report.html.svg import Axis, Frame, Point, element, log_axis, number, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from gate.report.html.spectrum import Bins, Fit
    from gate.spectra.interface import LayerMetrics, LayerPlot

_BINS: Final = 48
_FIT_POINTS: Final = 24
_BULK: Final = 0.98
_SPAN: Final = 3.0
"""The linear view ends at x_max, or past this share of the eigenvalues where x_max is so many times that."""


def linear_plot(row: LayerMetrics, plot: LayerPlot | None) -> Markup | None:
    """Draw the density with linear axes: where the mass of the eigenvalues lies."""
    bins = bins_of(plot)
    if bins is None:
        return None
    limit, beyond = _limit(bins)
    heights = bins.even(bins.counts, limit, _BINS)
    shuffled = bins.even(bins.shuffled, limit, _BINS) if bins.shuffled else []
    edges = [limit * place / _BINS for place in range(_BINS + 1)]
    x = Axis(0.0, limit, LEFT, RIGHT)
    y = Axis(0.0, max(*heights, *shuffled) * 1.05, BOTTOM, TOP)
    frame = Frame(WIDTH, HEIGHT, x, y, "eigenvalue λ", "density")
    fit = fit_of(row, bins)
    more = f" {count(beyond, 'eigenvalue')} lie beyond {figure(limit)}." if beyond else ""
    return picture(
        frame,
        "Spectrum, linear",
        description(row, fit) + more,
        tail(frame, fit),
        element("path", class_="area", d=_steps(x, y, edges, heights)),
        element("path", class_="shuffled line", d=_steps(x, y, edges, shuffled)),
        path("mp", x, y, _inside(marchenko_pastur(row, bins), x, y)),
        path("fit", x, y, _inside(_fitted(fit, x.high), x, y)),
        *(
            [element("text", f"{beyond:,} more →", x=RIGHT, y=BOTTOM - 5, class_="end mark")]
            if beyond
            else []
        ),
    )


def log_linear_plot(row: LayerMetrics, plot: LayerPlot | None) -> Markup | None:
    """Draw the density over log10 λ with a linear height: equal areas are equal shares of eigenvalues."""
    bins = bins_of(plot)
    if bins is None:
        return None
    heights = bins.per_decade(bins.counts)
    shuffled = bins.per_decade(bins.shuffled) if bins.shuffled else []
    x = log_axis(bins.edges, LEFT, RIGHT)
    y = Axis(0.0, max(*heights, *shuffled, 0.0) * 1.05, BOTTOM, TOP)
    frame = Frame(WIDTH, HEIGHT, x, y, "eigenvalue λ", "density over log₁₀ λ")
    fit = fit_of(row, bins)
    curve = _over_decades(marchenko_pastur(row, bins))
    line = _over_decades(_fitted(fit, math.inf))
    return picture(
        frame,
        "Spectrum, log-linear",
        description(row, fit),
        tail(frame, fit),
        element("path", class_="area", d=_steps(x, y, bins.edges, heights)),
        element("path", class_="shuffled line", d=_steps(x, y, bins.edges, shuffled)),
        path("mp", x, y, _inside(curve, x, y)),
        path("fit", x, y, _inside(line, x, y)),
    )


def _limit(bins: Bins) -> tuple[float, int]:
    """Return where the linear view ends, and how many eigenvalues lie beyond."""
    bulk, last = bins.quantile(_BULK), bins.edges[-1]
    if last <= _SPAN * bulk:
        return last, 0
    return bulk, sum(held for edge, held in zip(bins.edges, bins.counts, strict=False) if edge >= bulk)


def _fitted(fit: Fit | None, limit: float) -> list[Point]:
    """Return points of the fitted density from x_min to x_max or ``limit``, in equal ratios."""
    end = 0.0 if fit is None else min(fit.x_max, limit)
    if fit is None or not fit.x_min < end:
        return []
    ratio = (end / fit.x_min) ** (1 / _FIT_POINTS)
    points = (fit.x_min * ratio**step for step in range(_FIT_POINTS + 1))
    return [(at, fit.density(at)) for at in points]


def _over_decades(points: list[Point]) -> list[Point]:
    """Turn a density over λ into one over log10 λ."""
    return [(at, height * at * math.log(10)) for at, height in points]


def _inside(points: list[Point], x: Axis, y: Axis) -> list[Point]:
    return [(at, height) for at, height in points if x.low <= at <= x.high and height <= y.high]


def _steps(x: Axis, y: Axis, edges: Sequence[float], heights: Sequence[float]) -> str:
    """Return the outline of a histogram, down to the axis at both ends; empty for no heights."""
    if not heights:
        return ""
    drawn = [f"M{number(x(edges[0]))} {number(y(0.0))}"]
    drawn += [
        f"V{number(y(height))}H{number(x(end))}"
        for (_, end), height in zip(pairwise(edges), heights, strict=True)
    ]
    return "".join([*drawn, f"V{number(y(0.0))}"])
