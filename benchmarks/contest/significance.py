"""How often each rule refuses a model that is as good as its baseline: the same training, another seed.

Every copy of a reference network is judged against every other one, as if the one were the new version
and the other its baseline (and its anchor).  A rule that compares nothing is asked of each copy once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.common import say
from benchmarks.contest.intervals import Interval, over_pairs, wilson
from gate.policy import judge, load_policies, packaged_policy
from gate.policy.interface import Baseline
from gate.policy.kinds.change import MaxIncrease
from gate.spectra.conventions import GATE_1
from gate.spectra.summary import eligible, excluded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gate.analysis.interface import Analysis
    from gate.policy.interface import RuleResult, Verdict
    from gate.policy.rules import Policy, Rule

POLICIES: Final = ("default", "strict")
WHOLE: Final = "the policy"
TOLERANCES: Final = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, math.inf)
"""Tried in place of the ``absolute`` of each rule on AlphaHat; none forgives a layer that left the mean."""

FEWEST: Final = 2
"""Copies that a spread needs."""

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
    outcomes = np.full((len(copies), len(copies), len(asked)), "", dtype=object)
    rises = np.full(outcomes.shape, -np.inf)
    widened = [_without_tolerance(policy) for policy in policies]
    for row, candidate in enumerate(copies):
        for column, baseline in enumerate(copies):
            if row != column:
                verdict = judged(candidate, baseline, widened)
                outcomes[row, column] = _outcomes(verdict, policies)
                rises[row, column, len(policies) :] = [_rise(rule) for rule in verdict.rules]
        say(f"{family}: {row + 1} of {len(copies)} copies judged")
    return tuple(
        _rate(family, replace(each, tolerance=tolerance), outcomes[:, :, place], rises[:, :, place])
        for place, each in enumerate(asked)
        for tolerance in ((None,) if each.tolerance is None else TOLERANCES)
    )


def judged(candidate: Analysis, baseline: Analysis, policies: Sequence[Policy]) -> Verdict:
    """Judge a pair: whatever baseline a rule asks for, it is this one."""
    return judge(
        candidate,
        policies,
        resolve=lambda spec: Baseline(spec, baseline.source.uri, baseline),
        baselines=("previous",),
    )


def _asked(policies: Sequence[Policy]) -> list[_Asked]:
    """Return the policies themselves, then their rules and those without a tolerance, as in a verdict."""
    whole = [_Asked(policy.name, WHOLE, "block", compares=True) for policy in policies]
    rules = [
        _Asked(policy.name, rule.id, rule.severity, rule.operator.compares, tolerance)
        for policy in policies
        for rule in policy.rules
        for tolerance in (None, *[0.0] * len(_bare(rule)))
    ]
    return whole + rules


def _without_tolerance(policy: Policy) -> Policy:
    """Return the policy with each rule on AlphaHat followed by itself with ``absolute: 0``."""
    return replace(policy, rules=tuple(each for rule in policy.rules for each in (rule, *_bare(rule))))


def _bare(rule: Rule) -> list[Rule]:
    """Return the rule with ``absolute: 0``, informative: it must not change what the policy decides."""
    if rule.metric.id != _METRIC or not isinstance(rule.operator, MaxIncrease):
        return []
    return [
        replace(rule, severity="info", operator=MaxIncrease(replace(rule.operator.tolerance, absolute=0.0)))
    ]


def _rise(rule: RuleResult) -> float:
    """Return by how much the figure rose; infinitely where a layer left it, which no tolerance forgives."""
    if rule.layers:
        return math.inf
    now, then = rule.value, rule.baseline_value
    return now - then if isinstance(now, float) and isinstance(then, float) else -math.inf


def _outcomes(verdict: Verdict, policies: Sequence[Policy]) -> list[str]:
    by_name = {result.name: result.outcome for result in verdict.policies}
    whole = ["failed" if by_name[policy.name] in _REFUSED else "passed" for policy in policies]
    return [*whole, *[rule.outcome for rule in verdict.rules]]


def _rate(family: str, asked: _Asked, outcomes: NDArray[np.object_], rises: NDArray[np.float64]) -> Rate:
    apart = ~np.eye(len(outcomes), dtype=bool)
    failed = np.asarray(outcomes == "failed", dtype=bool)
    if asked.tolerance is not None:
        failed &= (rises > asked.tolerance) | np.isposinf(rises)
    if asked.compares:
        return _counted(family, asked, outcomes[apart], failed[apart], over_pairs(failed))
    column = np.where(np.arange(len(outcomes)) == 0, 1, 0)  # the same whatever the baseline
    each = np.arange(len(outcomes)), column
    return _counted(
        family, asked, outcomes[each], failed[each], wilson(float(failed[each].mean()), len(outcomes))
    )


def _counted(
    family: str,
    asked: _Asked,
    outcomes: NDArray[np.object_],
    failed: NDArray[np.bool_],
    interval: Interval,
) -> Rate:
    seen = outcomes.tolist()
    return Rate(
        family=family,
        policy=asked.policy,
        rule=asked.id,
        severity=asked.severity,
        compares=asked.compares,
        tolerance=asked.tolerance,
        trials=len(seen),
        failed=int(failed.sum()),
        inconclusive=seen.count("inconclusive"),
        not_applicable=seen.count("not_applicable"),
        rate=interval.rate,
        low=interval.low,
        high=interval.high,
        effective=interval.effective,
    )


@dataclass(frozen=True, slots=True)
class SeededLayer:
    """What another seed does to one layer: alpha's mean and spread over the copies, beside its own error.

    ``excluded`` counts copies in which it has no part in the model means: no fit, or alpha of 8 or above.
    """

    family: str
    layer: str
    eigenvalues: int
    copies: int
    excluded: int
    alpha: float
    alpha_deviation: float
    alpha_standard_error: float


def seeded_layers(family: str, copies: Sequence[Analysis]) -> tuple[SeededLayer, ...]:
    """Return a row for each layer that counts in the means of any copy."""
    found = []
    for rows in zip(*[analysis.layers for analysis in copies], strict=True):
        kept = [row for row in eligible(rows, GATE_1) if not excluded(row, GATE_1)]
        fitted = [(row.alpha, row.alpha_standard_error or 0.0) for row in kept if row.alpha is not None]
        if len(fitted) < FEWEST:
            continue
        alphas = [alpha for alpha, _ in fitted]
        found.append(
            SeededLayer(
                family,
                rows[0].name,
                rows[0].eigenvalues,
                len(rows),
                len(rows) - len(fitted),
                float(np.mean(alphas)),
                float(np.std(alphas, ddof=1)),
                float(np.mean([error for _, error in fitted])),
            )
        )
    return tuple(found)
