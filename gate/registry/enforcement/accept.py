"""Taking a signed decision or override that came as a tag, or saying why not.

A statement is taken when a trusted key in its role signed it, within its validity and for this
model; when it speaks of this registry, workspace, model, version and time of creation; when its
policy is one this registry enforces, in its present or, while the grace lasts, its last wording; when
the waivers it rests on are signed; and when it supersedes exactly the decision in force.  An envelope
that was ever taken is never taken again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.registry.attestation.envelope import open_envelope
from gate.registry.attestation.interface import AttestationError, MalformedError, UntrustedError
from gate.registry.attestation.keys import authorize
from gate.registry.attestation.waiver import check_waivers
from gate.registry.enforcement.folding import fold
from gate.registry.enforcement.refusal import caller, conflict, denied, invalid
from gate.registry.enforcement.rulebook import milliseconds, moment
from gate.registry.enforcement.tables.decisions import insert_decision
from gate.registry.enforcement.tables.interface import (
    NewDecision,
    NewOverride,
    StaleDecisionError,
    VersionKey,
)
from gate.registry.enforcement.tables.records import insert_override
from gate.registry.enforcement.tables.registry import now
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mlflow.exceptions import MlflowException
    from sqlalchemy.orm import Session

    from gate.registry.attestation.interface import Signed, Statement
    from gate.registry.enforcement.rulebook import Enforced, Rulebook
    from gate.registry.enforcement.tables.interface import StoredDecision, StoredOverride

DEFAULT_WORKSPACE: Final = "default"
_LONGEST_FAILURE: Final = 300
"""Characters kept of what one rule found, as many as ``gate check`` signs: the limit, the worst layers."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What somebody set as a tag: the text, on which version, for which policy or alias."""

    text: str
    subject: VersionKey
    target: str


def accept_decision(session: Session, book: Rulebook, delivery: Delivery) -> tuple[StoredDecision, Statement]:
    """Verify a decision and put it in force; the caller holds the version's lock.

    Raises
    ------
    mlflow.exceptions.MlflowException
        400 where it is malformed, 403 where it may not be taken, 409 where another decision is in
        force than the one it supersedes.
    """
    at = now()
    signed = _opened(book, delivery, "decision", moment(at))
    statement = signed.statement
    if statement.policy != delivery.target:
        raise invalid(
            f"The decision in the tag for policy '{printable(delivery.target)}' is of policy "
            f"'{printable(statement.policy)}'. Set it as gate.attestation.{printable(statement.policy)}"
        )
    _check_policy(book.policy(statement.policy), statement, moment(at))
    _check_waivers(book, statement, moment(at))
    ends = _earliest((statement.not_after, *(waiver.expires for waiver in statement.waivers)))
    new = NewDecision(
        subject=delivery.subject,
        policy=statement.policy,
        policy_digest=statement.policy_digest,
        outcome=statement.outcome,
        passed=statement.passed,
        envelope=delivery.text,
        digest=signed.digest,
        key_id=signed.key_id,
        accepted_at=at,
        model_digest=statement.subject.digest,
        supersedes=statement.supersedes,
        report=statement.report,
        summary="\n".join(printable(line, _LONGEST_FAILURE) for line in statement.failures) or None,
        not_after=None if ends is None else milliseconds(ends),
    )
    try:
        return insert_decision(session, new), statement
    except StaleDecisionError as error:
        raise conflict(f"The gate did not take the decision: {error.message}. {error.hint}") from error


def accept_override(session: Session, book: Rulebook, delivery: Delivery) -> StoredOverride:
    """Verify an override and keep it; the caller holds the version's lock.

    Raises
    ------
    mlflow.exceptions.MlflowException
        As :func:`accept_decision`.
    """
    at = now()
    signed = _opened(book, delivery, "override", moment(at))
    statement = signed.statement
    if statement.alias is None or fold(statement.alias) != fold(delivery.target):
        raise invalid(
            f"The override in the tag for alias '{printable(delivery.target)}' opens alias "
            f"'{printable(statement.alias or '')}'"
        )
    if statement.not_after is None or not (statement.reason or "").strip():
        raise invalid("An override has to give a reason and a time when it ends")
    new = NewOverride(
        subject=delivery.subject,
        alias=fold(delivery.target),
        policy="",
        reason=printable(statement.reason or "", 1000),
        envelope=delivery.text,
        digest=signed.digest,
        key_id=signed.key_id,
        accepted_at=at,
        not_after=milliseconds(statement.not_after),
        who=caller(),
    )
    try:
        return insert_override(session, new)
    except StaleDecisionError as error:
        raise conflict(f"The gate did not take the override: {error.message}. {error.hint}") from error


def _opened(book: Rulebook, delivery: Delivery, kind: str, at: datetime) -> Signed:
    """Return what a trusted key said of this very version."""
    keys = book.trusted()
    try:
        signed = open_envelope(delivery.text, keys)
        if signed.statement.kind != kind:
            raise MalformedError(f"it is an envelope of kind {signed.statement.kind}, not {kind}")
        authorize(signed, keys, at)
    except AttestationError as error:
        raise _untaken(kind, error) from error
    _check_subject(book.registry, delivery.subject, signed.statement)
    return signed


def _untaken(kind: str, error: AttestationError) -> MlflowException:
    if isinstance(error, MalformedError):
        return invalid(f"The gate did not take the {kind}: {error.message}. {error.hint or ''}".strip())
    advice = error.hint or "An operator of this registry trusts a key with: gate keys add FILE"
    return denied(f"The gate did not take the {kind}: {error.message}. {advice}")


def _check_subject(registry: str, subject: VersionKey, statement: Statement) -> None:
    """Raise unless the statement is of this version of this registry and of no other."""
    about = statement.subject
    pairs = (
        ("registry", about.registry, registry),
        ("workspace", about.workspace or DEFAULT_WORKSPACE, subject.workspace),
        ("model", about.name, subject.name),
        ("version", about.version, subject.version),
        ("time of creation", about.creation_time, subject.creation_time),
    )
    for what, said, real in pairs:
        if said != real:
            raise denied(
                f"The gate did not take the {statement.kind}: it is of another {what} "
                f"({printable(str(said))}, here it is {printable(str(real))}). "
                "Judge this very version with `gate check`."
            )


def _check_policy(known: Enforced | None, statement: Statement, at: datetime) -> None:
    name = printable(statement.policy)
    if known is None:
        raise denied(
            f"The gate did not take the decision: this registry enforces no policy '{name}'. "
            "An operator adds it with: gate policy push FILE"
        )
    governing = known.governing()
    in_grace = governing.last_until is not None and at < governing.last_until
    digests = {governing.digest, governing.last_digest if in_grace else None}
    if not governing.readable or statement.policy_digest not in digests:
        raise denied(
            f"The gate did not take the decision: it was made under another wording of the policy '{name}' "
            f"({statement.policy_digest}) than this registry enforces ({governing.digest}). "
            "Run `gate check` without --policy: it asks the registry for its own."
        )


def _check_waivers(book: Rulebook, statement: Statement, at: datetime) -> None:
    try:
        check_waivers(statement, book.trusted(), at)
    except UntrustedError as error:
        raise denied(
            f"The gate did not take the decision: {error.message}. {error.hint or ''}".strip()
        ) from error
    except MalformedError as error:
        raise invalid(f"The gate did not take the decision: {error.message}") from error


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
