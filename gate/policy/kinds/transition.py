"""``may_not_become: [LABEL, …]``: a layer may not turn into something the baseline's was not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gate.policy.kinds.change_layers import paired_scope
from gate.policy.kinds.interface import Takes, UnfitError
from gate.policy.kinds.labels import Label, checked_all, labels_of
from gate.policy.kinds.tally import Judged, conclude
from gate.policy.words import figure

if TYPE_CHECKING:
    from typing_extensions import Self

    from gate.policy.interface import RuleResult
    from gate.policy.kinds.interface import Evidence
    from gate.policy.kinds.scope import Pair
    from gate.policy.metrics import RuleMetric
    from gate.policy.rules import Rule


@dataclass(frozen=True, slots=True)
class MayNotBecome:
    """A label among ``unwanted`` must have been there before."""

    key: ClassVar[str] = "may_not_become"
    form: ClassVar[str] = "[LABEL, …]"
    means: ClassVar[str] = (
        "No layer turns into one of these labels; one that had the same label before may keep it."
    )
    takes: ClassVar[Takes] = "labels"
    compares: ClassVar[bool] = True

    unwanted: tuple[Label, ...]

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:
        """Return the labels not wanted."""
        if metric.level != "layer":
            raise UnfitError(
                f"{metric.id} is no label of a layer", "name a label of layers, e.g. layer.phase"
            )
        return cls(checked_all(argument, metric))

    def words(self) -> str:
        """Return ``may not become random-like or rank-collapse``."""
        return f"may not become {' or '.join(figure(value) for value in self.unwanted)}"

    def canonical(self) -> Any:
        """Return the labels; their order says nothing."""
        return sorted(self.unwanted, key=str)

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Compare every layer's label with its partner's."""
        seen = paired_scope(rule, evidence)
        return conclude(rule, evidence, seen, [self._judge(rule, pair) for pair in seen.inside])

    def _judge(self, rule: Rule, pair: Pair) -> Judged:
        then = pair.baseline_value(rule.metric)
        became = (labels_of(pair.value) - labels_of(then)) & frozenset(self.unwanted)
        return Judged(pair.row, "failed" if became else "passed", pair.value, then)
