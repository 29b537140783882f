"""What a rule's limit would have to be for a version to pass: one number per version and limit.

A *knob* is one number of a rule that a history can set: how many layers may fail, how far a figure
may move, where a figure may lie.  Its *reading* on a version is the tightest setting at which that
version still passes, larger for worse; it is infinite where no setting lets the version pass (a
layer left the mean, no value), and None where the rule has nothing to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from gate.policy.kinds.bounds import AtLeast, AtMost
from gate.policy.kinds.change import MaxChange, MaxDecrease, MaxIncrease
from gate.policy.kinds.change_layers import paired_scope
from gate.policy.kinds.interface import Evidence
from gate.policy.kinds.scope import scope
from gate.policy.kinds.within import Within
from gate.policy.lookup import Baselines
from gate.policy.rules import POLICY_BASELINE
from gate.study.calibrate.replay import baselines_of, nowhere

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gate.policy.interface import RuleResult
    from gate.policy.rules import Policy, Rule
    from gate.study.calibrate.interface import PastVersion
    from gate.study.calibrate.replay import Elsewhere

Part = Literal["share", "count", "absolute", "relative", "lower", "upper"]

_SPECTRAL: Final = frozenset({"layer", "model"})
_CHANGES: Final = (MaxIncrease, MaxDecrease, MaxChange)
_SIDES: Final[tuple[tuple[type, tuple[Part, ...]], ...]] = (
    (Within, ("lower", "upper")),
    (AtMost, ("upper",)),
    (AtLeast, ("lower",)),
)
_NO_NUMBER: Final = "it has no number that a history could set"
_KEPT_LEVELS: Final = {
    "file": "what a file may hold is no matter of habit",
    "coverage": "how much must be measured is no matter of habit",
}


@dataclass(frozen=True, slots=True)
class Knob:
    """One number of a rule that a history can set; ``rule`` is its place in the policy."""

    rule: int
    part: Part

    def setting(self, rule: Rule) -> float:
        """Return what it is set to, turned so that larger is looser."""
        operator = rule.operator
        if self.part == "share":
            return rule.allow.share or 0.0
        if self.part == "count":
            return float(rule.allow.count or 0)
        if isinstance(operator, _CHANGES):
            value = getattr(operator.tolerance, self.part)
            return float(value)
        if isinstance(operator, Within):
            return operator.high if self.part == "upper" else -operator.low
        if isinstance(operator, AtMost):
            return operator.limit
        if isinstance(operator, AtLeast):
            return -operator.limit
        raise TypeError(f"{rule.id} has no {self.part}")

    def turned(self, rule: Rule, setting: float) -> Rule:
        """Return the rule with this number set to ``setting``, rounded to the loose side."""
        value = rounded_up(setting)
        operator = rule.operator
        if self.part == "share":
            return replace(rule, allow=replace(rule.allow, share=min(max(value, 0.0), 1.0), count=None))
        if self.part == "count":
            return replace(rule, allow=replace(rule.allow, count=math.ceil(setting)))
        if isinstance(operator, _CHANGES):
            tolerance = replace(operator.tolerance, **{self.part: max(value, 0.0)})
            return replace(rule, operator=replace(operator, tolerance=tolerance))
        if isinstance(operator, Within):
            side = {"high": value} if self.part == "upper" else {"low": -value}
            return replace(rule, operator=replace(operator, **side))
        if isinstance(operator, AtMost):
            return replace(rule, operator=AtMost(value))
        return replace(rule, operator=AtLeast(-value))


def rounded_up(value: float) -> float:
    """Return ``value`` at three significant digits, never below it: what a sample sets is no surer."""
    if value == 0 or not math.isfinite(value):
        return value
    decimals = 2 - math.floor(math.log10(abs(value)))
    rounded = math.ceil(value * 10.0**decimals - 1e-9) / 10.0**decimals
    shown = float(f"{rounded:.10g}")
    return shown if shown >= value else math.nextafter(value, math.inf)


def knobs_of(place: int, rule: Rule) -> tuple[tuple[Knob, ...], str]:
    """Return what a history can set in a rule, or nothing and why."""
    why = _why_kept(rule)
    if why:
        return (), why
    if rule.metric.level == "layer":
        part: Part = "count" if rule.allow.share is None and rule.allow.count else "share"
        return (Knob(place, part),), ""
    operator = rule.operator
    if isinstance(operator, _CHANGES):
        given: tuple[Part, ...] = ("absolute", "relative")
        parts = tuple(name for name in given if getattr(operator.tolerance, name) is not None)[:1]
        return tuple(Knob(place, name) for name in parts), "" if parts else _NO_NUMBER
    sides = next((sides for kind, sides in _SIDES if isinstance(operator, kind)), ())
    return tuple(Knob(place, side) for side in sides), "" if sides else _NO_NUMBER


def _why_kept(rule: Rule) -> str:
    if rule.severity == "info":
        return "it only informs"
    if rule.metric.level in _KEPT_LEVELS:
        return _KEPT_LEVELS[rule.metric.level]
    if rule.metric.id == "layer.flags":
        return "a broken layer is no matter of habit"
    if rule.operator.compares and (rule.against or "").startswith("version:"):
        return "the distance from a fixed version grows with time: past ones say little about the next"
    return ""


class Reader:
    """Looks at the versions of a history through the rules of a policy.

    Baselines are the newest earlier versions that are in ``standing``: the good ones, as they are
    what would have been promoted.
    """

    def __init__(
        self,
        policy: Policy,
        versions: Sequence[PastVersion],
        standing: Collection[int],
        elsewhere: Elsewhere = nowhere,
    ) -> None:
        self._policy = policy
        self._versions = versions
        self._standing = standing
        self._elsewhere = elsewhere
        self._baselines: dict[int, Baselines] = {}
        self._results: dict[tuple[int, Rule], RuleResult | None] = {}

    def covered(self, place: int) -> bool:
        """Tell whether enough of the version was measured for the policy to have an opinion."""
        analysis = self._versions[place].analysis
        return analysis is not None and analysis.coverage.share >= self._policy.min_parameters

    def result(self, place: int, rule: Rule) -> RuleResult | None:
        """Return what ``rule`` says of a version, None where it has nothing to compare with."""
        if (place, rule) not in self._results:
            evidence = self._evidence(place, rule)
            said = None if evidence is None else rule.operator.evaluate(rule, evidence)
            self._results[place, rule] = said
        return self._results[place, rule]

    def reading(self, place: int, rule: Rule, knob: Knob) -> float | None:
        """Return the tightest setting at which the version passes; see the module's docstring."""
        evidence = self._evidence(place, rule)
        if evidence is None:
            return None
        if knob.part in {"share", "count"}:
            return _allowed(rule, evidence, knob)
        if knob.part in {"absolute", "relative"}:
            return _moved(rule, evidence, knob)
        said = rule.operator.evaluate(rule, evidence)
        if isinstance(said.value, bool) or not isinstance(said.value, (int, float)):
            return None if said.outcome == "not_applicable" else math.inf
        return float(said.value) if knob.part == "upper" else -float(said.value)

    def _evidence(self, place: int, rule: Rule) -> Evidence | None:
        version = self._versions[place]
        if version.analysis is None:
            return None
        if place not in self._baselines:
            resolve = baselines_of(self._versions, place, self._standing, self._elsewhere)
            self._baselines[place] = Baselines(version.analysis, resolve)
        own = rule.against is not None and rule.against != POLICY_BASELINE
        specs = (rule.against or "",) if own else self._policy.baseline.use
        found = self._baselines[place].find(
            specs,
            spectral=rule.metric.level in _SPECTRAL,
            partial=self._policy.baseline.partial == "compare",
        )
        if rule.operator.compares and found.state != "comparable":
            return None
        reference = found.reference if found.state == "comparable" else None
        return Evidence(self._policy.name, version.analysis, version.run_metrics, reference)


def _allowed(rule: Rule, evidence: Evidence, knob: Knob) -> float | None:
    """Return how much has to be allowed to fail."""
    said = rule.operator.evaluate(replace(rule, allow=replace(rule.allow, share=0.0, count=None)), evidence)
    if said.outcome == "not_applicable":
        return None
    if said.outcome == "passed":
        return 0.0
    weight, total = float(len(said.layers)), float(said.evaluated)
    if rule.allow.by == "parameters":
        weight, total = _weights(rule, evidence, said)
    if not total:
        return math.inf
    needed = weight if knob.part == "count" else weight / total
    passes = rule.operator.evaluate(knob.turned(rule, needed), evidence).outcome == "passed"
    return needed if passes else math.inf


def _weights(rule: Rule, evidence: Evidence, said: RuleResult) -> tuple[float, float]:
    """Return the parameters of the layers that failed and of all that were judged, as the tally has them."""
    seen = (paired_scope if rule.operator.compares else scope)(rule, evidence)
    rows = [*(pair.row for pair in seen.inside), *(slipped.row for slipped in seen.slipped)]
    size = {row.name: max(1, row.parameters) for row in rows}
    return float(sum(size[layer.name] for layer in said.layers)), float(sum(size.values()))


def _moved(rule: Rule, evidence: Evidence, knob: Knob) -> float | None:
    """Return how far a figure moved to the side that counts, 0 where nothing else would refuse it."""
    operator = rule.operator
    if not isinstance(operator, _CHANGES):
        raise TypeError(f"{rule.id} compares nothing")
    strict = replace(operator, tolerance=replace(operator.tolerance, **{knob.part: 0.0}))
    said = strict.evaluate(replace(rule, operator=strict), evidence)
    if said.outcome == "not_applicable":
        return None
    if said.outcome == "passed":
        return 0.0
    now, then = said.value, said.baseline_value
    if said.layers or not isinstance(now, (int, float)) or not isinstance(then, (int, float)):
        return math.inf
    moved = operator.amount(float(now) - float(then))
    if knob.part == "absolute":
        return moved
    return moved / abs(then) if then else math.inf
