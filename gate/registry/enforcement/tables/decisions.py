"""Decisions, in the order the server took them."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from gate.registry.enforcement.tables.interface import StaleDecisionError, StoredDecision, VersionKey
from gate.registry.enforcement.tables.registry import THE_ROW, no_row
from gate.registry.enforcement.tables.schema import decisions, registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, RowMapping, Table
    from sqlalchemy.orm import Session

    from gate.registry.enforcement.tables.interface import NewDecision

_MOST_LISTED = 10_000
_OF_VERSION: Final = and_(*(decisions.c[field.name] == bindparam(field.name) for field in fields(VersionKey)))
_STANDING: Final = (
    select(registry.c.revision, decisions)
    .select_from(registry.outerjoin(decisions, and_(_OF_VERSION, decisions.c.superseded == 0)))
    .where(THE_ROW)
    .order_by(decisions.c.policy)
)
"""Asked at every promotion, so built once: to build it takes longer than to answer it."""


def of_version(table: Table, subject: VersionKey) -> ColumnElement[bool]:
    """Return the condition that a row of ``table`` speaks of ``subject``, in the order of its index."""
    return and_(
        table.c.workspace == subject.workspace,
        table.c.name == subject.name,
        table.c.version == subject.version,
        table.c.creation_time == subject.creation_time,
    )


def version_key(row: RowMapping) -> VersionKey:
    """Return the version a row speaks of."""
    return VersionKey(row["workspace"], row["name"], row["version"], row["creation_time"])


def current_decision(session: Session, subject: VersionKey, policy: str) -> StoredDecision | None:
    """Return the decision in force on a version under a policy: one probe of a unique index.

    It is the last that was accepted; whether it passed, was revoked, expired or is of a policy that
    changed since is for the reader to see.
    """
    found = session.execute(
        select(decisions).where(
            of_version(decisions, subject), decisions.c.policy == policy, decisions.c.superseded == 0
        )
    ).mappings()
    row = found.one_or_none()
    return None if row is None else _stored(row)


def current_decisions(session: Session, subject: VersionKey) -> tuple[StoredDecision, ...]:
    """Return the decisions in force on a version, one per policy that ever judged it."""
    return _all(
        session, of_version(decisions, subject), decisions.c.superseded == 0, order=decisions.c.policy
    )


def standing(session: Session, subject: VersionKey) -> tuple[int, tuple[StoredDecision, ...]]:
    """Return what a promotion turns on: :func:`revision` and :func:`current_decisions`, read at once.

    Raises
    ------
    SchemaError
        The tables were never set up, or lost their row.
    """
    rows = session.execute(_STANDING, asdict(subject)).mappings().all()
    if not rows:
        raise no_row()
    return int(rows[0]["revision"]), tuple(_stored(row) for row in rows if row["seq"] is not None)


def decision(session: Session, seq: int) -> StoredDecision | None:
    """Return the decision with a number, in force or not."""
    found = _all(session, decisions.c.seq == seq, order=decisions.c.seq)
    return found[0] if found else None


def decisions_of(session: Session, subject: VersionKey, policy: str) -> tuple[StoredDecision, ...]:
    """Return every decision on a version under a policy, oldest first."""
    return _all(session, of_version(decisions, subject), decisions.c.policy == policy, order=decisions.c.seq)


def known_digest(session: Session, digest: str) -> StoredDecision | None:
    """Return the decision whose envelope has ``digest``, whether or not it is still in force."""
    found = _all(session, decisions.c.digest == digest, order=decisions.c.seq)
    return found[0] if found else None


def insert_decision(session: Session, new: NewDecision) -> StoredDecision:
    """Put a decision in force in the place of the one it supersedes, and return it with its number.

    Raises
    ------
    StaleDecisionError
        ``new.supersedes`` is not the digest of the decision in force (None where there is none), or
        the envelope was taken before.  Where two clients raced, the database says it, and the
        transaction has to be rolled back.
    """
    before = current_decision(session, new.subject, new.policy)
    if (before.digest if before else None) != new.supersedes:
        raise _stale(new)
    if before is not None:
        replaced = session.execute(
            update(decisions)
            .where(decisions.c.seq == before.seq, decisions.c.superseded == 0)
            .values(superseded=decisions.c.seq)
        )
        if replaced.rowcount != 1:  # type: ignore[attr-defined]
            raise _stale(new)
    columns = asdict(new)
    columns.update(columns.pop("subject"), superseded=0)
    try:
        seq = session.execute(insert(decisions).values(**columns)).inserted_primary_key[0]  # type: ignore[attr-defined]
    except IntegrityError as error:
        raise _stale(new) from error
    stored = decision(session, int(seq))
    assert stored is not None  # noqa: S101 - it was written a line ago, in this transaction
    return stored


def revoke_decision(session: Session, seq: int, *, at: int, reason: str) -> bool:
    """Revoke one decision, as the sweep does when storage changed behind it; False if it was already."""
    done = session.execute(
        update(decisions)
        .where(decisions.c.seq == seq, decisions.c.revoked_at.is_(None))
        .values(revoked_at=at, revoked_reason=reason)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def last_seq(session: Session) -> int:
    """Return the number of the newest decision, 0 when there is none."""
    found = session.execute(select(decisions.c.seq).order_by(decisions.c.seq.desc()).limit(1)).scalar()
    return int(found or 0)


def signed_in_force(session: Session, key_id: str) -> tuple[int, ...]:
    """Return the numbers of the decisions in force that a key signed, oldest first."""
    query = select(decisions.c.seq).where(decisions.c.key_id == key_id, decisions.c.superseded == 0)
    return tuple(session.execute(query.order_by(decisions.c.seq)).scalars())


def _all(session: Session, *conditions: ColumnElement[bool], order: Any) -> tuple[StoredDecision, ...]:
    query = select(decisions).where(*conditions).order_by(order).limit(_MOST_LISTED)
    rows: Iterable[RowMapping] = session.execute(query).mappings()
    return tuple(_stored(row) for row in rows)


def _stored(row: RowMapping) -> StoredDecision:
    fields = {
        key: value
        for key, value in row.items()
        if key not in {"workspace", "name", "version", "creation_time", "superseded", "revision"}
    }
    return StoredDecision(subject=version_key(row), current=row["superseded"] == 0, **fields)


def _stale(new: NewDecision) -> StaleDecisionError:
    return StaleDecisionError(
        f"the decision on {new.subject.name} version {new.subject.version} under policy {new.policy} "
        "changed meanwhile, or this one was taken before",
        hint="Run `gate check` again; it reads the decision in force first.",
    )
