"""``max_increase``, ``max_decrease`` and ``max_change``: how far from a baseline is too far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gate.policy.kinds.change_layers import evaluate_layers
from gate.policy.kinds.change_model import evaluate_model
from gate.policy.kinds.results import asked, reference_words, result
from gate.policy.kinds.tolerance import Tolerance

if TYPE_CHECKING:
    from typing_extensions import Self

    from gate.policy.interface import RuleResult
    from gate.policy.kinds.interface import Evidence, Takes
    from gate.policy.metrics import RuleMetric
    from gate.policy.rules import Rule

_FORM = "{absolute: A, relative: R, sigmas: K}, one or more"


@dataclass(frozen=True, slots=True)
class _Change:
    """What the three have in common; they differ in which way a change counts."""

    form: ClassVar[str] = _FORM
    takes: ClassVar[Takes] = "numbers"
    compares: ClassVar[bool] = True
    verb: ClassVar[str]

    tolerance: Tolerance

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:
        """Return the comparison that a mapping of limits asks for."""
        return cls(Tolerance.parse(argument, metric))

    def words(self) -> str:
        """Return ``may not rise by more than 3 standard errors and 0.05``."""
        return f"may not {self.verb} by more than {self.tolerance.words()}"

    def canonical(self) -> Any:
        """Return the limits given."""
        return self.tolerance.canonical()

    def amount(self, difference: float) -> float:
        """Return the part of ``difference`` (candidate minus baseline) that counts against it."""
        raise NotImplementedError

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Compare layer by layer, or the model's figure."""
        reference = evidence.reference
        if reference is None:
            return result(
                rule, evidence.policy, "inconclusive", f"no baseline to compare with: {asked(rule)}"
            )
        spectral = rule.metric.level in {"layer", "model"}
        if spectral and reference.same_model:
            message = f"byte for byte the baseline, difference 0: {asked(rule)}{reference_words(reference)}"
            return result(rule, evidence.policy, "passed", message, value=0)
        judge = evaluate_layers if rule.metric.level == "layer" else evaluate_model
        return judge(rule, evidence, reference, self)


@dataclass(frozen=True, slots=True)
class MaxIncrease(_Change):
    """Candidate − baseline ≤ tolerance."""

    key: ClassVar[str] = "max_increase"
    means: ClassVar[str] = "The value rises over the baseline's by no more than this."
    verb: ClassVar[str] = "rise"

    def amount(self, difference: float) -> float:
        """Return the rise."""
        return difference


@dataclass(frozen=True, slots=True)
class MaxDecrease(_Change):
    """Baseline − candidate ≤ tolerance."""

    key: ClassVar[str] = "max_decrease"
    means: ClassVar[str] = "The value falls below the baseline's by no more than this."
    verb: ClassVar[str] = "fall"

    def amount(self, difference: float) -> float:
        """Return the fall."""
        return -difference


@dataclass(frozen=True, slots=True)
class MaxChange(_Change):
    """|candidate − baseline| ≤ tolerance."""

    key: ClassVar[str] = "max_change"
    means: ClassVar[str] = "The value differs from the baseline's by no more than this, either way."
    verb: ClassVar[str] = "change"

    def amount(self, difference: float) -> float:
        """Return the size of the change."""
        return abs(difference)
