"""What is only ever added to: overrides, the audit trail, who held which alias."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from gate.registry.enforcement.tables.decisions import of_version, version_key
from gate.registry.enforcement.tables.interface import (
    AliasHeld,
    AuditEntry,
    StaleDecisionError,
    StoredOverride,
)
from gate.registry.enforcement.tables.schema import alias_history, audit, overrides

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import RowMapping
    from sqlalchemy.orm import Session

    from gate.registry.enforcement.tables.interface import NewOverride, VersionKey

_SUBJECT = frozenset({"workspace", "name", "version", "creation_time"})


def insert_override(session: Session, new: NewOverride) -> StoredOverride:
    """Keep a verified override, and return it with its number.

    Raises
    ------
    StaleDecisionError
        The same override was taken before.
    """
    try:
        session.execute(insert(overrides).values(**_flat(new)))
    except IntegrityError as error:
        raise StaleDecisionError(
            "this override was taken before", hint="Sign a new one: `gate override`."
        ) from error
    row = session.execute(select(overrides).where(overrides.c.digest == new.digest)).mappings().one()
    return _override(row)


def overrides_in_force(session: Session, subject: VersionKey, at: int) -> tuple[StoredOverride, ...]:
    """Return the overrides on a version that have neither ended nor been revoked, newest first."""
    query = (
        select(overrides)
        .where(of_version(overrides, subject), overrides.c.not_after > at, overrides.c.revoked_at.is_(None))
        .order_by(overrides.c.seq.desc())
    )
    return tuple(_override(row) for row in session.execute(query).mappings())


def revoke_override(session: Session, seq: int, *, at: int) -> bool:
    """End an override early; False if it has ended already."""
    done = session.execute(
        update(overrides)
        .where(overrides.c.seq == seq, overrides.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def record_audit(session: Session, entry: AuditEntry) -> None:
    """Write down who asked what and what came of it."""
    columns = asdict(entry)
    columns.pop("seq")
    session.execute(insert(audit).values(**columns))


def audit_trail(
    session: Session, *, workspace: str | None = None, name: str | None = None, most: int = 1000
) -> tuple[AuditEntry, ...]:
    """Return the newest entries first, of one model or of all."""
    query = select(audit).order_by(audit.c.seq.desc()).limit(most)
    if workspace is not None:
        query = query.where(audit.c.workspace == workspace)
    if name is not None:
        query = query.where(audit.c.name == name)
    return tuple(AuditEntry(**row) for row in session.execute(query).mappings())


def record_alias(session: Session, held: AliasHeld) -> None:
    """Write down that a version got an alias, and by what right."""
    columns = _flat(held)
    columns.pop("seq")
    columns["decisions"] = json.dumps(list(held.decisions))
    # Values given apart from the statement: it is then built and compiled once, not at every promotion.
    session.execute(insert(alias_history), columns)


def aliases_held(session: Session, subject: VersionKey, alias: str) -> tuple[AliasHeld, ...]:
    """Return each time a version got an alias (case-folded, as it was recorded), newest first."""
    query = (
        select(alias_history)
        .where(of_version(alias_history, subject), alias_history.c.alias == alias)
        .order_by(alias_history.c.seq.desc())
        .limit(1000)
    )
    return tuple(_held(row) for row in session.execute(query).mappings())


def _flat(value: NewOverride | AliasHeld) -> dict[str, Any]:
    columns = asdict(value)
    columns.update(columns.pop("subject"))
    return columns


def _rest(row: RowMapping) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _SUBJECT}


def _override(row: RowMapping) -> StoredOverride:
    return StoredOverride(subject=version_key(row), **_rest(row))


def _held(row: RowMapping) -> AliasHeld:
    rest = _rest(row)
    return AliasHeld(subject=version_key(row), **{**rest, "decisions": tuple(json.loads(rest["decisions"]))})
