"""The tables come to be, on every database, from any version, with any number of servers starting."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _initialize_tables, _verify_schema, create_sqlalchemy_engine
from sqlalchemy.exc import SQLAlchemyError

from gate.registry.enforcement.tables import (
    Database,
    SchemaError,
    check,
    current_decision,
    current_version,
    key,
    newest_version,
    policy_versions,
    recorded_artifacts,
    registry_id,
    upgrade,
)
from gate.registry.enforcement.tables.migrate import _config
from gate.registry.enforcement.tables.schema import VERSION_TABLE, metadata
from tests.registry.enforcement.tables.conftest import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

MINE = (
    "import sys; from gate.registry.enforcement.tables import *; upgrade(open_database(sys.argv[1]).engine)"
)

FIRST_ROWS = """
INSERT INTO gate_policies (name, digest, text, origin, activated_at, retired)
  VALUES ('production', 'sha256:1', 'version: 1', 'seed', 5, 0);
INSERT INTO gate_keys (id, role, public_pem, models, origin, added_at)
  VALUES ('ci', 'check', 'PEM', '["fraud-*"]', 'push', 6);
INSERT INTO gate_decisions (workspace, name, version, creation_time, policy, policy_digest, outcome, passed,
    envelope, digest, key_id, accepted_at, superseded)
  VALUES ('default', 'fraud', 1, 1700000000000, 'production', 'sha256:1', 'passed', true, '{}', 'sha256:2',
    'ci', 7, 0);
INSERT INTO gate_artifact_roots (workspace, name, version, creation_time, root, root_folded, root_digest,
    complete, recorded_at)
  VALUES ('default', 'fraud', 1, 1700000000000, '1/R/model', '1/r/model', 'sha256:3', true, 8)
"""
"""What a server of the first version left behind; never edited."""


def revisions() -> list[str]:
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def names(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names())


def test_the_migrations_make_what_the_schema_says(empty: Database) -> None:
    assert upgrade(empty.engine)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name.startswith("gate_"),
            },
        )
        assert compare_metadata(context, metadata) == []
    assert names(empty) == {*metadata.tables, VERSION_TABLE}
    assert not upgrade(empty.engine)
    check(empty.engine)


@pytest.mark.parametrize("start", revisions())
def test_what_an_older_server_wrote_is_read_after_migrating(empty: Database, start: str) -> None:
    upgrade(empty.engine, to=revisions()[0])
    with empty.engine.begin() as connection:
        for statement in FIRST_ROWS.split(";"):
            connection.exec_driver_sql(statement)
    upgrade(empty.engine, to=start)
    with empty.transaction() as session:
        registry = registry_id(session)
    upgrade(empty.engine)
    assert current_version(empty.engine) == newest_version()
    with empty.transaction() as session:
        assert registry_id(session) == registry
        assert [policy.digest for policy in policy_versions(session, "production")] == ["sha256:1"]
        trusted = key(session, "ci")
        assert trusted is not None
        assert trusted.models == ("fraud-*",)
        found = current_decision(session, VERSION, "production")
        assert found is not None
        assert (found.passed, found.key_id, found.accepted_at) == (True, "ci", 7)
        recorded = recorded_artifacts(session, VERSION)
        assert recorded is not None
        assert recorded.root == "1/R/model"


def test_servers_that_start_at_once_make_one_registry(empty: Database, address: str) -> None:
    starts = [
        subprocess.Popen([sys.executable, "-c", MINE, address], stderr=subprocess.PIPE) for _ in range(5)
    ]
    errors = [start.communicate(timeout=120)[1].decode() for start in starts]
    assert [start.returncode for start in starts] == [0] * 5, "\n".join(errors)
    with empty.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM gate_registry").scalar() == 1


def test_tables_of_a_newer_program_are_left_alone(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE gate_alembic_version SET version_num = '9999'")
    for touch in (check, upgrade):
        with pytest.raises(SchemaError, match="9999"):
            touch(database.engine)


def test_missing_tables_are_told_from_current_ones(empty: Database) -> None:
    with pytest.raises(SchemaError, match="missing"):
        check(empty.engine)


def test_a_migration_that_fails_leaves_nothing(empty: Database) -> None:
    if empty.engine.dialect.name == "mysql":
        pytest.skip("MySQL commits at every change of a table; docs/operations.md asks for a backup first")
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE gate_audit (note TEXT)")
    with pytest.raises(SQLAlchemyError, match="gate_audit"):
        upgrade(empty.engine)
    assert names(empty) == {"gate_audit"}
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE gate_audit")
    assert upgrade(empty.engine)


@pytest.mark.parametrize("gate_first", [True, False])
def test_mlflow_and_the_gate_migrate_past_each_other(sqlite_address: str, gate_first: bool) -> None:
    engine = create_sqlalchemy_engine(sqlite_address)
    steps: list[Callable[[], object]] = [lambda: upgrade(engine), lambda: _initialize_tables(engine)]
    for step in steps if gate_first else reversed(steps):
        step()
    _verify_schema(engine)
    check(engine)
    engine.dispose()


@pytest.fixture
def sqlite_address(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/both.db"
