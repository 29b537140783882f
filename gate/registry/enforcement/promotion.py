"""Looking up what a promotion is judged by, and writing down what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.registry.attestation.envelope import read_unverified
from gate.registry.attestation.interface import AttestationError, UntrustedError
from gate.registry.attestation.waiver import check_waivers
from gate.registry.enforcement.folding import fold
from gate.registry.enforcement.refusal import caller, refused, ungovernable
from gate.registry.enforcement.rulebook import moment, trusted
from gate.registry.enforcement.ruling import Held, Override, judge
from gate.registry.enforcement.tables.interface import AliasHeld, AuditEntry
from gate.registry.enforcement.tables.records import (
    aliases_held,
    overrides_in_force,
    record_alias,
    record_audit,
)
from gate.registry.enforcement.tables.registry import now
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from gate.registry.enforcement.refusal import PromotionRefusedError
    from gate.registry.enforcement.rulebook import Enforced, Rulebook, Standing
    from gate.registry.enforcement.ruling import Promotion, Ruling
    from gate.registry.enforcement.tables.interface import StoredDecision, StoredOverride, VersionKey

_NO_POLICY: Final = {
    "never": "no policy was ever loaded into this registry",
    "removed": "every policy of this registry was taken away",
}


def rule_on(
    session: Session, standing: Standing, promotion: Promotion, governing: Sequence[Enforced]
) -> Ruling:
    """Judge a promotion by what the tables hold of the version; the caller holds its lock.

    Raises
    ------
    gate.registry.enforcement.refusal.PromotionRefusedError
        It may not happen.
    """
    book, subject = standing.book, standing.subject
    if book.state != "loaded":
        raise ungovernable(promotion, _NO_POLICY[book.state])
    policies = tuple(policy.governing() for policy in governing)
    if not policies:
        return judge((), {}, moment(now()))
    held = {found.policy: _held(book, found) for found in standing.decisions}
    time = moment(now())
    ruling = judge(policies, held, time)
    if not ruling.allowed and promotion.kind in {"alias", "stage"}:
        ruling = judge(
            policies,
            held,
            time,
            earlier=_earlier(session, subject, promotion),
            override=_override(session, book, subject, promotion),
        )
    if not ruling.allowed:
        raise refused(promotion, ruling.objections)
    return ruling


def remember(session: Session, promotion: Promotion, subject: VersionKey, ruling: Ruling) -> None:
    """Write down, in the promotion's own transaction, by what right it happened."""
    if ruling.how == "ungoverned":
        return
    if promotion.kind in {"alias", "stage"}:
        at, who = now(), caller()
        record_alias(session, AliasHeld(subject, place(promotion), ruling.decisions, ruling.how, at, who))
    if ruling.how == "decision":
        return
    for objection in ruling.objections:
        record_audit(
            session,
            _entry(
                promotion,
                allowed=True,
                message=f"{ruling.how}: {objection.message}",
                policy=objection.policy,
                would_refuse=ruling.how == "audit",
            ),
        )


def remember_refusal(session: Session, error: PromotionRefusedError) -> None:
    """Write down a refusal; what it refused was rolled back, so this is a transaction of its own."""
    record_audit(session, _entry(error.promotion, allowed=False, message=str(error.message)))


def place(promotion: Promotion) -> str:
    """Return how the history names an alias or a stage; no alias has a colon."""
    target = fold(promotion.target)
    return target if promotion.kind == "alias" else f"stage:{target}"


def _entry(
    promotion: Promotion,
    *,
    allowed: bool,
    message: str,
    policy: str | None = None,
    would_refuse: bool = False,
) -> AuditEntry:
    return AuditEntry(
        at=now(),
        action=f"promote by {promotion.kind}",
        allowed=allowed,
        message=message,
        who=caller(),
        workspace=promotion.workspace,
        name=promotion.name,
        version=promotion.version,
        target=promotion.target,
        policy=policy,
        would_refuse=would_refuse,
    )


def _earlier(session: Session, subject: VersionKey, promotion: Promotion) -> frozenset[int]:
    """Return the decisions under which the version last held this very place."""
    times = aliases_held(session, subject, place(promotion))
    return next(
        (frozenset(held.decisions) for held in times if held.how in {"decision", "rollback"}), frozenset()
    )


def _override(session: Session, book: Rulebook, subject: VersionKey, promotion: Promotion) -> Override | None:
    if promotion.kind != "alias":
        return None
    alias = fold(promotion.target)
    found = (given for given in overrides_in_force(session, subject, now()) if given.alias == alias)
    return next((_as_override(given) for given in found if _trusted_still(book, given.key_id)), None)


def _as_override(given: StoredOverride) -> Override:
    return Override(given.seq, given.reason, moment(given.not_after))


def _trusted_still(book: Rulebook, key_id: str) -> bool:
    """Tell whether an override's key is trusted; overrides are not counted as decisions are, so at all."""
    return any(key.id == key_id for key in book.trusted())


def _held(book: Rulebook, found: StoredDecision) -> Held:
    return Held(
        seq=found.seq,
        policy=found.policy,
        policy_digest=found.policy_digest,
        outcome=found.outcome,  # type: ignore[arg-type]  # checked at acceptance
        passed=found.passed,
        not_after=None if found.not_after is None else moment(found.not_after),
        revoked=_revoked(book, found),
        report=found.report,
        failures=tuple(found.summary.split("\n")) if found.summary else (),
    )


def _revoked(book: Rulebook, found: StoredDecision) -> str | None:
    if found.revoked_at is not None:
        return found.revoked_reason or "no reason was given"
    if not any(key.id == found.key_id for key in book.unstaled(found.seq)):
        return f"the key {printable(found.key_id)} that signed it was revoked"
    return _waiver_revoked(book, found)


def _waiver_revoked(book: Rulebook, found: StoredDecision) -> str | None:
    """Return why a waiver that the decision rests on counts no more; asked only where a key was revoked."""
    unstaled = book.unstaled(found.seq)
    if len(unstaled) == len(book.keys):
        return None
    keys = [trusted(key) for key in unstaled]
    try:
        check_waivers(read_unverified(found.envelope), keys, moment(found.accepted_at))
    except UntrustedError as error:
        return error.message
    except AttestationError as error:
        return f"its envelope cannot be read: {error.message}"
    return None
