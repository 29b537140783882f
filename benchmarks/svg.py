"""Draws lines over two logarithmic axes as a small SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH: Final = 640
_HEIGHT: Final = 400
_LEFT: Final = 70
_RIGHT: Final = 130
_TOP: Final = 40
_BOTTOM: Final = 50
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73")
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#444}.t{font-size:15px;fill:#222}"
    ".g{stroke:#ddd}.l{fill:none;stroke-width:2.5}"
    "@media (prefers-color-scheme:dark){text{fill:#bbb}.t{fill:#eee}.g{stroke:#444}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points with positive coordinates, ascending."""

    name: str
    points: Sequence[tuple[float, float]]


def log_log(title: str, across: str, up: str, lines: Sequence[Line]) -> str:
    """Return the drawing as text; every line ends in its name."""
    horizontal = [place for line in lines for place, _ in line.points]
    vertical = [value for line in lines for _, value in line.points]
    x = _Axis(min(horizontal), max(horizontal), _LEFT, _WIDTH - _RIGHT)
    y = _Axis(min(vertical), max(vertical), _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="t" x="{_LEFT}" y="22">{escape(title)}</text>',
        *_grid(x, y),
        (
            f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">'
            f"{escape(across)}</text>"
        ),
        (
            f'<text x="16" y="{_HEIGHT / 2:.0f}" transform="rotate(-90 16 {_HEIGHT / 2:.0f})" '
            f'text-anchor="middle">{escape(up)}</text>'
        ),
    ]
    for line, colour in zip(lines, _COLOURS, strict=False):
        parts += _line(line, colour, x, y)
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values from ``low`` to ``high`` to pixels from ``first`` to ``last``."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        span = math.log(self.high / self.low) or 1.0
        return self.first + (self.last - self.first) * math.log(value / self.low) / span

    def decades(self) -> Iterator[float]:
        """Yield the powers of ten within."""
        for power in range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1):
            yield 10.0**power


def _grid(x: _Axis, y: _Axis) -> Iterator[str]:
    for value in y.decades():
        at = y.at(value)
        yield f'<line class="g" x1="{x.first}" x2="{x.last}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{x.first - 8}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>'
    for power in range(math.ceil(math.log2(x.low)), math.floor(math.log2(x.high)) + 1):
        at = x.at(2.0**power)
        yield f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{y.first}" y2="{y.last}"/>'
        yield f'<text x="{at:.1f}" y="{y.first + 18}" text-anchor="middle">{2**power}</text>'


def _line(line: Line, colour: str, x: _Axis, y: _Axis) -> Iterator[str]:
    points = [(x.at(place), y.at(value)) for place, value in line.points]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
    yield f'<polyline class="l" stroke="{colour}" points="{path}"/>'
    for across, up in points:
        yield f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3.5" fill="{colour}"/>'
    across, up = points[-1]
    yield f'<text x="{across + 10:.1f}" y="{up + 4:.1f}" style="fill:{colour}">{escape(line.name)}</text>'
