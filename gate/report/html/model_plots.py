"""The views of a whole model: alpha over depth and the histogram of alphas.

A state is told by shape as well as by colour: a dot is unremarkable, a square failed a rule, a
triangle carries a flag, a cross has no fit, a ring is kept apart, a dash is the baseline's alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gate.report.figures import finite, fixed
from gate.report.html.svg import Axis, Frame, element, join, number, picture
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

State = Literal["failing", "flagged", "unfitted", "apart", "plain"]

WIDTH: Final = 960
HEIGHT: Final = 300
LEFT, RIGHT, TOP, BOTTOM = 40.0, 940.0, 20.0, 260.0
HIGHEST: Final = 10.0
"""Alphas above it are drawn at the upper edge as arrows: such a layer has no heavy tail at all."""

_SPACIOUS: Final = 200
"""Models of more layers get smaller marks, and titles on the remarkable ones only."""
_BIN: Final = 0.5
_FAR: Final = 1e6
"""Alphas beyond it go to the outermost bars all the same; a saved report may hold any number."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One layer in the plot; ``href`` leads to its own figures where it has some."""

    index: int
    name: str
    alpha: float | None
    standard_error: float | None
    baseline: float | None
    state: State
    href: str | None


def depth_plot(marks: Sequence[Mark], bounds: tuple[float | None, float | None] | None) -> Markup | None:
    """Draw alpha over depth with its standard errors, the policy's range shaded."""
    alphas = [alpha for mark in marks if (alpha := finite(mark.alpha)) is not None]
    if not alphas:
        return None
    low, high = _range(bounds)
    top = min(HIGHEST, max(*alphas, high or 0.0, 4.0) + 0.5)
    bottom = min(1.0, *(max(alpha, 0.0) for alpha in alphas))
    x = Axis(0.5, len(marks) + 0.5, LEFT, RIGHT)
    y = Axis(bottom, top, BOTTOM, TOP)
    frame = Frame(WIDTH, HEIGHT, x, y, "layer, in order of depth", "alpha")
    failing = sum(mark.state == "failing" for mark in marks)
    return picture(
        frame,
        "Alpha over depth",
        f"{len(alphas)} fitted layers, alpha {min(alphas):.2f} to {max(alphas):.2f}; {failing} failed.",
        _shade(frame, low, high),
        _baseline(frame, marks),
        _whiskers(frame, marks),
        *(_mark(frame, mark, titled=len(marks) <= _SPACIOUS) for mark in marks),
        class_="wide" if len(marks) <= _SPACIOUS else "wide dense",
        linked=True,
    )


def _range(bounds: tuple[float | None, float | None] | None) -> tuple[float | None, float | None]:
    return (None, None) if bounds is None else (finite(bounds[0]), finite(bounds[1]))


def _shade(frame: Frame, low: float | None, high: float | None) -> Markup:
    if low is None and high is None:
        return join(())
    y = frame.y
    upper = y(y.high if high is None else min(max(high, y.low), y.high))
    lower = y(y.low if low is None else min(max(low, y.low), y.high))
    return element("rect", class_="range", x=LEFT, y=upper, width=RIGHT - LEFT, height=lower - upper)


def _baseline(frame: Frame, marks: Sequence[Mark]) -> Markup:
    half = min(6.0, 0.35 * (RIGHT - LEFT) / len(marks))
    drawn = "".join(
        f"M{number(frame.x(mark.index) - half)} {number(frame.y(then))}h{number(2 * half)}"
        for mark in marks
        if (then := finite(mark.baseline)) is not None and frame.y.low <= then <= frame.y.high
    )
    return element("path", class_="baseline", d=drawn)


def _whiskers(frame: Frame, marks: Sequence[Mark]) -> Markup:
    drawn = []
    for mark in marks:
        alpha, error = finite(mark.alpha), finite(mark.standard_error)
        if alpha is None or error is None or not frame.y.low <= alpha <= frame.y.high:
            continue
        low, high = max(alpha - error, frame.y.low), min(alpha + error, frame.y.high)
        drawn.append(f"M{number(frame.x(mark.index))} {number(frame.y(low))}V{number(frame.y(high))}")
    return element("path", class_="whisker", d="".join(drawn))


def _mark(frame: Frame, mark: Mark, *, titled: bool) -> Markup:
    """Draw one layer; beyond a few hundred only the remarkable ones carry a title and a link."""
    at, alpha = frame.x(mark.index), finite(mark.alpha)
    beyond = alpha is not None and alpha > frame.y.high
    height = BOTTOM if alpha is None else frame.y(min(max(alpha, frame.y.low), frame.y.high))
    drawn = element("path", class_=mark.state, d=_outline(mark.state, beyond, at, height))
    if not titled and mark.state == "plain":
        return drawn
    said = f"{mark.index}. {printable(mark.name, 80)}: alpha {fixed(mark.alpha)}"
    inside = element("g", element("title", said), drawn)
    return element("a", inside, href=mark.href, aria_label=said) if mark.href else inside


def _outline(state: State, beyond: bool, x: float, y: float) -> str:  # noqa: FBT001 - private
    if beyond:
        return f"M{number(x - 4)} {number(y + 6)}h8l-4-7z"
    start = f"M{number(x)} {number(y)}"
    shapes: dict[State, str] = {
        "failing": f"{start}m-4-4h8v8h-8z",
        "flagged": f"{start}m-4.5 3.5h9l-4.5-8z",
        "unfitted": f"{start}m-3-3l6 6m0-6l-6 6",
        "apart": f"{start}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
        "plain": f"{start}h0",
    }
    return shapes[state]


def histogram(marks: Sequence[Mark], bounds: tuple[float | None, float | None] | None) -> Markup | None:
    """Draw how many layers have which alpha; the part that failed a rule is hatched.

    Layers kept apart are left out: the model's means and most rules leave them out too.
    """
    fitted = [
        (max(min(alpha, _FAR), -_FAR), mark.state == "failing")
        for mark in marks
        if mark.state != "apart" and (alpha := finite(mark.alpha)) is not None
    ]
    if not fitted:
        return None
    first = math.floor(min(1.0, *(max(alpha, 0.0) for alpha, _ in fitted)) / _BIN)
    last = math.ceil(min(HIGHEST, max(*(alpha for alpha, _ in fitted), 6.5)) / _BIN)
    counts = [[0, 0] for _ in range(first, last + 1)]
    for alpha, failing in fitted:
        place = min(max(math.floor(alpha / _BIN) - first, 0), len(counts) - 1)
        counts[place][failing] += 1
    x = Axis(first * _BIN, (last + 1) * _BIN, 40.0, 472.0)
    y = Axis(0.0, max(map(sum, counts)) * 1.1, 172.0, 18.0)
    frame = Frame(480, 208, x, y, f"alpha (last bar: {last * _BIN:g} and above)", "layers")
    low, high = _range(bounds)
    bars = [_bar(frame, (first + place) * _BIN, *pair) for place, pair in enumerate(counts) if sum(pair)]
    return picture(
        frame,
        "Histogram of alphas",
        f"{len(fitted)} layers with a fit, {sum(failing for _, failing in fitted)} of them failed a rule.",
        _span(frame, low, high),
        *bars,
    )


def _span(frame: Frame, low: float | None, high: float | None) -> Markup:
    if low is None and high is None:
        return join(())
    x = frame.x
    start = x(x.low if low is None else min(max(low, x.low), x.high))
    end = x(x.high if high is None else min(max(high, x.low), x.high))
    return element("rect", class_="range", x=start, y=18, width=max(0.0, end - start), height=154)


def _bar(frame: Frame, left: float, plain: int, failing: int) -> Markup:
    start, width = frame.x(left) + 1, frame.x(left + _BIN) - frame.x(left) - 2
    middle, top, floor = frame.y(plain), frame.y(plain + failing), frame.y(0)
    parts = (
        [element("rect", class_="bar", x=start, y=middle, width=width, height=floor - middle)]
        if plain
        else []
    )
    if failing:
        parts.append(element("rect", class_="bar failing", x=start, y=top, width=width, height=middle - top))
    return join(parts)
