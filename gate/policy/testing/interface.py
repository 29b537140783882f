"""A test file as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.errors import Location
    from gate.policy.interface import Outcome, RuleOutcome


@dataclass(frozen=True, slots=True)
class CaseModel:
    """Where one model of a case comes from; exactly one of the first five is set.

    Attributes
    ----------
    file, saved:
        A model to measure; a saved analysis or verdict.  Relative to the test file.
    layers:
        The given figures of each layer, by field name; a field that is absent has its default.
    unreadable, nothing:
        Why the model cannot be read, or has nothing to measure.
    metrics, findings:
        Fields of the model summary and of the file's findings that are given with ``layers``.
    coverage:
        Share of the parameters measured, with ``layers``.
    digest:
        The model's digest, with ``layers``; else made of the figures.
    """

    location: Location
    file: str | None = None
    saved: str | None = None
    layers: tuple[Mapping[str, Any], ...] | None = None
    unreadable: str | None = None
    nothing: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    findings: Mapping[str, Any] = field(default_factory=dict)
    coverage: float = 1.0
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class CaseWaiver:
    """A waiver of a case; ``digest`` None means that of the case's model, ``expires`` None never."""

    rule: str
    digest: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects: of the policy, of rules, and exactly which layers count against a rule."""

    outcome: Outcome | None = None
    rules: Mapping[str, RuleOutcome] = field(default_factory=dict)
    layers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: a model, what it is compared with, and what the policy must say.

    ``baseline`` answers what the policy's ``baseline.use`` asks for, ``baselines`` single specifications.
    """

    name: str
    line: int
    model: CaseModel
    expect: Expectation
    baseline: CaseModel | None = None
    baselines: Mapping[str, CaseModel] = field(default_factory=dict)
    registered: str | None = None
    run_metrics: Mapping[str, float] = field(default_factory=dict)
    waivers: tuple[CaseWaiver, ...] = ()
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class TestFile:
    """A test file: the policy it is about, by a path relative to it, and its cases."""

    __test__ = False  # pytest would take the name for a test

    file: str
    policy: str
    cases: tuple[Case, ...]
