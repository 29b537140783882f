"""Bringing the tables to the version this program knows, with any number of servers starting at once.

Migrations are Alembic's, with a version table of our own, so that MLflow's migrations and ours never
see each other.  One lock of the database orders those who migrate; who finds the tables current
takes no lock.
"""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Final

from gate.registry.enforcement.tables.interface import SchemaError
from gate.registry.enforcement.tables.registry import ensure_row
from gate.registry.enforcement.tables.schema import VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection, Engine

_LOCK: Final = 0x67617465  # "gate", as the number PostgreSQL's advisory locks want
_WAIT_SECONDS: Final = 120


@cache
def newest_version() -> str:
    """Return the version of the tables that this program knows."""
    found = _scripts().get_current_head()
    assert found is not None  # noqa: S101 - the first migration ships with this module
    return str(found)


def current_version(engine: Engine) -> str | None:
    """Return the version of the tables in a database, None where there are none."""
    with engine.connect() as connection:
        return _version(connection)


def upgrade(engine: Engine, *, to: str = "head") -> bool:
    """Make or migrate the tables; safe to call from many processes at once.  False if nothing was to do.

    Raises
    ------
    SchemaError
        The tables are of a newer program, or another process held the lock for too long.
    """
    target = newest_version() if to == "head" else to
    if _checked(current_version(engine)) == target:
        return False
    with _locked(engine) as connection:
        if _checked(_version(connection)) == target:
            return False
        _migrate(connection, target)
        ensure_row(connection)
    return True


def check(engine: Engine) -> None:
    """Do nothing if the tables are current.

    Raises
    ------
    SchemaError
        They are missing, older or newer.
    """
    found = _checked(current_version(engine))
    if found != newest_version():
        state = f"at version {found}" if found else "missing"
        raise SchemaError(
            f"the gate's tables are {state}; this program needs version {newest_version()}",
            hint="Back the database up and run `gate db upgrade`.",
        )


def _checked(version: str | None) -> str | None:
    if version is not None and version not in {script.revision for script in _scripts().walk_revisions()}:
        raise SchemaError(
            f"the gate's tables are at version {version}, which this program does not know",
            hint="Upgrade mlflow-spectral-gate here; a newer one has migrated this database.",
        )
    return version


def _version(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext  # noqa: PLC0415 - slow to import

    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _migrate(connection: Connection, target: str) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, target)


@contextlib.contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that no other migration runs beside, and commit what was done with it."""
    dialect = engine.dialect.name
    if dialect == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
    elif dialect == "postgresql":
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection
    else:
        yield from _locked_by_name(engine)


def _locked_by_name(engine: Engine) -> Iterator[Connection]:
    """MySQL commits at every change of a table, so its lock belongs to the connection."""
    with engine.connect() as connection:
        name = f"CONCAT('gate_db_upgrade:', LEFT(DATABASE(), 40)), {_WAIT_SECONDS}"
        if connection.exec_driver_sql(f"SELECT GET_LOCK({name})").scalar() != 1:
            raise SchemaError(
                "another process is migrating the gate's tables", hint="Try again when it ended."
            )
        try:
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            connection.exec_driver_sql(
                "SELECT RELEASE_LOCK(CONCAT('gate_db_upgrade:', LEFT(DATABASE(), 40)))"
            )


@cache
def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - slow to import

    config = Config()
    config.set_main_option("script_location", "gate.registry.enforcement.tables:migrations")
    return config


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow to import

    return ScriptDirectory.from_config(_config())
