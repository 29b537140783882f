"""From what a check found to what is signed of it: one statement per policy."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from gate import __version__
from gate.registry.attestation.interface import BaselineUse, Statement, Subject, WaiverUse
from gate.registry.attestation.waiver import bare_signature
from gate.registry.decision import PASSING
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow.entities.model_registry import ModelVersion

    from gate.policy.interface import Outcome, PolicyResult, RuleOutcome, RuleResult, Verdict
    from gate.policy.waivers import Waiver
    from gate.registry.record import RecordInput

VERDICT_FILE: Final = "verdict.json"
FIGURES: Final = ("alpha", "alpha_weighted")
"""Model metrics that go into the mirror tags and the statements."""

REFUSING: Final[tuple[RuleOutcome, ...]] = ("failed", "inconclusive")
"""What a rule of severity block may have said for its policy to refuse."""

_NO_WORKSPACE: Final = "default"
_LONGEST_TEXT: Final = 1000
_LONGEST_FAILURE: Final = 300
_MOST_FAILURES: Final = 20


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What one policy of a check decided: the true outcome, which rules refuse, which were waived."""

    name: str
    digest: str
    outcome: Outcome
    failures: tuple[str, ...] = ()
    waivers: tuple[WaiverUse, ...] = ()

    @property
    def not_after(self) -> datetime | None:
        """When the first waiver ends that it rests on."""
        return min((waiver.expires for waiver in self.waivers), default=None)


def policy_decisions(verdict: Verdict, waivers: Iterable[Waiver] = ()) -> tuple[PolicyDecision, ...]:
    """Return what each policy of ``verdict`` decided; ``waivers`` are those that were given."""
    given = {waiver.id: waiver for waiver in waivers}
    used = [given[result.id] for result in verdict.waivers if result.state == "used" and result.id in given]
    decisions = []
    for policy in verdict.policies:
        rules = [rule for rule in verdict.rules if rule.policy == policy.name]
        waived = {rule.id for rule in rules if rule.outcome == "waived"}
        uses = tuple(
            _use(waiver) for waiver in used if waiver.rule in waived and waiver.policy in {None, policy.name}
        )
        decisions.append(
            PolicyDecision(policy.name, policy.digest, policy.outcome, _failures(policy, rules), uses)
        )
    return tuple(decisions)


def baseline_uses(verdict: Verdict) -> tuple[BaselineUse, ...]:
    """Return the baselines of ``verdict`` as a statement holds them."""
    return tuple(
        BaselineUse(
            found.spec[:_LONGEST_TEXT],
            None if found.uri is None else found.uri[:_LONGEST_TEXT],
            found.digest,
            found.comparable,
        )
        for found in verdict.baselines
    )


def statements(
    found: ModelVersion, registry: str | None, judged: RecordInput, report: str
) -> tuple[Statement, ...]:
    """Return what is to be signed of ``judged``, the refusing ones first; ``supersedes`` is left open.

    Parameters
    ----------
    found:
        The version as the registry describes it now.
    registry:
        The registry's id, if it has one.
    judged:
        What was decided.
    report:
        Id of the report run.
    """
    subject = subject_of(found, registry, judged.digest)
    verdict = judged.artifacts.get(VERDICT_FILE)
    figures = {name: judged.metrics.get(name) for name in FIGURES}
    made = [
        Statement(
            kind="decision",
            subject=subject,
            policy=decision.name,
            policy_digest=decision.digest,
            outcome=decision.outcome,
            passed=decision.outcome in PASSING,
            issued_at=judged.checked_at,
            not_after=decision.not_after,
            verdict_digest=None if verdict is None else sha256(verdict),
            report=report,
            baselines=judged.baselines,
            run_metrics=judged.run_metrics,
            waivers=decision.waivers,
            metrics={
                name: value for name, value in figures.items() if value is not None and math.isfinite(value)
            },
            verifier_version=__version__,
            failures=decision.failures,
        )
        for decision in judged.decisions
    ]
    return tuple(sorted(made, key=lambda statement: statement.passed))


def subject_of(found: ModelVersion, registry: str | None, digest: str | None) -> Subject:
    """Return the version that MLflow describes, with the digest of its files, as a subject."""
    workspace = str(getattr(found, "workspace", None) or _NO_WORKSPACE)
    created = int(found.creation_timestamp)
    return Subject(registry, workspace, str(found.name), int(found.version), created, digest)


def sha256(content: bytes) -> str:
    """Return ``sha256:…`` of ``content``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _use(waiver: Waiver) -> WaiverUse:
    from gate.policy.waivers import waiver_payload  # noqa: PLC0415 - only where there are waivers

    signature = None if waiver.signature is None else bare_signature(waiver.signature, waiver_payload(waiver))
    return WaiverUse(
        waiver.id,
        waiver.policy,
        waiver.rule,
        waiver.reason,
        waiver.approver,
        waiver.expires.astimezone(timezone.utc),
        signature,
    )


def _failures(policy: PolicyResult, rules: Iterable[RuleResult]) -> tuple[str, ...]:
    """Return which rules refuse, those that failed first; where no rule does, what the policy says."""
    from gate.policy.judge import sentence  # noqa: PLC0415 - the judge's own words

    if policy.outcome in PASSING:
        return ()
    refusing = [rule for rule in rules if rule.severity == "block" and rule.outcome in REFUSING]
    lines = [sentence(rule) for rule in sorted(refusing, key=lambda rule: REFUSING.index(rule.outcome))]
    return tuple(printable(line, _LONGEST_FAILURE) for line in (lines or [policy.message])[:_MOST_FAILURES])
