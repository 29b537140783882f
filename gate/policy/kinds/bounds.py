"""``at_least: LIMIT`` and ``at_most: LIMIT``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gate.policy.kinds.absolute import evaluate_condition
from gate.policy.words import number

if TYPE_CHECKING:
    from typing_extensions import Self

    from gate.policy.interface import RuleResult
    from gate.policy.kinds.interface import Evidence, Takes
    from gate.policy.metrics import RuleMetric
    from gate.policy.rules import Rule


@dataclass(frozen=True, slots=True)
class AtLeast:
    """value ≥ limit."""

    key: ClassVar[str] = "at_least"
    form: ClassVar[str] = "LIMIT"
    means: ClassVar[str] = "The value is the number or above."
    takes: ClassVar[Takes] = "numbers"
    compares: ClassVar[bool] = False

    limit: float

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:  # noqa: ARG003 - any number has a limit
        """Return the bound."""
        return cls(float(argument))

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The bound as reports draw it."""
        return self.limit, None

    def words(self) -> str:
        """Return ``at least 0.9``."""
        return f"at least {number(self.limit)}"

    def canonical(self) -> Any:
        """Return the limit."""
        return self.limit

    def holds(self, value: Any) -> bool:
        """Tell whether the value reaches the limit."""
        return bool(value >= self.limit)

    def distance(self, value: Any) -> float:
        """Return how much is missing."""
        return float(self.limit - value)

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Judge every layer or the model's figure."""
        return evaluate_condition(rule, evidence, self)


@dataclass(frozen=True, slots=True)
class AtMost:
    """value ≤ limit."""

    key: ClassVar[str] = "at_most"
    form: ClassVar[str] = "LIMIT"
    means: ClassVar[str] = "The value is the number or below."
    takes: ClassVar[Takes] = "numbers"
    compares: ClassVar[bool] = False

    limit: float

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:  # noqa: ARG003 - any number has a limit
        """Return the bound."""
        return cls(float(argument))

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The bound as reports draw it."""
        return None, self.limit

    def words(self) -> str:
        """Return ``at most 0``."""
        return f"at most {number(self.limit)}"

    def canonical(self) -> Any:
        """Return the limit."""
        return self.limit

    def holds(self, value: Any) -> bool:
        """Tell whether the value keeps the limit."""
        return bool(value <= self.limit)

    def distance(self, value: Any) -> float:
        """Return how far beyond it is."""
        return float(value - self.limit)

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Judge every layer or the model's figure."""
        return evaluate_condition(rule, evidence, self)
