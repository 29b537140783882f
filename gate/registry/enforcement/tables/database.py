"""Database addresses: told apart, opened, and shown without their passwords."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.errors import RegistryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine
    from sqlalchemy.orm import Session

SCHEME: Final = "gate:"
DIALECTS: Final = ("sqlite", "postgresql", "mysql", "mariadb")
SETTING: Final = "GATE_DATABASE"

_EXAMPLE: Final = "Write postgresql+psycopg2://USER:PASSWORD@HOST/NAME, mysql+pymysql://… or sqlite:///FILE."
_WAIT_SECONDS: Final = 20
_WAITS: Final = {
    "pysqlite": "timeout",
    "psycopg2": "connect_timeout",
    "psycopg": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
}
"""What drivers call the longest wait for a connection or, of SQLite, for its lock."""


@dataclass(frozen=True, slots=True)
class Database:
    """The registry's database; ``shown`` is its address without the password."""

    engine: Engine
    shown: str

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a session that commits when the block ends well and undoes everything when it does not.

        Raises
        ------
        gate.errors.RegistryError
            The database cannot be reached, or refuses.
        """
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - keeps `gate --help` fast
        from sqlalchemy.orm import Session  # noqa: PLC0415

        try:
            with Session(self.engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise unreachable(self, error) from error


def database_url(uri: str) -> URL:
    """Return the address of a database, written plainly or with the ``gate:`` of the store before it.

    Raises
    ------
    gate.errors.UsageError
        It is no address, or of a database the gate does not keep its tables in.  The message never
        repeats the address, as what is mistyped may hold a password.
    """
    from sqlalchemy import make_url  # noqa: PLC0415 - keeps `gate --help` fast
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        url = make_url(uri.removeprefix(SCHEME))
        dialect = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise UsageError("this is no address of a database", hint=_EXAMPLE) from error
    if dialect not in DIALECTS:
        raise UsageError(
            f"the gate keeps its tables in SQLite, PostgreSQL or MySQL, not in {dialect}", hint=_EXAMPLE
        )
    return url


def open_database(uri: str) -> Database:
    """Return the database at ``uri``; nothing is connected yet.

    Raises
    ------
    gate.errors.UsageError
        It is no address, or its driver is not installed.
    """
    from sqlalchemy import create_engine  # noqa: PLC0415 - keeps `gate --help` fast
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    url = database_url(uri)
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=_connect_arguments(url))
    except (ImportError, ArgumentError) as error:
        raise UsageError(
            f"no driver for {url.drivername} is installed", hint="pip install psycopg2-binary or pymysql."
        ) from error
    return Database(engine, url.set(query={}).render_as_string(hide_password=True))


def _connect_arguments(url: URL) -> dict[str, Any]:
    """Bound the wait for drivers that can, and give MySQL the certificates that MLflow is given."""
    arguments: dict[str, Any] = {}
    if url.get_backend_name() in {"mysql", "mariadb"}:
        names = {part: os.environ.get(f"MLFLOW_MYSQL_SSL_{part}") for part in ("CA", "CERT", "KEY")}
        arguments = {f"ssl_{part.lower()}": value for part, value in names.items() if value}
    bound = _WAITS.get(url.get_dialect().driver)
    return arguments if bound is None else {**arguments, bound: _WAIT_SECONDS}


def unreachable(database: Database, error: Exception) -> RegistryError:
    """Return a database's complaint as an error of ours, with no password and no SQL in it."""
    cause = getattr(error, "orig", None) or error
    words = " ".join(str(cause).split())
    for secret in _secrets(database.engine.url):
        words = words.replace(secret, "***")
    if "no such table" in words or "does not exist" in words or "doesn't exist" in words:
        hint = "Its tables are made when the enforcing server starts, or by `gate db upgrade`."
    else:
        hint = "Check the address, the network and the permissions of the database's user."
    return RegistryError(f"the database {database.shown} did not do it: {words[:300]}", hint=hint)


def _secrets(url: URL) -> Iterator[str]:
    """Yield what must not be shown: the password, and what a driver takes after the question mark."""
    if url.password:
        yield str(url.password)
    for value in url.query.values():
        yield from (value,) if isinstance(value, str) else value
