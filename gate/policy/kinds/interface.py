"""What a rule kind is: one operator, with what it asks of a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from gate.analysis.interface import Analysis
    from gate.policy.changes import ChangeName
    from gate.policy.interface import Baseline, RuleResult
    from gate.policy.metrics import RuleMetric
    from gate.policy.pairing import Pairing
    from gate.policy.rules import Rule

Takes = Literal["numbers", "labels", "both"]


class UnfitError(ValueError):
    """An operator's argument that makes no sense for its metric.

    ``path`` leads from the argument to the part that is wrong; ``fix`` says what to write.
    """

    def __init__(self, message: str, fix: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.path = path


@dataclass(frozen=True, slots=True)
class Reference:
    """The baseline a rule compares with; ``pairing`` is None where the two do not compare by layer.

    ``change`` is the kind of change between the two, as far as it is known.
    """

    baseline: Baseline
    analysis: Analysis
    pairing: Pairing | None
    change: ChangeName | None = None

    @property
    def same_model(self) -> bool:
        """Tell whether baseline and candidate are byte for byte the same artifact."""
        return self.pairing is not None and self.pairing.same_digest


@dataclass(frozen=True, slots=True)
class Evidence:
    """All a rule may look at."""

    policy: str
    analysis: Analysis
    run_metrics: Mapping[str, float]
    reference: Reference | None = None


class RuleKind(Protocol):
    """One operator of the policy language, as a small frozen value that holds its argument.

    Class variables describe it for the parser and the reference: ``key`` in the file, the ``form``
    of its argument, what it ``means``, which metrics it ``takes``, and whether it is a comparison
    that needs ``against``.
    """

    key: ClassVar[str]
    form: ClassVar[str]
    means: ClassVar[str]
    takes: ClassVar[Takes]
    compares: ClassVar[bool]

    @classmethod
    def parse(cls, argument: Any, metric: RuleMetric) -> Self:
        """Return the operator that ``argument`` (already of the right shape) asks for.

        Raises
        ------
        UnfitError
            The argument is impossible or does not fit the metric.
        """
        ...

    def words(self) -> str:
        """Return the limit in words, e.g. ``within 2 to 6``."""
        ...

    def canonical(self) -> Any:
        """Return the argument in the one form that the policy digest is taken of."""
        ...

    def evaluate(self, rule: Rule, evidence: Evidence) -> RuleResult:
        """Judge; pure, and never raises on an analysis with missing figures."""
        ...
