"""Whether each metric may gate each kind of change, decided from the figures.

A metric may gate a change where quality goes with it significantly (after Holm's correction for the
metrics tried), in the direction the metric is documented to have, at least modestly (R² ≥ 0.2), and
no sub-group significantly contradicts it.  Where even a perfect order could not have been
significant, there is too little to say anything: that is not the same as nothing found.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from scipy import stats

from gate.study.correction import holm
from gate.study.interface import Judgement
from gate.study.trends import FEWEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.study.interface import Answer, Change, Direction, GroupTrend, MetricStudy, Study, Trend

_ENOUGH_LABELS: Final = ("strong", "modest")


def judge(study: Study) -> tuple[Judgement, ...]:
    """Return a judgement per metric for each kind of change."""
    return (*_within(study), *_between(study))


def _within(study: Study) -> tuple[Judgement, ...]:
    trends = [metric.average for metric in study.metrics]
    attainable = [_best_within(metric) for metric in study.metrics]
    return _all(study, "hyperparameters", trends, attainable)


def _between(study: Study) -> tuple[Judgement, ...]:
    trends = [metric.between for metric in study.metrics]
    return _all(study, "architecture", trends, [_best_order(found.n) for found in trends])


def _all(
    study: Study, change: Change, trends: Sequence[Trend], attainable: Sequence[float]
) -> tuple[Judgement, ...]:
    corrected = holm([found.p_value for found in trends])
    tried = sum(found.p_value is not None for found in trends)
    judged = []
    for metric, found, p_value, best in zip(study.metrics, trends, corrected, attainable, strict=True):
        answer, evidence = _answer(study, metric, change, found, p_value, best * max(1, tried))
        judged.append(
            Judgement(
                metric.metric,
                change,
                answer,
                evidence,
                better=_better(found.kendall_tau, study.quality_better),
                kendall_tau=found.kendall_tau,
                p_value_holm=p_value,
            )
        )
    return tuple(judged)


def _answer(
    study: Study, metric: MetricStudy, change: Change, found: Trend, p_value: float | None, best: float
) -> tuple[Answer, str]:
    """Return the answer and why, the first reason that applies."""
    lacking = _lacking(study, metric, change, found, best)
    if lacking or p_value is None:
        return "too little", lacking
    said = f"{_figures(metric, found, change)}, p {_p(p_value)}"
    if p_value >= study.settings.level:
        return "not shown", said
    objection = _objection(study, metric, change, found)
    return ("may not", f"{objection}; {said}") if objection else ("may", said)


def _lacking(study: Study, metric: MetricStudy, change: Change, found: Trend, best: float) -> str:
    """Say what there is too little of; empty where there is enough."""
    if change == "hyperparameters" and not metric.groups:
        return f"no sub-group has {study.settings.min_group} models with a value"
    if found.kendall_tau is None:
        return _undefined(found, change)
    if best >= study.settings.level:
        return f"even a perfect order of {_counted(metric, found, change)} could be chance"
    return ""


def _objection(study: Study, metric: MetricStudy, change: Change, found: Trend) -> str:
    """Say why a trend that is there must not gate; empty where it may."""
    if metric.better is not None and metric.better != _better(found.kendall_tau, study.quality_better):
        return f"reversed: here {_other(metric.better)} values go with better models"
    level = study.settings.level
    against = [group for group in metric.groups if _contradicts(group, found, level)]
    if change == "hyperparameters" and against:
        return f"reversed in {len(against)} of {len(_defined(metric))} sub-groups"
    return "" if found.label in _ENOUGH_LABELS else "the trend is there, but too weak"


def _undefined(found: Trend, change: Change) -> str:
    if change == "hyperparameters":
        return "its values, or the qualities, are all alike within sub-groups"
    if found.n < FEWEST:
        return f"there {'is' if found.n == 1 else 'are'} {_sub_groups(found.n)}"
    return f"the means of {_sub_groups(found.n)} are all alike"


def _counted(metric: MetricStudy, found: Trend, change: Change) -> str:
    if change == "hyperparameters":
        return f"{found.n} models in {_sub_groups(len(_defined(metric)))}"
    return _sub_groups(found.n)


def _defined(metric: MetricStudy) -> list[GroupTrend]:
    """Return the sub-groups in which the metric varies."""
    return [group for group in metric.groups if group.kendall_tau is not None]


def _sub_groups(number: int) -> str:
    return f"{number} sub-group{'' if number == 1 else 's'}"


def _figures(metric: MetricStudy, found: Trend, change: Change) -> str:
    tau, r2 = f"{found.kendall_tau:+.2f}", f"{found.r2:.2f}"
    if change == "hyperparameters":
        return f"mean τ {tau}, mean R² {r2} over {_counted(metric, found, change)}"
    return f"τ {tau}, R² {r2} over the means of {_sub_groups(found.n)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"  # noqa: PLR2004 - three decimals


def _contradicts(group: GroupTrend, found: Trend, level: float) -> bool:
    """Tell whether one sub-group's own trend is significantly opposite to the mean one."""
    if group.kendall_tau is None or group.p_value is None or found.kendall_tau is None:
        return False
    return group.kendall_tau * found.kendall_tau < 0 and group.p_value < level


def _better(kendall_tau: float | None, quality_better: Direction) -> Direction | None:
    """Return which way the metric is better by these data."""
    if not kendall_tau:
        return None
    return quality_better if kendall_tau > 0 else _other(quality_better)


def _other(way: Direction) -> Direction:
    return "lower" if way == "higher" else "higher"


def _best_within(metric: MetricStudy) -> float:
    """Return the p-value of the mean τ if every sub-group were perfectly ordered, without ties."""
    sizes = [group.n for group in _defined(metric)]
    if not sizes:
        return 1.0
    if len(sizes) == 1:
        return _best_order(sizes[0])
    variance = math.fsum(2 * (2 * n + 5) / (9 * n * (n - 1)) for n in sizes) / len(sizes) ** 2
    return float(2 * stats.norm.sf(1 / math.sqrt(variance)))


def _best_order(n: int) -> float:
    """Return the smallest two-sided p-value that Kendall's τ of n values can have: two orders of n!."""
    return 2 / math.factorial(n) if 1 < n < 20 else float(n <= 1)  # noqa: PLR2004 - zero for all that matters
