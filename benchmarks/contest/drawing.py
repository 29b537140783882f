"""Draws clouds of points with their trend lines, and curves over a logarithmic axis, as small SVGs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH: Final = 640
_PANEL: Final = 300
_LEFT: Final = 70
_RIGHT: Final = 150
_TOP: Final = 44
_BOTTOM: Final = 52
_MARGIN: Final = 0.04
_TICKS: Final = 5
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_POOLED: Final = "#777"
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#444}.t{font-size:15px;fill:#222}.g{stroke:#ddd}"
    "@media (prefers-color-scheme:dark){text{fill:#bbb}.t{fill:#eee}.g{stroke:#444}}"
)


@dataclass(frozen=True, slots=True)
class Series:
    """Named points; ``slope`` and ``intercept`` draw a straight line through their range, None none.

    ``joined`` connects the points instead; ``dashed`` is for what belongs to no single group.
    """

    name: str
    points: Sequence[tuple[float, float]]
    slope: float | None = None
    intercept: float | None = None
    joined: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes with what is drawn in it; ``log`` is about the horizontal one."""

    across: str
    up: str
    series: Sequence[Series]
    log: bool = False
    level: float | None = None


def draw(title: str, panels: Sequence[Panel]) -> str:
    """Return the panels one below the other, as text."""
    height = _TOP + len(panels) * (_PANEL + _BOTTOM)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="t" x="{_LEFT}" y="24">{escape(title)}</text>',
    ]
    for place, panel in enumerate(panels):
        parts += _panel(panel, _TOP + place * (_PANEL + _BOTTOM))
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values from ``low`` to ``high`` to pixels from ``first`` to ``last``."""

    low: float
    high: float
    first: float
    last: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, here = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.first + (self.last - self.first) * (here - low) / ((high - low) or 1.0)

    def ticks(self) -> Iterator[float]:
        """Yield round values within: powers of ten, or multiples of 1, 2 or 5."""
        if self.log:
            yield from (10.0**power for power in range(math.ceil(math.log10(self.low)), 9)
                        if 10.0**power <= self.high)  # fmt: skip
            return
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        yield from (
            step * count for count in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        )


def _axis(values: Sequence[float], first: float, last: float, *, log: bool = False) -> _Axis:
    low, high = min(values), max(values)
    if log:
        return _Axis(low, high, first, last, log=True)
    spare = _MARGIN * ((high - low) or abs(high) or 1.0)
    return _Axis(low - spare, high + spare, first, last)


def _panel(panel: Panel, top: float) -> Iterator[str]:
    points = [point for series in panel.series for point in series.points]
    levels = [] if panel.level is None else [panel.level]
    x = _axis([across for across, _ in points], _LEFT, _WIDTH - _RIGHT, log=panel.log)
    y = _axis([*[up for _, up in points], *levels], top + _PANEL, top)
    yield from _grid(panel, x, y)
    if panel.level is not None:
        at = y.at(panel.level)
        yield (
            f'<line x1="{x.first}" x2="{x.last}" y1="{at:.1f}" y2="{at:.1f}" stroke="{_POOLED}" '
            'stroke-dasharray="2 4"/>'
        )
    coloured = [series for series in panel.series if not series.dashed]
    for place, series in enumerate(panel.series):
        colour = _POOLED if series.dashed else _COLOURS[coloured.index(series) % len(_COLOURS)]
        yield from _series(series, colour, x, y)
        yield (
            f'<text x="{x.last + 14}" y="{top + 14 + 18 * place:.0f}" style="fill:{colour}">'
            f"{escape(series.name)}</text>"
        )


def _grid(panel: Panel, x: _Axis, y: _Axis) -> Iterator[str]:
    for value in y.ticks():
        at = y.at(value)
        yield f'<line class="g" x1="{x.first}" x2="{x.last}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{x.first - 8}" y="{at + 4:.1f}" text-anchor="end">{value:.6g}</text>'
    for value in x.ticks():
        at = x.at(value)
        yield f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{y.first}" y2="{y.last}"/>'
        yield f'<text x="{at:.1f}" y="{y.first + 17:.0f}" text-anchor="middle">{value:.6g}</text>'
    middle, side = (x.first + x.last) / 2, (y.first + y.last) / 2
    yield f'<text x="{middle:.0f}" y="{y.first + 36:.0f}" text-anchor="middle">{escape(panel.across)}</text>'
    yield (
        f'<text x="16" y="{side:.0f}" transform="rotate(-90 16 {side:.0f})" text-anchor="middle">'
        f"{escape(panel.up)}</text>"
    )


def _series(series: Series, colour: str, x: _Axis, y: _Axis) -> Iterator[str]:
    places = [(x.at(across), y.at(up)) for across, up in series.points]
    if series.joined:
        path = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>'
    elif not series.dashed:
        for across, up in places:
            yield f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3.2" fill="{colour}" fill-opacity=".75"/>'
    if series.slope is not None and series.intercept is not None:
        yield _trend(series, colour, x, y)


def _trend(series: Series, colour: str, x: _Axis, y: _Axis) -> str:
    """Draw the line between the outermost points, cut where it leaves the panel."""
    slope, intercept = series.slope or 0.0, series.intercept or 0.0
    ends = [min(across for across, _ in series.points), max(across for across, _ in series.points)]
    if slope:
        bounds = sorted(((y.low - intercept) / slope, (y.high - intercept) / slope))
        ends = [min(max(end, bounds[0]), bounds[1]) for end in ends]
    (x1, y1), (x2, y2) = [(x.at(end), y.at(slope * end + intercept)) for end in ends]
    dash = ' stroke-dasharray="7 5"' if series.dashed else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="2"{dash}/>'
    )
