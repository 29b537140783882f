"""``equals: VALUE``, ``in: [VALUE, …]`` and ``not_in: [VALUE, …]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gate.policy.kinds.absolute import evaluate_condition
from gate.policy.kinds.labels import Label, check_single, checked, checked_all, labels_of
from gate.policy.words import figure

if TYPE_CHECKING:
    from typing_extensions import Self

    from gate.policy.interface import RuleResult
    from gate.policy.kinds.interface import Evidence, Takes
    from gate.policy.metrics import RuleMetric
    from gate.policy.rules import Rule


@dataclass(frozen=True, slots=True)
class Equals:
    """Value = wanted."""

    key: ClassVar[str] = "equals"
    form: ClassVar[str] = "VALUE"
    means: ClassVar[str] = "The value is exactly this label or number."
    takes: ClassVar[Takes] = "both"
    compares: ClassVar[bool] = False

    wanted: Label

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:
        """Return the value wanted."""
        check_single(metric)
        return cls(checked(argument, metric))

    def words(self) -> str:
        """Return ``equal to float32``."""
        return f"equal to {figure(self.wanted)}"

    def canonical(self) -> Any:
        """Return the value."""
        return self.wanted

    def holds(self, value: Any) -> bool:
        """Tell whether it is the one."""
        return bool(value == self.wanted)

    def distance(self, value: Any) -> float:
        """Return the difference of numbers; labels are as far apart as each other."""
        return abs(value - self.wanted) if isinstance(self.wanted, float) else 0.0

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Judge every layer or the model's figure."""
        return evaluate_condition(rule, evidence, self)


@dataclass(frozen=True, slots=True)
class In:
    """Value ∈ wanted."""

    key: ClassVar[str] = "in"
    form: ClassVar[str] = "[VALUE, …]"
    means: ClassVar[str] = "The value is one of these labels or numbers."
    takes: ClassVar[Takes] = "both"
    compares: ClassVar[bool] = False

    wanted: tuple[Label, ...]

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:
        """Return the values wanted."""
        check_single(metric)
        return cls(checked_all(argument, metric))

    def words(self) -> str:
        """Return ``one of dense, conv2d``."""
        return f"one of {', '.join(figure(value) for value in self.wanted)}"

    def canonical(self) -> Any:
        """Return the values; their order says nothing."""
        return sorted(self.wanted, key=str)

    def holds(self, value: Any) -> bool:
        """Tell whether it is among them."""
        return value in self.wanted

    def distance(self, value: Any) -> float:  # noqa: ARG002 - every other value is as far
        """Return the same for all."""
        return 0.0

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Judge every layer or the model's figure."""
        return evaluate_condition(rule, evidence, self)


@dataclass(frozen=True, slots=True)
class NotIn:
    """Value ∉ unwanted."""

    key: ClassVar[str] = "not_in"
    form: ClassVar[str] = "[VALUE, …]"
    means: ClassVar[str] = "The value is none of these labels or numbers."
    takes: ClassVar[Takes] = "both"
    compares: ClassVar[bool] = False

    unwanted: tuple[Label, ...]

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:
        """Return the values not wanted."""
        return cls(checked_all(argument, metric))

    def words(self) -> str:
        """Return ``other than random-like``."""
        return f"other than {' or '.join(figure(value) for value in self.unwanted)}"

    def canonical(self) -> Any:
        """Return the values; their order says nothing."""
        return sorted(self.unwanted, key=str)

    def holds(self, value: Any) -> bool:
        """Tell whether it is none of them."""
        return labels_of(value).isdisjoint(self.unwanted)

    def distance(self, value: Any) -> float:  # noqa: ARG002 - every such value is as far
        """Return the same for all."""
        return 0.0

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Judge every layer or the model's figure."""
        return evaluate_condition(rule, evidence, self)
