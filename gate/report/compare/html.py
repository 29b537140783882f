"""One HTML file, as safe to open as a report: no script, no request, names escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.report.compare import outline
from gate.report.figures import figure, finite

if TYPE_CHECKING:
    from markupsafe import Markup

    from gate.analysis.comparison import Comparison

_WIDTH, _HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 628.0, 18.0, 184.0
_ROOM: Final = 2.0
"""Factor of free space above and below the points, so that a decade's ticks are never all outside."""
SHOWN: Final = 2000


def html(comparison: Comparison) -> str:
    """Return the comparison as a page."""
    from gate.report.html.environment import render  # noqa: PLC0415 - jinja2, which text does not need

    pairs = outline.ordered(comparison)
    return render(
        "compare.html.jinja",
        folder=Path(__file__).parent,
        comparison=comparison,
        words=outline,
        rows=[outline.cells(pair) for pair in pairs[:SHOWN]],
        hidden=max(0, len(pairs) - SHOWN),
        plot=change_plot(comparison),
    )


def change_plot(comparison: Comparison) -> Markup | None:
    """Draw the relative change of every pair in the order of the layers; None where there is none."""
    from gate.report.html.svg import Axis, Frame, dots, element, log_axis, picture  # noqa: PLC0415 - markup

    points = [
        (float(place), value)
        for place, pair in enumerate(comparison.pairs, start=1)
        if (value := finite(pair.relative_change)) is not None and value > 0
    ]
    if not points:
        return None
    heights = [height for _, height in points]
    x = Axis(0.0, float(len(comparison.pairs) + 1), _LEFT, _RIGHT)
    y = log_axis((min(heights) / _ROOM, max(heights) * _ROOM), _BOTTOM, _TOP)
    frame = Frame(_WIDTH, _HEIGHT, x, y, "layer, in order", "‖ΔW‖/‖W‖")
    drawn = dots([(frame.x(at), frame.y(height)) for at, height in points])
    return picture(
        frame,
        "Relative change of each layer",
        f"{len(points)} layers changed: {figure(min(heights), 2)} to {figure(max(heights), 2)} of the norm.",
        element("path", class_="points", d=drawn),
        class_="changes",
    )
