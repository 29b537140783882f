"""The paper's figures: quality over a metric, one colour per sub-group with its line, and the pooled one.

After arXiv:2106.00734, figures 2 to 7 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report.figures import count, fixed
from gate.report.html.svg import Axis, Frame, dots, element, number, picture, polyline
from gate.study.words import group_word
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from gate.report.html.svg import Point
    from gate.study.interface import GroupTrend, MetricStudy, Study, TrainingGroup, Trend

WIDTH: Final = 340
HEIGHT: Final = 232
LEFT, RIGHT, TOP, BOTTOM = 48.0, 330.0, 20.0, 196.0
_COLOURS: Final = 8
_MARKS: Final = ("round", "square", "cross")
_MARGIN: Final = 0.06


@dataclass(frozen=True, slots=True)
class _Line:
    """A fitted line and where along x its models are."""

    slope: float
    intercept: float
    start: float
    end: float


def group_class(index: int) -> str:
    """Return the colour and the mark of a sub-group; they repeat after 24."""
    return f"g{index % _COLOURS} {_MARKS[index // _COLOURS % len(_MARKS)]}"


def swatch(index: int) -> Markup:
    """Draw a sub-group's mark and line for the legend."""
    drawn = _points([(11.0, 6.0)], group_class(index))
    return element("svg", element("path", class_=f"within g{index % _COLOURS}", d="M0 6H22"), drawn,
                   viewBox="0 0 22 12", class_="plot", aria_hidden="true")  # fmt: skip


def metric_plot(metric: MetricStudy, study: Study) -> Markup | None:
    """Draw quality over one metric; nothing where it has fewer than two different values."""
    points = {
        size.group: [
            (value, model.quality)
            for model in study.models
            if model.group == size.group and (value := model.metrics.get(metric.metric)) is not None
        ]
        for size in study.groups
    }
    title = f"{printable(study.quality)} over {printable(metric.metric)}"
    return _plot(
        points, metric.groups, metric.pooled, (printable(metric.metric), printable(study.quality)), title
    )


def training_plot(study: Study) -> Markup | None:
    """Draw test quality over training quality, or nothing where that is not known."""
    training = study.training
    if training is None:
        return None
    points = {
        size.group: [
            (model.training_quality, model.quality)
            for model in study.models
            if model.group == size.group and model.training_quality is not None
        ]
        for size in study.groups
    }
    names = (printable(training.training_quality), printable(study.quality))
    return _plot(points, training.groups, training.pooled, names, f"{names[1]} over {names[0]}")


def _plot(
    points: Mapping[str, Sequence[Point]],
    trends: Sequence[GroupTrend | TrainingGroup],
    pooled: Trend,
    names: tuple[str, str],
    title: str,
) -> Markup | None:
    everything = [point for group in points.values() for point in group]
    if len({x for x, _ in everything}) < 2 or len({y for _, y in everything}) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    x, y = _axis([x for x, _ in everything], LEFT, RIGHT), _axis([y for _, y in everything], BOTTOM, TOP)
    frame = Frame(WIDTH, HEIGHT, x, y, *names)
    lines = {trend.group: trend for trend in trends}
    drawn = [
        _group(group, index, held, lines.get(group), frame)
        for index, (group, held) in enumerate(points.items())
        if held
    ]
    over_all = _segment(_line(pooled, everything), frame)
    return picture(
        frame, title, _described(trends, pooled, len(everything)), *drawn,
        element("path", element("title", "all models"), class_="pooled", d=over_all),
    )  # fmt: skip


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = min(values), max(values)
    margin = (high - low) * _MARGIN
    return Axis(low - margin, high + margin, start, end)


def _group(
    group: str, index: int, held: Sequence[Point], trend: GroupTrend | TrainingGroup | None, frame: Frame
) -> Markup:
    """Draw a sub-group: its models, and its line where it is large enough to have one."""
    line = _segment(_line(trend, held), frame) if trend is not None else ""
    parts = [element("path", class_="within", d=line)] if line else []
    marks = _points([(frame.x(x), frame.y(y)) for x, y in held], group_class(index))
    said = element("title", f"{group_word(group)}: {count(len(held), 'model')}")
    return element("g", said, *parts, marks, class_=f"g{index % _COLOURS}")


def _points(places: Sequence[Point], class_: str) -> Markup:
    if class_.endswith("round"):
        d = dots(places)
    elif class_.endswith("square"):
        d = "".join(f"M{number(x - 2.3)} {number(y)}h4.6" for x, y in places)
    else:
        d = "".join(f"M{number(x - 2.5)} {number(y - 2.5)}l5 5m0-5l-5 5" for x, y in places)
    return element("path", class_=f"points {class_}", d=d)


def _line(trend: Trend | GroupTrend | TrainingGroup, held: Sequence[Point]) -> _Line | None:
    if trend.slope is None or trend.intercept is None:
        return None
    places = [x for x, _ in held]
    return _Line(trend.slope, trend.intercept, min(places), max(places))


def _segment(line: _Line | None, frame: Frame) -> str:
    """Return the part of a line that is inside the panel."""
    if line is None:
        return ""
    low, high = sorted((frame.y.low, frame.y.high))
    start, end = line.start, line.end
    if line.slope:
        ends = sorted(((low - line.intercept) / line.slope, (high - line.intercept) / line.slope))
        start, end = max(start, ends[0]), min(end, ends[1])
    if not start < end:
        return ""
    return polyline([(frame.x(at), frame.y(line.intercept + line.slope * at)) for at in (start, end)])


def _described(trends: Sequence[GroupTrend | TrainingGroup], pooled: Trend, models: int) -> str:
    rising = sum((trend.slope or 0.0) > 0 for trend in trends)
    falling = sum((trend.slope or 0.0) < 0 for trend in trends)
    over_all = "rises" if (pooled.slope or 0.0) > 0 else "falls" if (pooled.slope or 0.0) < 0 else "is level"
    return (
        f"{count(models, 'model')}. Over all the line {over_all} (Kendall τ {fixed(pooled.kendall_tau)}); of "
        f"{count(len(trends), 'sub-group')} with a line, it rises in {rising} and falls in {falling}."
    )
