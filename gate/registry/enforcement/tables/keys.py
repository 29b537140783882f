"""Trusted public keys, and which of them were revoked from when on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from gate.errors import UsageError
from gate.registry.enforcement.tables.interface import StoredKey, UnknownKeyError
from gate.registry.enforcement.tables.registry import advance, now
from gate.registry.enforcement.tables.schema import keys
from gate.text import printable

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import RowMapping
    from sqlalchemy.orm import Session


def key(session: Session, key_id: str) -> StoredKey | None:
    """Return the key with an id, revoked or not."""
    row = session.execute(select(keys).where(keys.c.id == key_id)).mappings().one_or_none()
    return None if row is None else _stored(row)


def all_keys(session: Session) -> tuple[StoredKey, ...]:
    """Return every key, revoked ones too, by id."""
    return tuple(_stored(row) for row in session.execute(select(keys).order_by(keys.c.id)).mappings())


def add_key(session: Session, new: StoredKey) -> bool:
    """Trust a key, or change its role, models or validity; False if it was known just so.

    Raises
    ------
    UsageError
        Another public key has that id, or the key was revoked: neither can be taken back by adding.
    """
    before = key(session, new.id)
    if before is None:
        advance(session)
        session.execute(insert(keys).values(id=new.id, added_at=now(), **_columns(new)))
        return True
    if before.public_pem.split() != new.public_pem.split():
        raise UsageError(
            f"another public key has the id {printable(new.id)!r}",
            hint="Give the new key an id of its own; decisions name keys by id.",
        )
    if _said(before) == _said(new):
        return False
    if before.revoked_since is not None:
        raise UsageError(
            f"the key {printable(new.id)!r} was revoked and stays so", hint="Make a new key: `gate init`."
        )
    advance(session)
    session.execute(update(keys).where(keys.c.id == new.id).values(**_columns(new)))
    return True


def revoke_key(session: Session, key_id: str, *, since: int = 0) -> StoredKey:
    """Revoke a key: it signs nothing more, and what it signed from decision ``since`` on is stale.

    Revoking again can only reach further back.

    Raises
    ------
    UnknownKeyError
        There is no such key.
    """
    before = key(session, key_id)
    if before is None:
        raise UnknownKeyError(
            f"no key {printable(key_id)!r} is trusted here", hint="`gate keys list` names them."
        )
    advance(session)
    reach = since if before.revoked_since is None else min(since, before.revoked_since)
    at = now() if before.revoked_at is None else before.revoked_at
    session.execute(update(keys).where(keys.c.id == key_id).values(revoked_since=reach, revoked_at=at))
    after = key(session, key_id)
    assert after is not None  # noqa: S101 - keys are never deleted
    return after


def _said(stored: StoredKey) -> tuple[object, ...]:
    return stored.role, stored.models, stored.not_before, stored.not_after


def _columns(new: StoredKey) -> dict[str, Any]:
    return {
        "role": new.role,
        "public_pem": new.public_pem,
        "models": json.dumps(list(new.models)),
        "not_before": new.not_before,
        "not_after": new.not_after,
        "origin": new.origin,
    }


def _stored(row: RowMapping) -> StoredKey:
    return StoredKey(**{**row, "models": tuple(json.loads(row["models"]))})
