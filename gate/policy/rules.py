"""A parsed policy: small frozen values, defaults filled in, nothing left to look up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from gate.layer import LayerKind
    from gate.policy.interface import Mode, Severity
    from gate.policy.kinds.interface import RuleKind
    from gate.policy.metrics import RuleMetric

Choice = Literal["pass", "warn", "block"]
PartialChoice = Literal["refuse", "compare"]
ErrorChoice = Literal["warn", "block"]
By = Literal["layers", "parameters"]

POLICY_BASELINE: Final = "baseline"
"""What ``against`` says for the policy's own baseline."""

DEFAULT_BASELINES: Final = ("alias:champion", "previous")
DEFAULT_MIN_PARAMETERS: Final = 0.9


@dataclass(frozen=True, slots=True)
class Match:
    """Globs of what the policy governs; None means all."""

    models: tuple[str, ...] | None = None
    aliases: tuple[str, ...] | None = None
    stages: tuple[str, ...] | None = None
    workspaces: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class BaselineUse:
    """Which baselines to try, and what their absence or unlikeness means for rules against them."""

    use: tuple[str, ...] = DEFAULT_BASELINES
    when_missing: Choice = "block"
    when_not_comparable: Choice = "block"
    partial: PartialChoice = "refuse"


@dataclass(frozen=True, slots=True)
class Where:
    """Which layers a rule looks at.

    ``kind`` and ``name`` say which layers are meant at all; the minimums leave out layers whose
    spectrum is too small to say anything, which are counted and shown.
    """

    kind: tuple[LayerKind, ...] = ()
    name: str | None = None
    min_eigenvalues: int = 0
    min_tail: int = 0


@dataclass(frozen=True, slots=True)
class Allow:
    """How much may fail before the rule does: a share, or a count; nothing by default."""

    share: float | None = None
    count: int | None = None
    by: By = "layers"

    def words(self) -> str:
        """Say it, or nothing when nothing is allowed."""
        if self.share:
            return f"allowed: {self.share:.4g} of the {self.by}"
        return f"allowed: {self.count} {self.by}" if self.count else ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a metric, what is asked of it, of which layers, and how much that matters."""

    id: str
    description: str
    metric: RuleMetric
    operator: RuleKind
    against: str | None = None
    where: Where = field(default_factory=Where)
    allow: Allow = field(default_factory=Allow)
    severity: Severity = "block"
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file, parsed."""

    name: str
    rules: tuple[Rule, ...]
    file: str = ""
    match: Match = field(default_factory=Match)
    baseline: BaselineUse = field(default_factory=BaselineUse)
    min_parameters: float = DEFAULT_MIN_PARAMETERS
    on_error: ErrorChoice = "block"
    when_nothing_to_measure: Choice = "block"
    mode: Mode = "enforce"
    grace: timedelta = timedelta(0)
