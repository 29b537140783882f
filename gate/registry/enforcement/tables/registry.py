"""The registry's own row: its id, made once, and a counter that says when policies or keys changed."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select, update

from gate.registry.enforcement.tables.interface import SchemaError
from gate.registry.enforcement.tables.schema import registry

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

_ONE: Final = 1
THE_ROW: Final = registry.c.one == _ONE
"""The condition on the only row."""

_REVISION: Final = select(registry.c.revision).where(THE_ROW)


def now() -> int:
    """Return the time in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def registry_id(session: Session) -> str:
    """Return the id of this registry, which every decision on its versions is bound to.

    Raises
    ------
    SchemaError
        The tables were never set up, or lost their row.
    """
    found = session.execute(select(registry.c.id).where(THE_ROW)).scalar()
    if found is None:
        raise no_row()
    return str(found)


def revision(session: Session) -> int:
    """Return a number that changes whenever a policy or a key does: what readers cache by.

    Raises
    ------
    SchemaError
        The tables were never set up, or lost their row.
    """
    found = session.execute(_REVISION).scalar()
    if found is None:
        raise no_row()
    return int(found)


def advance(session: Session) -> None:
    """Say that a policy or a key changed; also makes those who change them take turns."""
    session.execute(update(registry).where(THE_ROW).values(revision=registry.c.revision + 1))


def ensure_row(connection: Connection) -> None:
    """Make the row if there is none; the caller holds the lock under which migrations run."""
    if connection.execute(select(registry.c.id).where(THE_ROW)).scalar() is None:
        connection.execute(
            insert(registry).values(one=_ONE, id=str(uuid.uuid4()), created_at=now(), revision=0)
        )


def no_row() -> SchemaError:
    """Return the error that the tables have lost their row."""
    return SchemaError(
        "the registry has lost its id", hint="Restore the table gate_registry from a backup of the database."
    )
