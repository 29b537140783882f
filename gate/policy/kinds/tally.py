"""From what became of each layer to what became of the rule: counting, allowing, saying."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gate.policy.interface import RuleLayer
from gate.policy.kinds.results import asked, reference_words, result
from gate.policy.kinds.scope import NOT_TO_BE_JUDGED
from gate.policy.words import count, figure, listed
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.policy.interface import RuleOutcome, RuleResult, Value
    from gate.policy.kinds.interface import Evidence
    from gate.policy.kinds.scope import Scope
    from gate.policy.rules import Allow, Rule
    from gate.spectra.interface import LayerMetrics

Fate = Literal["passed", "failed", "undecided"]

_NAMED: Final = 5
"""How many layers a message names; the result holds them all."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One layer's fate; ``distance`` sorts the worst first."""

    row: LayerMetrics
    fate: Fate
    value: Value
    baseline_value: Value = None
    distance: float = 0.0
    why: str | None = None

    def words(self) -> str:
        """Name the layer with its values, or with the reason."""
        name = printable(self.row.name, 80)
        if self.why is not None:
            return f"{name} ({self.why})"
        then = "" if self.baseline_value is None else f"{figure(self.baseline_value)} -> "
        return f"{name} {then}{figure(self.value)}"


@dataclass(frozen=True, slots=True)
class Tally:
    """All the layers of a rule, and how much of them may fail."""

    allow: Allow
    everyone: tuple[Judged, ...]

    def of(self, fate: Fate) -> list[Judged]:
        """Return the layers with that fate, the worst first."""
        return sorted((item for item in self.everyone if item.fate == fate), key=lambda item: -item.distance)

    def outcome(self) -> RuleOutcome:
        """Count; what is undecided matters only where it could tip the scale."""
        failed = self.of("failed")
        if self._exceeded_by(failed):
            return "failed"
        return "inconclusive" if self._exceeded_by([*failed, *self.of("undecided")]) else "passed"

    def _exceeded_by(self, items: Sequence[Judged]) -> bool:
        amount = self._weight(items)
        if self.allow.share is not None:
            return amount / self._weight(self.everyone) > self.allow.share
        return amount > (self.allow.count or 0)

    def _weight(self, items: Sequence[Judged]) -> int:
        """Count layers, or their parameters; no layer weighs nothing, whatever its row claims."""
        if self.allow.by == "layers":
            return len(items)
        return sum(max(1, item.row.parameters) for item in items)


def conclude(rule: Rule, evidence: Evidence, seen: Scope, judged: Sequence[Judged]) -> RuleResult:
    """Return the rule's result from its layers; those that slipped out of it count as failed."""
    slipped = (Judged(x.row, "failed", x.value, x.baseline_value, math.inf, x.why) for x in seen.slipped)
    tally = Tally(rule.allow, (*judged, *slipped))
    if not tally.everyone:
        return _nothing(rule, evidence, seen)
    failed = tally.of("failed")
    return result(
        rule,
        evidence.policy,
        tally.outcome(),
        _message(rule, evidence, seen, tally, named=True),
        brief=_message(rule, evidence, seen, tally, named=False) if failed else "",
        value=f"{len(failed)} of {count(len(tally.everyone), 'layer')}",
        layers=tuple(RuleLayer(item.row.name, item.value, item.baseline_value, item.why) for item in failed),
        evaluated=len(tally.everyone),
        excluded=tuple(name for name, _ in seen.left_out),
    )


def _nothing(rule: Rule, evidence: Evidence, seen: Scope) -> RuleResult:
    """No layer was judged: either none was meant, or those that were have no value."""
    unknown = any(why in NOT_TO_BE_JUDGED for _, why in seen.left_out)
    outcome: RuleOutcome = "inconclusive" if unknown else "not_applicable"
    what = "no layer could be judged" if unknown else "matched no layer"
    message = f"{what}: {asked(rule)}{_left_out(seen)}"
    return result(rule, evidence.policy, outcome, message, excluded=tuple(name for name, _ in seen.left_out))


def _message(rule: Rule, evidence: Evidence, seen: Scope, tally: Tally, *, named: bool) -> str:
    failed, undecided = tally.of("failed"), tally.of("undecided")
    text = f"{len(failed)} of {count(len(tally.everyone), 'layer')} failed"
    if rule.allow.words():
        text += f" ({rule.allow.words()})"
    text += f": {asked(rule)}"
    if rule.operator.compares:
        text += reference_words(evidence.reference)
    if failed and named:
        text += f"; worst: {listed((item.words() for item in failed), _NAMED)}"
    if undecided:
        text += f"; undecided: {listed((item.words() for item in undecided), _NAMED)}"
    return text + _left_out(seen)


def _left_out(seen: Scope) -> str:
    reasons = Counter(why for _, why in seen.left_out)
    return "".join(f"; {count(amount, 'layer')} left out: {why}" for why, amount in sorted(reasons.items()))
