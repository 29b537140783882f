"""What may be done with the gate's own tags: deliver a statement, or say again what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.registry.attestation.envelope import digest_of
from gate.registry.attestation.interface import MalformedError
from gate.registry.enforcement.accept import Delivery, accept_decision, accept_override
from gate.registry.enforcement.mirrors import mirror_tags
from gate.registry.enforcement.refusal import denied, invalid
from gate.registry.enforcement.reserved import REGISTRY, carries
from gate.registry.enforcement.rows import put_tag, remove_tags, stored_tag, subject_of
from gate.registry.enforcement.tables.artifacts import put_root
from gate.registry.enforcement.tables.decisions import current_decisions
from gate.registry.enforcement.virtual import is_prompt
from gate.text import printable

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.orm import Session

    from gate.registry.enforcement.rulebook import Rulebook
    from gate.registry.enforcement.tables.interface import RecordedRoot, VersionKey


def set_own_tag(
    session: Session, book: Rulebook, row: Any, key: str, value: str, files: RecordedRoot | None
) -> None:
    """Set one of the gate's tags on a version whose row is locked.

    ``files`` are those of the version as this server serves them, None where it does not.

    Raises
    ------
    mlflow.exceptions.MlflowException
        It brings no statement that is taken, and is not what stands there already.
    """
    subject = subject_of(row)
    if _stands(session, book, subject, key, value):
        return
    brings = carries(key)
    if brings is None:
        raise reserved(key)
    if is_prompt(row):
        raise invalid(f"'{printable(row.name)}' is a prompt; the gate decides about models only")
    what, target = brings
    if what == "attestation":
        _take_decision(session, book, Delivery(value, subject, target))
        if files is not None:
            put_root(session, files)
    else:
        accept_override(session, book, Delivery(value, subject, target))
    put_tag(session, subject, key, value)


def reserved(key: str) -> MlflowException:
    """Return the refusal to write one of the gate's tags."""
    return denied(
        f"The tag '{printable(key)}' is the gate's own: it shows what was decided and cannot be set or "
        "deleted. A decision is recorded by: gate check models:/NAME/VERSION"
    )


def _take_decision(session: Session, book: Rulebook, delivery: Delivery) -> None:
    _, statement = accept_decision(session, book, delivery)
    enforced = {policy.stored.name for policy in book.policies}
    decisions = current_decisions(session, delivery.subject)
    mirrored = mirror_tags(
        delivery.subject, [found for found in decisions if found.policy in enforced], statement
    )
    for key, value in mirrored.values.items():
        put_tag(session, delivery.subject, key, value)
    remove_tags(session, delivery.subject, mirrored.stale)


def _stands(session: Session, book: Rulebook, subject: VersionKey, key: str, value: str) -> bool:
    """Tell whether the tag says so already; of an envelope, whatever its layout."""
    if (key, value) == (REGISTRY, book.registry):
        return True
    row = stored_tag(session, subject, key)
    if row is None or row.key != key:
        return False
    return bool(row.value == value) or (carries(key) is not None and _same_envelope(row.value, value))


def _same_envelope(one: str, other: str) -> bool:
    try:
        return digest_of(one) == digest_of(other)
    except MalformedError:
        return False
