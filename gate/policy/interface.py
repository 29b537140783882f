"""What the judge takes and returns: what ``gate check --format json`` prints.

Field names are the contract's (docs/reference/json.md); they may be added to, never changed
within a schema number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.analysis.interface import Analysis

VERDICT_SCHEMA: Final = "gate/verdict/1"

Outcome = Literal["passed", "warned", "blocked", "inconclusive", "error"]
OUTCOMES_WORST_FIRST: Final[tuple[Outcome, ...]] = ("error", "blocked", "inconclusive", "warned", "passed")

RuleOutcome = Literal["passed", "failed", "waived", "not_applicable", "inconclusive"]
Severity = Literal["block", "warn", "info"]
Mode = Literal["enforce", "audit"]
WaiverState = Literal["used", "unused", "expired"]

Value = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class RuleLayer:
    """A layer that counted against a rule, with the value that did, and the baseline's."""

    name: str
    value: Value
    baseline_value: Value = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule of one policy said.

    ``message`` is for people: the limit, the value, how many layers, and what it means.  ``brief`` is
    the same without the names of those layers, for where they are listed beside it; empty where there is
    no difference.
    ``layers`` are those that failed (also when within what ``allow`` forgives); ``excluded``
    those that a ``where`` minimum left out.  ``bounds`` is the limit as numbers, ``(lower, upper)``
    with None for an open side, where it is made of numbers: reports shade it.
    """

    policy: str
    id: str
    severity: Severity
    outcome: RuleOutcome
    message: str
    metric: str
    limit: str
    value: Value = None
    baseline_value: Value = None
    layers: tuple[RuleLayer, ...] = ()
    waiver: str | None = None
    description: str = ""
    evaluated: int = 0
    excluded: tuple[str, ...] = ()
    line: int | None = None
    bounds: tuple[float | None, float | None] | None = None
    brief: str = ""


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What one policy said; ``outcome`` is the true one in audit mode too."""

    name: str
    digest: str
    file: str
    mode: Mode
    outcome: Outcome
    message: str = ""


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """One baseline looked for: what was asked, what it resolved to, whether it compares and why.

    ``partial`` says that only the common part was compared; ``change`` names the kind of change since
    the baseline (``gate.policy.changes``), None where it is not known.
    """

    spec: str
    uri: str | None
    digest: str | None
    comparable: bool
    why: str
    partial: bool = False
    change: str | None = None


@dataclass(frozen=True, slots=True)
class WaiverResult:
    """One waiver of the file that was given, and what became of it.

    ``why`` says why one that is not used did nothing; ``other_model`` marks those that were never
    meant for this model.  ``expires`` is ISO 8601 in UTC.
    """

    id: str
    rule: str
    policy: str | None
    model: str | None
    digest: str
    reason: str
    approver: str
    expires: str
    state: WaiverState
    why: str = ""
    other_model: bool = False


@dataclass(frozen=True, slots=True)
class OverrideResult:
    """Break glass: somebody opened an alias for the version whatever was decided, until ``expires``.

    As the registry holds it; whether its signature holds, an enforcing registry and ``gate verify``
    tell.  ``expires`` is ISO 8601 in UTC.
    """

    alias: str
    reason: str
    expires: str
    key: str


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """What was recorded of an earlier version of the same registered model.

    ``outcome`` is None where no whole decision stands on that version; the figures are the model
    means recorded with the decision, under the convention of that time.  ``checked_at`` is the
    checker's clock, ISO 8601 in UTC, empty where nothing was recorded.
    """

    version: int
    outcome: Outcome | None
    alpha: float | None = None
    alpha_weighted: float | None = None
    checked_at: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgment of one model under every policy that governs it.

    ``analysis`` is None only when the model could not be read (outcome ``error``, or what the
    policies' ``on_error`` makes of it) or holds nothing to measure (then ``rules`` are there all the
    same); ``error`` then says why and ``uri`` which model it was.
    ``baseline_model`` holds the model metrics (field names of ``ModelSummary``) of the baseline that
    was compared with, and ``baseline_alpha`` its alpha per layer name; both empty where there was none.
    ``history`` holds the earlier versions of a registered model, oldest first.  ``waivers`` are all
    that were given, used or not; ``waived_until`` is the moment when the first used one ends (ISO 8601
    in UTC), after which this verdict no longer holds, or None.  ``signed_by`` is the id of the key
    that the recorded decision is signed with, None where it is not; ``overrides`` are those in force on
    the version.
    """

    outcome: Outcome
    policies: tuple[PolicyResult, ...]
    baselines: tuple[BaselineResult, ...]
    rules: tuple[RuleResult, ...]
    analysis: Analysis | None
    error: str | None = None
    run_metrics: Mapping[str, float] = field(default_factory=dict)
    baseline_model: Mapping[str, float] = field(default_factory=dict)
    baseline_alpha: Mapping[str, float] = field(default_factory=dict)
    history: tuple[HistoryPoint, ...] = ()
    uri: str | None = None
    waivers: tuple[WaiverResult, ...] = ()
    waived_until: str | None = None
    signed_by: str | None = None
    overrides: tuple[OverrideResult, ...] = ()
    schema: str = VERDICT_SCHEMA


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline handed to the judge; ``analysis`` is None when there is none to be had."""

    spec: str
    uri: str | None
    analysis: Analysis | None
    why: str = ""
    run_metrics: Mapping[str, float] = field(default_factory=dict)
