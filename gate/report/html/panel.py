"""What the views of one layer share: the size of a panel, the fitted tail, the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.report.figures import figure
from gate.report.html.svg import Axis, Frame, Point, element, join, number, polyline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from gate.report.html.spectrum import Fit
    from gate.spectra.interface import LayerMetrics

WIDTH: Final = 320
HEIGHT: Final = 208
LEFT, RIGHT, TOP, BOTTOM = 40.0, 312.0, 18.0, 172.0

_LABEL: Final = 36


def path(name: str, x: Axis, y: Axis, points: Sequence[Point]) -> Markup:
    """Draw a line through points given as values."""
    return element("path", class_=name, d=polyline([(x(at), y(height)) for at, height in points]))


def tail(frame: Frame, fit: Fit | None) -> Markup:
    """Shade the fitted tail and mark where it starts and, where that is in the panel, ends."""
    if fit is None:
        return join(())
    start = frame.x(min(max(fit.x_min, frame.x.low), frame.x.high))
    end = frame.x(min(fit.x_max, frame.x.high))
    shade = element("rect", class_="tail", x=start, y=TOP, width=max(0.0, end - start), height=BOTTOM - TOP)
    marks = [shade, vertical(frame, fit.x_min, "x_min")]
    if fit.x_max <= frame.x.high * 1.5:
        marks.append(vertical(frame, fit.x_max, "x_max", row=1 if end - start < _LABEL else 0))
    return join(marks)


def vertical(frame: Frame, value: float, label: str, *, row: int = 0) -> Markup:
    """Draw a labelled line at one value; ``row`` moves the label down, out of another's way."""
    at = frame.x(min(max(value, frame.x.low), frame.x.high))
    line = element("path", class_="mark", d=f"M{number(at)} {number(BOTTOM)}V{number(TOP)}")
    y = TOP + 10 + 12 * row
    if at - LEFT < _LABEL:
        return join((line, element("text", label, x=at + 3, y=y, class_="mark")))
    return join((line, element("text", label, x=at - 3, y=y, class_="end mark")))


def description(row: LayerMetrics, fit: Fit | None) -> str:
    """Say what a view shows, for those who cannot see it."""
    if fit is None:
        return f"{figure(row.eigenvalues)} eigenvalues, no power law fitted."
    return (
        f"{figure(row.eigenvalues)} eigenvalues; power law with alpha {figure(fit.alpha)} from x_min"
        f" {figure(fit.x_min)} to x_max {figure(fit.x_max)}, KS distance {figure(row.ks_distance)}."
    )
