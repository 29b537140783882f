"""One transaction around what MLflow's store does in several, and the locks that order them.

MLflow's methods open a session of their own each.  What is looked up and what is written because of
it must be one transaction, or another server could decide in between.  ``SharedSessions`` therefore
stands in for the store's session maker: inside :meth:`SharedSessions.transaction` MLflow's own code
gets the session that is open already, and nothing of that code has to be repeated here.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session


class SessionMaker(Protocol):
    """MLflow's ``ManagedSessionMaker``: commits on leaving, rolls back on an error."""

    def __call__(self, read_only: bool = True) -> AbstractContextManager[Session]:  # noqa: FBT001, FBT002 - as MLflow calls it
        """Open a session."""


_open: Final[ContextVar[tuple[object, Session] | None]] = ContextVar("gate_open_session", default=None)
"""Whose transaction this request is in, and its session."""


class SharedSessions:
    """MLflow's session maker, but inside a transaction of ours it gives that one's session."""

    def __init__(self, plain: SessionMaker, dialect: str) -> None:
        self._plain = plain
        self._dialect = dialect

    @contextlib.contextmanager
    def __call__(self, read_only: bool = True) -> Iterator[Session]:  # noqa: FBT001, FBT002 - as MLflow calls it
        """Open a session, or lend the open one; only who opened it commits it."""
        current = _open.get()
        if current is None or current[0] is not self:
            with self._plain(read_only=read_only) as session:
                yield session
            return
        yield current[1]
        current[1].flush()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction that may write, on the primary database, and lend its session meanwhile."""
        with self._plain(read_only=False) as session:
            if self._dialect == "postgresql":
                # A snapshot from before a lock was waited for would show what was in force before it.
                # A database may be set to keep one; the driver says this with its BEGIN.
                session.connection(execution_options={"isolation_level": "READ COMMITTED"})
            if self._dialect == "sqlite":
                # SQLite has no row locks: take the only write lock before anything is read, or two
                # writers could both have read what the other is about to change.
                session.execute(text("BEGIN IMMEDIATE"))
            with self._lent(session):
                yield session

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that only reads, from the replica where there is one, and lend it meanwhile."""
        with self() as session, self._lent(session):
            yield session

    @contextlib.contextmanager
    def _lent(self, session: Session) -> Iterator[None]:
        token = _open.set((self, session))
        try:
            yield
        finally:
            _open.reset(token)
