"""The questions that were asked before the contest was run, answered from its studies in words.

Every sentence follows from the figures by the rules written here, fixed before the table was there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.study.formats.outline import p_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.contest.looks import Look
    from gate.study import Study
    from gate.study.interface import MetricStudy, Trend

SURE: Final = 0.05
FALL: Final = 0.05
"""Test accuracy lost since its best that counts as a collapse."""

PERFECT: Final = 0.99
"""Training accuracy at which what is lost in the test is no lack of training."""

LOWEST_ALPHA: Final = 2.0
_MODEST: Final = 0.2
_SHARP: Final = ("strict", "weak")


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _direction(trend: Trend) -> int:
    """Return -1 or 1 where quality surely falls or rises with the metric, else 0."""
    if trend.kendall_tau is None or trend.p_value is None or trend.p_value >= SURE:
        return 0
    return -1 if trend.kendall_tau < 0 else 1


def _within(metric: MetricStudy) -> str:
    taus = ", ".join(f"{_signed(group.kendall_tau)} at depth {group.group}" for group in metric.groups)
    mean = metric.average
    return (
        f"τ {taus}; mean {_signed(mean.kendall_tau)} (p {p_word(mean.p_value)}), mean R² {mean.r2 or 0:.2f}"
    )


def _pooled(metric: MetricStudy) -> str:
    return f"pooled τ {_signed(metric.pooled.kendall_tau)} (p {p_word(metric.pooled.p_value)})"


def tracks(study: Study, name: str) -> str:
    """Answer whether a metric, lower being better, goes with quality within sub-groups."""
    metric = study.metric(name)
    found = _direction(metric.average)
    strength = "" if (metric.average.r2 or 0) >= _MODEST else ", weakly"
    word = {-1: f"Yes{strength}", 0: "No", 1: f"The other way round{strength}"}[found]
    return f"**{word}**: {_within(metric)}."


def reverses(study: Study, name: str) -> str:
    """Answer whether the pooled trend of a metric is opposite to those within sub-groups."""
    metric = study.metric(name)
    test = metric.simpson_test
    word = {"strict": "Yes, in every sub-group", "weak": "Yes, in most sub-groups", "none": "No"}.get(
        metric.simpson, "Too few sub-groups to tell"
    )
    if metric.simpson in _SHARP and not test.significant:
        word = "Not shown, by the signs of the slopes alone"
    return (
        f"**{word}**: {_pooled(metric)}; within sub-groups {_within(metric)}; "
        f"{test.opposite} of {test.groups} slopes are opposite to the pooled one "
        f"(p {p_word(test.p_value_holm)} after Holm's correction for {len(study.metrics)} metrics)."
    )


def mends(study: Study, name: str) -> str:
    """Answer whether a metric is right both ways: lower is better within sub-groups and pooled."""
    metric = study.metric(name)
    within, pooled = _direction(metric.average), _direction(metric.pooled)
    if within == pooled == -1 and metric.simpson == "none":
        word = "Yes"
    elif -1 in (within, pooled):
        word = "Half of it: only " + ("within sub-groups" if within == -1 else "over all")
    else:
        word = "No"
    return f"**{word}**: {_pooled(metric)}; within sub-groups {_within(metric)}."


QUESTIONS: Final = (
    ("Does alpha track test accuracy within sub-groups?", tracks, "alpha"),
    ("Does the log spectral norm reverse between sub-groups and the whole?", reverses, "log_spectral_norm"),
    ("Does AlphaHat (`alpha_weighted`) mend it?", mends, "alpha_weighted"),
)


def collapsed(looks: Sequence[Look]) -> str:
    """Say of one run whether test accuracy fell in the end, and what alpha and traps had done by then."""
    best = max(looks, key=lambda look: look.test_accuracy)
    end = looks[-1]
    fallen = best.test_accuracy - end.test_accuracy >= FALL
    fate = "**It collapsed**" if fallen else "**It did not collapse**"
    return (
        f"{fate}: test accuracy was at its best after {best.step:,} steps ({best.test_accuracy:.1%}) and "
        f"{end.test_accuracy:.1%} after {end.step:,}, training accuracy {end.train_accuracy:.1%}. "
        f"{_while_perfect(looks, best)}{_low_alpha(looks)} {_traps(looks)}"
    )


def _while_perfect(looks: Sequence[Look], best: Look) -> str:
    """Say how far test accuracy fell while training accuracy stayed, which is what anti-grokking means."""
    later = [look for look in looks if look.step > best.step and look.train_accuracy >= PERFECT]
    if not later:
        return ""
    low = min(later, key=lambda look: look.test_accuracy)
    return (
        f"While training accuracy was at least {PERFECT:.0%}, test accuracy fell as low as "
        f"{low.test_accuracy:.1%} (after {low.step:,} steps). "
    )


def _low_alpha(looks: Sequence[Look]) -> str:
    low = [
        look
        for look in looks
        if any(a is not None and a < LOWEST_ALPHA for a in (look.alpha_1, look.alpha_2))
    ]
    if not low:
        lowest = min(a for look in looks for a in (look.alpha_1, look.alpha_2) if a is not None)
        return f"Alpha of neither hidden layer fell below 2 (lowest {lowest:.2f})."
    often = f"{len(low)} of {len(looks)} looks"
    return f"Alpha of a layer was below 2 at {often}, first after {low[0].step:,} steps."


def _traps(looks: Sequence[Look]) -> str:
    trapped = [look for look in looks if look.traps_1 or look.traps_2]
    if not trapped:
        return "No look found a correlation trap."
    most = max((look.traps_1 or 0) + (look.traps_2 or 0) for look in looks)
    return (
        f"Correlation traps stood at {len(trapped)} of {len(looks)} looks, first after {trapped[0].step:,} "
        f"steps, at most {most} in the two layers together."
    )


def by_run(looks: Sequence[Look]) -> Mapping[str, list[Look]]:
    """Return the looks of each run, in order."""
    runs: dict[str, list[Look]] = {}
    for look in looks:
        runs.setdefault(look.run, []).append(look)
    return runs
