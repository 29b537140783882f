"""What every format that people read shows of a study, as words and rows of finished cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.report.figures import NONE, count, figure, fixed
from gate.study.words import group_word
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.study.interface import Change, Correlation, GroupTrend, Interval, MetricStudy, Study, Trend

Row = tuple[str, ...]
Column = tuple[str, bool]
"""Title, and whether its cells are numbers."""

ALIKE: Final = 0.9
"""Metrics whose |τ| is at least this say the same thing."""

SUMMARY: Final[tuple[Column, ...]] = (
    ("metric", False), ("kind", False), ("τ pooled", True), ("τ mean", True), ("R² pooled", True),
    ("R² mean", True), ("label", False), ("Simpson", False), ("within sub-groups", False),
    ("between them", False),
)  # fmt: skip

GROUPS: Final[tuple[Column, ...]] = (
    ("sub-group", False), ("n", True), ("R²", True), ("RMSE", True), ("slope", True), ("τ", True),
    ("τ interval", True), ("p", True), ("label", False),
)  # fmt: skip

TRAINING: Final[tuple[Column, ...]] = (
    ("sub-group", False), ("n", True), ("R²", True), ("slope", True), ("τ", True), ("p, corrected", True),
    ("overtrained", False),
)  # fmt: skip

ALIKE_COLUMNS: Final[tuple[Column, ...]] = (
    ("metric", False), ("metric", False), ("τ pooled", True), ("τ mean within", True), ("R² pooled", True),
)  # fmt: skip

_SMALLEST_P: Final = 0.001


def title(study: Study) -> str:
    """Return the heading."""
    return f"Which metric predicts {printable(study.quality)}"


def subject(study: Study) -> str:
    """Count what was studied, in one line."""
    sizes = ", ".join(f"{group_word(size.group)} ({size.n})" for size in study.groups[:_LISTED])
    more = f" and {len(study.groups) - _LISTED} more" if len(study.groups) > _LISTED else ""
    groups = count(len(study.groups), "sub-group")
    return f"{count(len(study.models), 'model')} in {groups} by {printable(study.group)}: {sizes}{more}"


_LISTED: Final = 20


def method(study: Study) -> str:
    """Say how the figures were made."""
    settings = study.settings
    return (
        f"Least squares of {printable(study.quality)} ({study.quality_better} is better) on each metric; "
        f"Kendall's τ-b; mean is the plain mean over sub-groups of at least {settings.min_group} models. "
        f"{settings.confidence:.0%} intervals from {settings.resamples:,} bootstrap resamples, "
        f"{settings.permutations:,} permutations within sub-groups, seed {settings.seed}; p-values of the "
        f"conclusions after Holm's correction for {count(len(study.metrics), 'metric')}."
    )


def summary(study: Study) -> list[Row]:
    """Return a row per metric."""
    answers = {(each.metric, each.change): each.answer for each in study.judgements}
    return [_summary_row(metric, answers) for metric in study.metrics]


def _summary_row(metric: MetricStudy, answers: Mapping[tuple[str, Change], str]) -> Row:
    pooled, mean = metric.pooled, metric.average
    return (
        printable(metric.metric),
        metric.shape_or_scale,
        fixed(pooled.kendall_tau),
        fixed(mean.kendall_tau),
        fixed(pooled.r2),
        fixed(mean.r2),
        mean.label if metric.groups else NONE,
        simpson_word(metric),
        answers.get((metric.metric, "hyperparameters"), NONE),
        answers.get((metric.metric, "architecture"), NONE),
    )


def simpson_word(metric: MetricStudy) -> str:
    """Return the paradox in a word or two: by sign alone where it is not significant."""
    if metric.simpson in {"strict", "weak"} and not metric.simpson_test.significant:
        return f"{metric.simpson}, by sign"
    return metric.simpson


def group_rows(metric: MetricStudy) -> list[Row]:
    """Return a row per sub-group, then the mean, the means of sub-groups, and the pooled one."""
    return [
        *(_row(group_word(group.group), group) for group in metric.groups),
        _row("mean of sub-groups", metric.average),
        _row("means of sub-groups", metric.between, labelled=False),
        _row("all models", metric.pooled),
    ]


def _row(name: str, found: Trend | GroupTrend, *, labelled: bool = True) -> Row:
    return (
        name,
        f"{found.n:,}",
        fixed(found.r2),
        figure(found.rmse, 3),
        figure(found.slope, 3),
        fixed(found.kendall_tau),
        interval(found.kendall_tau_interval),
        p_word(found.p_value),
        found.label if labelled and found.r2 is not None else NONE,
    )


def interval(ends: Interval) -> str:
    """Write an interval."""
    low, high = ends
    return NONE if low is None or high is None else f"{low:+.2f} to {high:+.2f}"


def p_word(value: float | None) -> str:
    """Write a p-value."""
    if value is None:
        return NONE
    return "< 0.001" if value < _SMALLEST_P else f"{value:.3f}"


def tests(metric: MetricStudy) -> str:
    """Say what was tested about the paradox, in one line."""
    test, analysis = metric.simpson_test, metric.simpson_test.covariance
    if metric.simpson == "insufficient":
        return "Simpson's paradox: too few sub-groups to tell."
    found = (
        f"{simpson_word(metric)} ({test.opposite} of {test.groups} slopes opposite, corrected p "
        f"{p_word(test.p_value_holm)})"
    )
    within = (
        f"permutation p {p_word(test.permutation_p_value)}, common slope {figure(analysis.slope, 3)} with p "
        f"{p_word(analysis.slope_p_value)} by analysis of covariance"
    )
    differ = f"level p {p_word(analysis.group_p_value)}, in slope p {p_word(analysis.unequal_p_value)}"
    return f"Simpson's paradox: {found}. Within sub-groups: {within}; sub-groups differ in {differ}."


def small(metric: MetricStudy, study: Study) -> str:
    """Name the sub-groups in which this metric has too few values; empty where there is none."""
    names = [f"{group_word(size.group)} ({size.n})" for size in metric.small_groups]
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"Fewer than {study.settings.min_group} models: {', '.join(names[:_LISTED])}{more}."


def training_rows(study: Study) -> list[Row]:
    """Return a row per sub-group of test quality over training quality."""
    if study.training is None:
        return []
    return [
        (
            group_word(group.group),
            f"{group.n:,}",
            fixed(group.r2),
            figure(group.slope, 3),
            fixed(group.kendall_tau),
            p_word(group.p_value_holm),
            group.overtrained,
        )
        for group in study.training.groups
    ]


def alike_rows(study: Study) -> list[Row]:
    """Return the pairs of metrics that order the models alike, the closest first."""
    close = sorted(_alike(study), key=lambda pair: -abs(pair.kendall_tau or 0.0))
    return [
        (
            printable(pair.a),
            printable(pair.b),
            fixed(pair.kendall_tau),
            fixed(pair.average_kendall_tau),
            fixed(pair.r2),
        )
        for pair in close
    ]


def _alike(study: Study) -> Iterator[Correlation]:
    return (pair for pair in study.correlations if abs(pair.kendall_tau or 0.0) >= ALIKE)


def left_out(study: Study) -> list[tuple[str, str]]:
    """Return what was left out, with its reason."""
    return [(printable(each.model), printable(each.reason, 400)) for each in study.left_out]
