"""The little SVG the plots need: escaped elements, axes and compact paths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Point = tuple[float, float]

_SUPERSCRIPT: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_TICKS: Final = 6


def element(tag: str, *children: Markup | str, **attributes: float | str | None) -> Markup:
    """Return an element; children that are not markup and every attribute are escaped.

    ``class_`` stands for ``class``, other underscores for hyphens; None leaves an attribute out.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(child) for child in children)
    whole = f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>"
    return Markup(whole)  # noqa: S704 - every part was escaped above


def _attribute(value: float | str) -> float | str:
    return number(value) if isinstance(value, float) else value


def join(parts: Iterable[Markup]) -> Markup:
    """Put markup together."""
    return Markup("").join(parts)


def number(value: float) -> str:
    """Write a coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def polyline(points: Sequence[Point]) -> str:
    """Return path data through the points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) if points else ""


def dots(points: Iterable[Point]) -> str:
    """Return path data of zero-length strokes, which round line caps turn into dots."""
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in points)


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps a range of values, linear or logarithmic, to a range of pixels."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of ``value``."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log10(low), math.log10(high), math.log10(value)
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Return (value, label) pairs: decades, or round numbers."""
        return self._decades() if self.logarithmic else self._round()

    def _decades(self) -> tuple[tuple[float, str], ...]:
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        if last <= first:
            return self._within_a_decade(last - 1)
        step = max(1, math.ceil((last - first + 1) / _MOST_TICKS))
        return tuple(
            (10.0**power, f"10{str(power).translate(_SUPERSCRIPT)}") for power in range(first, last + 1, step)
        )

    def _within_a_decade(self, first: int) -> tuple[tuple[float, str], ...]:
        steps = (factor * 10.0**power for power in range(first, first + 4) for factor in (1, 2, 5))
        return tuple((value, f"{value:g}") for value in steps if self.low <= value <= self.high)

    def _round(self) -> tuple[tuple[float, str], ...]:
        raw = (self.high - self.low) / _MOST_TICKS
        if raw <= 0:
            return ()
        magnitude = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple((index * step, f"{index * step:g}") for index in range(first, last + 1))


def log_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """Return a logarithmic axis over positive ``values``, never of zero length."""
    low, high = min(values), max(values)
    if high / low < 1.01:  # noqa: PLR2004 - a single eigenvalue, or all alike
        low, high = low / 2, high * 2
    return Axis(low, high, start, end, logarithmic=True)


@dataclass(frozen=True, slots=True)
class Frame:
    """The plotting area of a panel, with its axes and their titles."""

    width: int
    height: int
    x: Axis
    y: Axis
    x_title: str
    y_title: str
    x_labels: tuple[tuple[float, str], ...] | None = None
    """Labelled places on the x axis, where they are not round numbers."""

    def draw(self) -> Markup:
        """Return grid lines, tick labels and axis titles."""
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        x_ticks = [(self.x(value), label) for value, label in self.x_labels or self.x.ticks()]
        y_ticks = [(self.y(value), label) for value, label in self.y.ticks()]
        grid = "".join(f"M{number(at)} {number(bottom)}V{number(top)}" for at, _ in x_ticks)
        grid += "".join(f"M{number(left)} {number(at)}H{number(right)}" for at, _ in y_ticks)
        parts = [
            element("path", class_="grid", d=grid),
            element(
                "path", class_="axis", d=f"M{number(left)} {number(top)}V{number(bottom)}H{number(right)}"
            ),
        ]
        parts += [element("text", label, x=at, y=bottom + 13, class_="mid") for at, label in x_ticks]
        parts += [element("text", label, x=left - 5, y=at + 3.5, class_="end") for at, label in y_ticks]
        parts.append(element("text", self.x_title, x=(left + right) / 2, y=bottom + 27, class_="mid name"))
        parts.append(element("text", self.y_title, x=left, y=top - 5, class_="name"))
        return join(parts)


def picture(
    frame: Frame,
    title: str,
    description: str,
    *content: Markup,
    class_: str = "",
    linked: bool = False,
    id_: str | None = None,
) -> Markup:
    """Return a whole figure with its text alternative; ``linked`` where parts of it are links.

    An image is one thing to a screen reader: links in it would be lost, so such a figure is a group.
    """
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        frame.draw(),
        *content,
        viewBox=f"0 0 {frame.width} {frame.height}",
        role="group" if linked else "img",
        class_=f"plot {class_}".strip(),
        id_=id_,
    )
