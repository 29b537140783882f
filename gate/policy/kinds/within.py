"""``within: [low, high]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gate.policy.kinds.absolute import evaluate_condition
from gate.policy.kinds.interface import Takes, UnfitError
from gate.policy.words import number

if TYPE_CHECKING:
    from typing_extensions import Self

    from gate.policy.interface import RuleResult
    from gate.policy.kinds.interface import Evidence
    from gate.policy.metrics import RuleMetric
    from gate.policy.rules import Rule


@dataclass(frozen=True, slots=True)
class Within:
    """low ≤ value ≤ high."""

    key: ClassVar[str] = "within"
    form: ClassVar[str] = "[LOW, HIGH]"
    means: ClassVar[str] = "The value lies between the two numbers, ends included."
    takes: ClassVar[Takes] = "numbers"
    compares: ClassVar[bool] = False

    low: float
    high: float

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:  # noqa: ARG003 - any number has a range
        """Return the range."""
        low, high = argument
        if low > high:
            message = f"impossible range: {number(low)} is above {number(high)}"
            raise UnfitError(message, f"write the lower end first: [{number(high)}, {number(low)}]")
        return cls(float(low), float(high))

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The range as reports draw it."""
        return self.low, self.high

    def words(self) -> str:
        """Return ``within 2 to 6``."""
        return f"within {number(self.low)} to {number(self.high)}"

    def canonical(self) -> Any:
        """Return both ends."""
        return [self.low, self.high]

    def holds(self, value: Any) -> bool:
        """Tell whether the value lies inside."""
        return bool(self.low <= value <= self.high)

    def distance(self, value: Any) -> float:
        """Return the way back to the nearer end."""
        return float(max(self.low - value, value - self.high))

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Judge every layer or the model's figure."""
        return evaluate_condition(rule, evidence, self)
