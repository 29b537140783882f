"""How often each rule refuses a model that is as good as its baseline: the same training, another seed.

Every copy of a reference network is judged against every other one, as if the one were the new version
and the other its baseline (and its anchor).  A rule that compares nothing is asked of each copy once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.common import say
from benchmarks.contest.intervals import Interval, over_pairs, wilson
from gate.policy import judge, load_policies, packaged_policy
from gate.policy.interface import Baseline
from gate.policy.kinds.change import MaxIncrease

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.policy.rules import Policy, Rule

POLICIES: Final = ("default", "strict")
WHOLE: Final = "the policy"
TOLERANCES: Final = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)
"""Tried in place of the ``absolute`` of each rule on AlphaHat."""

_METRIC: Final = "model.alpha_weighted"
_REFUSED: Final = frozenset({"blocked", "inconclusive", "error"})


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one rule failed.

    ``trials`` are ordered pairs where the rule compares, copies where not; ``tolerance`` is None for the
    rule as it stands in the policy, else the ``absolute`` tried in its place.
    """

    family: str
    policy: str
    rule: str
    severity: str
    compares: bool
    tolerance: float | None
    trials: int
    failed: int
    inconclusive: int
    not_applicable: int
    rate: float
    low: float
    high: float
    effective: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule of a policy, as it stands or with another tolerance."""

    policy: str
    id: str
    severity: str
    compares: bool
    tolerance: float | None = None


def rates(family: str, copies: Sequence[Analysis]) -> tuple[Rate, ...]:
    """Judge every ordered pair of ``copies`` and count."""
    policies = load_policies([packaged_policy(name) for name in POLICIES])
    asked = _asked(policies)
    widened = [_with_tolerances(policy) for policy in policies]
    outcomes = np.full((len(copies), len(copies), len(asked)), "", dtype=object)
    for row, candidate in enumerate(copies):
        for column, baseline in enumerate(copies):
            if row != column:
                outcomes[row, column] = _outcomes(judged(candidate, baseline, widened), policies)
        say(f"{family}: {row + 1} of {len(copies)} copies judged")
    return tuple(_rate(family, each, outcomes[:, :, place]) for place, each in enumerate(asked))


def judged(candidate: Analysis, baseline: Analysis, policies: Sequence[Policy]) -> Verdict:
    """Judge a pair: whatever baseline a rule asks for, it is this one."""
    return judge(
        candidate,
        policies,
        resolve=lambda spec: Baseline(spec, baseline.source.uri, baseline),
        baselines=("previous",),
    )


def _asked(policies: Sequence[Policy]) -> list[_Asked]:
    """Return the policies themselves, then their rules with the variants, in the order of a verdict."""
    whole = [_Asked(policy.name, WHOLE, "block", compares=True) for policy in policies]
    rules = [
        _Asked(policy.name, rule.id, rule.severity, rule.operator.compares, tolerance)
        for policy in policies
        for rule in policy.rules
        for tolerance in (None, *_tried(rule))
    ]
    return whole + rules


def _tried(rule: Rule) -> tuple[float, ...]:
    fits = rule.metric.id == _METRIC and isinstance(rule.operator, MaxIncrease)
    return TOLERANCES if fits else ()


def _with_tolerances(policy: Policy) -> Policy:
    """Return the policy with each rule on AlphaHat followed by itself under other tolerances."""
    return replace(policy, rules=tuple(each for rule in policy.rules for each in (rule, *_variants(rule))))


def _variants(rule: Rule) -> list[Rule]:
    """Return informative variants: they must not change what the policy as a whole decides."""
    if not isinstance(rule.operator, MaxIncrease):
        return []
    return [
        replace(
            rule,
            severity="info",
            operator=MaxIncrease(replace(rule.operator.tolerance, absolute=tolerance)),
        )
        for tolerance in _tried(rule)
    ]


def _outcomes(verdict: Verdict, policies: Sequence[Policy]) -> list[str]:
    by_name = {result.name: result.outcome for result in verdict.policies}
    whole = ["failed" if by_name[policy.name] in _REFUSED else "passed" for policy in policies]
    return [*whole, *[rule.outcome for rule in verdict.rules]]


def _rate(family: str, asked: _Asked, outcomes: np.ndarray[tuple[int, int], np.dtype[np.object_]]) -> Rate:
    apart = ~np.eye(len(outcomes), dtype=bool)
    if asked.compares:
        seen, interval = outcomes[apart], over_pairs(outcomes == "failed")
    else:  # the same whatever the baseline
        seen = outcomes[:, 0].copy()
        seen[0] = outcomes[0, 1]
        interval = wilson(float((seen == "failed").mean()), len(seen))
    return _counted(family, asked, seen.tolist(), interval)


def _counted(family: str, asked: _Asked, seen: list[str], interval: Interval) -> Rate:
    return Rate(
        family=family,
        policy=asked.policy,
        rule=asked.id,
        severity=asked.severity,
        compares=asked.compares,
        tolerance=asked.tolerance,
        trials=len(seen),
        failed=seen.count("failed"),
        inconclusive=seen.count("inconclusive"),
        not_applicable=seen.count("not_applicable"),
        rate=interval.rate,
        low=interval.low,
        high=interval.high,
        effective=interval.effective,
    )


def spread(copies: Mapping[str, Sequence[Analysis]]) -> dict[str, float]:
    """Return the standard deviation of AlphaHat between the copies of each family."""
    return {
        family: float(np.std([analysis.model.alpha_weighted for analysis in found], ddof=1))
        for family, found in copies.items()
    }
