"""A model metric over the versions of a registered model; the outcome of each is told by its sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report.figures import finite, fixed
from gate.report.html.svg import Axis, Frame, element, picture, polyline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from gate.policy.interface import Outcome

WIDTH: Final = 480
HEIGHT: Final = 208
LEFT, RIGHT, TOP, BOTTOM = 48.0, 468.0, 20.0, 172.0
_SIGN: Final = 13.0
_MOST_LABELS: Final = 12
_LARGEST: Final = 1e12
_SPACIOUS: Final = 30
"""More versions than this get smaller signs."""


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One version; ``current`` is the one the report is about."""

    version: int
    value: float | None
    outcome: Outcome | None
    current: bool = False


def trend_plot(points: Sequence[TrendPoint], title: str) -> Markup | None:
    """Draw a metric over versions, or nothing where fewer than two have it."""
    valued = [
        (place, value) for place, point in enumerate(points) if (value := _drawable(point.value)) is not None
    ]
    if len(valued) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    low, high = min(value for _, value in valued), max(value for _, value in valued)
    margin = (high - low) * 0.15 or max(abs(high) * 0.05, 0.05)
    x = Axis(-0.5, len(points) - 0.5, LEFT, RIGHT)
    y = Axis(low - margin, high + margin, BOTTOM, TOP)
    step = -(-len(points) // _MOST_LABELS)
    labels = tuple(
        (float(place), str(point.version)) for place, point in enumerate(points) if place % step == 0
    )
    frame = Frame(WIDTH, HEIGHT, x, y, "version", title, labels)
    first, last = valued[0], valued[-1]
    described = (
        f"{len(valued)} versions with a decision: {first[1]:.3f} in version {points[first[0]].version},"
        f" {last[1]:.3f} in version {points[last[0]].version}, between {low:.3f} and {high:.3f}."
    )
    size = _SIGN if len(points) <= _SPACIOUS else _SIGN * _SPACIOUS / len(points)
    line = element("path", class_="trend", d=polyline([(x(place), y(value)) for place, value in valued]))
    signs = [_sign(points[place], x(place), y(value), size) for place, value in valued]
    return picture(frame, f"{title} over versions", described, line, *signs)


def trend_line(values: Sequence[float | None]) -> Markup | None:
    """Draw values as one small line without axes, or nothing where fewer than two are known."""
    valued = [(place, value) for place, each in enumerate(values) if (value := _drawable(each)) is not None]
    if len(valued) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    x = Axis(0.0, len(values) - 1.0, 2, 94)
    y = Axis(min(value for _, value in valued), max(value for _, value in valued), 20, 2)
    drawn = element("path", d=polyline([(x(place), y(value)) for place, value in valued]))
    return element("svg", drawn, viewBox="0 0 96 22", class_="spark", aria_hidden="true")


def _drawable(value: float | None) -> float | None:
    """Return a value that an axis can show: it was read from a tag, where anything may stand."""
    known = finite(value)
    return None if known is None or abs(known) > _LARGEST else known


def _sign(point: TrendPoint, x: float, y: float, size: float) -> Markup:
    """Draw the outcome's sign, ringed where it is the version the report is about."""
    outcome = point.outcome or "not_applicable"
    corner = {"x": x - size / 2, "y": y - size / 2, "width": size, "height": size}
    said = element("title", f"version {point.version}: {fixed(point.value, 3)}")
    sign = element("use", href=f"#sign-{outcome}", class_=f"at {outcome}", **corner)
    ring = [element("circle", class_="this", cx=x, cy=y, r=size * 0.85)] if point.current else []
    return element("g", said, *ring, sign)
