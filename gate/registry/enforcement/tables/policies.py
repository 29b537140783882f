"""Policies in force and the ones before them, which grace needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from gate.registry.enforcement.tables.interface import StoredPolicy
from gate.registry.enforcement.tables.registry import advance, now
from gate.registry.enforcement.tables.schema import policies

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, RowMapping
    from sqlalchemy.orm import Session

    from gate.registry.enforcement.tables.interface import Origin, PoliciesState


def active_policies(session: Session) -> tuple[StoredPolicy, ...]:
    """Return the policies in force, by name."""
    return _all(session, policies.c.retired == 0, order=policies.c.name)


def policies_state(session: Session) -> PoliciesState:
    """Return whether policies are in force, and if none is, whether ever one was."""
    if session.execute(select(policies.c.seq).where(policies.c.retired == 0).limit(1)).scalar():
        return "loaded"
    return "removed" if session.execute(select(policies.c.seq).limit(1)).scalar() else "never"


def policy_versions(session: Session, name: str) -> tuple[StoredPolicy, ...]:
    """Return every version of a policy, newest first."""
    return _all(session, policies.c.name == name, order=policies.c.seq.desc())


def previous_policy(session: Session, active: StoredPolicy) -> StoredPolicy | None:
    """Return what was in force before ``active`` and asked something else, for as long as grace lasts."""
    found = _all(
        session,
        policies.c.name == active.name,
        policies.c.digest != active.digest,
        policies.c.seq < active.seq,
        order=policies.c.seq.desc(),
        most=1,
    )
    return found[0] if found else None


def last_seeded(session: Session, name: str) -> StoredPolicy | None:
    """Return what a server's folder last said of a policy, in force or not."""
    found = _all(
        session,
        policies.c.name == name,
        policies.c.origin == "seed",
        order=policies.c.seq.desc(),
        most=1,
    )
    return found[0] if found else None


def activate_policy(
    session: Session, name: str, digest: str, text: str, *, origin: Origin, who: str | None = None
) -> StoredPolicy:
    """Put a validated policy in force in the place of the one of its name, and return its row.

    The same words again change nothing; other words for the same digest keep the time since which
    it is in force.
    """
    advance(session)  # takes the row's lock, so that what follows is read by one writer at a time
    before = next((policy for policy in active_policies(session) if policy.name == name), None)
    if before is not None and (before.text, before.digest, before.origin) == (text, digest, origin):
        return before
    since = before.activated_at if before is not None and before.digest == digest else now()
    if before is not None:
        _retire(session, before.seq)
    session.execute(
        insert(policies).values(
            name=name, digest=digest, text=text, origin=origin, who=who, activated_at=since, retired=0
        )
    )
    return next(policy for policy in active_policies(session) if policy.name == name)


def retire_policy(session: Session, name: str) -> bool:
    """Take a policy out of force; False if none of that name is.  Only a person asks for this."""
    advance(session)
    before = next((policy for policy in active_policies(session) if policy.name == name), None)
    if before is None:
        return False
    _retire(session, before.seq)
    return True


def _retire(session: Session, seq: int) -> None:
    session.execute(
        update(policies).where(policies.c.seq == seq).values(retired=policies.c.seq, retired_at=now())
    )


def _all(
    session: Session, *conditions: ColumnElement[bool], order: Any, most: int = 10_000
) -> tuple[StoredPolicy, ...]:
    query = select(policies).where(*conditions).order_by(order).limit(most)
    return tuple(_stored(row) for row in session.execute(query).mappings())


def _stored(row: RowMapping) -> StoredPolicy:
    return StoredPolicy(**{key: value for key, value in row.items() if key != "retired"})
