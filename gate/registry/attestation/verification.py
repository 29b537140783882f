"""Does a signed decision hold, for this version and these files, now?  Everything it says is compared.

Pure: what the registry, the files and the policies are is given.  What cannot be known is
``not_checked`` and told; whether that suffices is the caller's to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gate.registry.attestation.envelope import open_envelope
from gate.registry.attestation.interface import AttestationError
from gate.registry.attestation.keys import authorize
from gate.report.verification import Finding, VerifiedDecision
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gate.registry.attestation.interface import Signed, Statement, Subject, TrustedKey
    from gate.report.verification import FindingOutcome


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known besides the envelope.

    Attributes
    ----------
    subject:
        The version as its registry describes it, None where there is only a file.  Its ``registry`` is
        None where the registry has no id.
    digests:
        Digests that the files at hand may have; empty where there are none at hand.
    policies:
        Digests that each policy may have, by its name; a policy that is not named is not compared.
    verdict:
        Digest of a ``verdict.json`` that was given, None where none was.
    others:
        Other envelopes about the version that can be seen, unverified: what they supersede tells whether
        this one was replaced.
    now:
        When it is to hold.
    """

    subject: Subject | None = None
    digests: frozenset[str] = frozenset()
    policies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    verdict: str | None = None
    others: tuple[str, ...] = ()
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


def verify(policy: str, text: str, keys: Sequence[TrustedKey], facts: Facts) -> VerifiedDecision:
    """Verify one envelope that is said to be the decision under ``policy`` (empty: whatever it names)."""
    try:
        signed = open_envelope(text, keys)
    except AttestationError as error:
        return VerifiedDecision(
            policy or "?", False, False, "unknown", (Finding("signature", "fails", error.message),)
        )
    statement = signed.statement
    findings = tuple(_findings(policy or statement.policy, signed, keys, facts))
    return VerifiedDecision(
        policy=policy or statement.policy,
        valid=all(finding.outcome != "fails" for finding in findings),
        passed=statement.passed,
        outcome=statement.outcome,
        findings=findings,
        key=signed.key_id,
        digest=signed.digest,
        issued_at=_when(statement.issued_at),
        not_after=None if statement.not_after is None else _when(statement.not_after),
    )


def _findings(policy: str, signed: Signed, keys: Sequence[TrustedKey], facts: Facts) -> Iterator[Finding]:
    statement = signed.statement
    yield _signature(signed, keys, facts)
    if statement.kind != "decision" or statement.policy != policy:
        said = f"a decision under {printable(statement.policy)!r}" if statement.policy else "an override"
        yield Finding("kind", "fails", f"it is {said}, not a decision under {printable(policy)!r}")
    yield _subject(statement.subject, facts.subject)
    yield _artifact(statement, facts.digests)
    yield _policy(statement, facts.policies)
    yield _validity(statement, facts.now)
    if facts.verdict is not None:
        fits = facts.verdict == statement.verdict_digest
        yield _finding(
            "verdict",
            fits,
            "verdict.json is the one that was decided by",
            f"verdict.json has {facts.verdict}; decided by was {statement.verdict_digest}",
        )
    yield _chain(signed, keys, facts)


def _signature(signed: Signed, keys: Sequence[TrustedKey], facts: Facts) -> Finding:
    try:
        key = authorize(signed, keys, facts.now)
    except AttestationError as error:
        return Finding("signature", "fails", error.message)
    return Finding("signature", "holds", f"key {key.id} signed it, which has the role {key.role}")


def _subject(said: Subject, real: Subject | None) -> Finding:
    about = f"models:/{printable(said.name)}/{said.version}"
    if real is None:
        return Finding("subject", "not_checked", f"it is about {about}; no registry was asked")
    pairs = (
        ("registry", said.registry, real.registry),
        ("workspace", said.workspace, real.workspace),
        ("model", said.name, real.name),
        ("version", said.version, real.version),
        ("time of creation", said.creation_time, real.creation_time),
    )
    differing = [f"{what} {_shown(one)}, here {_shown(two)}" for what, one, two in pairs if one != two]
    return _finding("subject", not differing, f"it is about {about}", f"it is about {'; '.join(differing)}")


def _artifact(statement: Statement, digests: frozenset[str]) -> Finding:
    said = statement.subject.digest
    if said is None:
        outcome: FindingOutcome = "fails" if statement.passed else "not_checked"
        return Finding("artifact", outcome, "nobody could read the files, so it is bound to none")
    if not digests:
        return Finding("artifact", "not_checked", f"it is about files of {said}; none were hashed")
    return _finding(
        "artifact",
        said in digests,
        f"the files have {said}",
        f"the files have {' or '.join(sorted(digests))}; judged were {said}",
    )


def _policy(statement: Statement, policies: Mapping[str, frozenset[str]]) -> Finding:
    known = policies.get(statement.policy)
    if known is None:
        return Finding("policy", "not_checked", f"judged by {statement.policy_digest}; no policy was given")
    return _finding(
        "policy",
        statement.policy_digest in known,
        f"judged by {statement.policy_digest}",
        f"judged by {statement.policy_digest}; the policy is another one now ({', '.join(sorted(known))})",
    )


def _validity(statement: Statement, now: datetime) -> Finding:
    if statement.not_after is None:
        return Finding("validity", "holds", "it has no end")
    until = _when(statement.not_after)
    return _finding("validity", now < statement.not_after, f"it holds until {until}", f"it ended at {until}")


def _chain(signed: Signed, keys: Sequence[TrustedKey], facts: Facts) -> Finding:
    """Look for a decision that replaced this one: an old one may have been put back."""
    known = [one for text in facts.others if (one := _trusted(text, signed, keys, facts)) is not None]
    newer = next((one for one in known if one.statement.supersedes == signed.digest), None)
    if newer is not None:
        said = f"{newer.statement.outcome} at {_when(newer.statement.issued_at)}"
        return Finding("supersedes", "fails", f"a later decision replaced it ({said}, {newer.digest})")
    replaced = signed.statement.supersedes
    if replaced is None:
        return Finding("supersedes", "holds", "it is the first decision; none that can be seen replaced it")
    seen = "which can be seen" if any(one.digest == replaced for one in known) else "which cannot be seen"
    return Finding(
        "supersedes", "holds", f"it replaced {replaced}, {seen}; none that can be seen replaced it"
    )


def _trusted(text: str, signed: Signed, keys: Sequence[TrustedKey], facts: Facts) -> Signed | None:
    """Return another envelope where a trusted key signed it about the same version and policy."""
    try:
        other = open_envelope(text, keys)
        authorize(other, keys, facts.now)
    except AttestationError:
        return None
    ours, theirs = signed.statement, other.statement
    about = (ours.kind, ours.policy, ours.subject.name, ours.subject.version, ours.subject.creation_time)
    same = (
        theirs.kind,
        theirs.policy,
        theirs.subject.name,
        theirs.subject.version,
        theirs.subject.creation_time,
    )
    return other if about == same else None


def _finding(name: str, holds: bool, good: str, bad: str) -> Finding:  # noqa: FBT001 - private
    return Finding(name, "holds" if holds else "fails", good if holds else bad)


def _shown(value: object) -> str:
    return "none" if value is None else printable(str(value)) or "none"


def _when(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
