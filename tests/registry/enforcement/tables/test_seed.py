"""What a server's folders may change, and what they never can."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from gate.policy import parse_policy, policy_digest
from gate.registry.attestation.documents import trusted_key_document
from gate.registry.attestation.keys import new_key
from gate.registry.enforcement.tables import (
    active_policies,
    all_keys,
    policies_state,
    prepare,
    previous_policy,
    push_policies,
    read_policy_files,
    revision,
    revoke_key,
)
from gate.registry.enforcement.tables.schema import policies as policies_table

if TYPE_CHECKING:
    from pathlib import Path

    from gate.registry.enforcement.tables import Database

POLICY = """\
version: 1
name: {name}
rules:
  - {{id: alpha, description: {words}, metric: layer.alpha, within: [2, {most}]}}
"""


def policy(name: str, most: int = 6, words: str = "Alpha in range") -> str:
    return POLICY.format(name=name, most=most, words=words)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two policies and a key, as an operator lays them out."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "keys").mkdir()
    for name in ("production", "staging"):
        (tmp_path / "policies" / f"{name}.yaml").write_text(policy(name))
    (tmp_path / "keys" / "ci.yaml").write_text(trusted_key_document(new_key("check").trusted))
    return tmp_path


def start(database: Database, folder: Path) -> None:
    settings = {"GATE_POLICIES": str(folder / "policies"), "GATE_TRUSTED_KEYS": str(folder / "keys")}
    prepare(database.engine, settings)


def in_force(database: Database) -> dict[str, str]:
    with database.transaction() as session:
        return {stored.name: stored.digest for stored in active_policies(session)}


def push(database: Database, *paths: Path, remove: tuple[str, ...] = ()) -> None:
    with database.transaction() as session:
        push_policies(session, read_policy_files(paths), who="test", replace=False, remove=remove)


def digest(text: str) -> str:
    return policy_digest(parse_policy(text), "gate-1")


def test_a_start_takes_both_folders(sqlite: Database, folder: Path) -> None:
    start(sqlite, folder)
    assert in_force(sqlite) == {name: digest(policy(name)) for name in ("production", "staging")}
    with sqlite.transaction() as session:
        assert [stored.role for stored in all_keys(session)] == ["check"]
        before = revision(session)
    start(sqlite, folder)  # the next worker, or the next start
    with sqlite.transaction() as session:
        assert revision(session) == before


def _unset(folder: Path) -> None:
    (folder / "policies").rename(folder / "elsewhere")


def _empty(folder: Path) -> None:
    for file in (folder / "policies").iterdir():
        file.unlink()


def _one_bad(folder: Path) -> None:
    (folder / "policies" / "production.yaml").write_text(policy("production", most=9))
    (folder / "policies" / "staging.yaml").write_text("version: 1\nname: staging\nrules: []\n")


def _twins(folder: Path) -> None:
    (folder / "policies" / "production.yaml").write_text(policy("production", most=9))
    (folder / "policies" / "another.yaml").write_text(policy("Production", most=9))


def _a_folder_for_a_file(folder: Path) -> None:
    (folder / "policies" / "production.yaml").unlink()
    (folder / "policies" / "production.yaml").mkdir()


def _too_large(folder: Path) -> None:
    (folder / "policies" / "production.yaml").write_text(policy("production") + "#" * 200_000)


@pytest.mark.parametrize("spoil", [_unset, _empty, _one_bad, _twins, _a_folder_for_a_file, _too_large])
def test_a_folder_that_is_not_whole_changes_nothing_and_is_loud(
    sqlite: Database, folder: Path, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    start(sqlite, folder)
    before = in_force(sqlite)
    spoil(folder)  # type: ignore[operator]
    start(sqlite, folder)
    assert in_force(sqlite) == before
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("GATE_POLICIES was NOT taken")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_changes_nothing(sqlite: Database, folder: Path) -> None:
    start(sqlite, folder)
    before = in_force(sqlite)
    (folder / "policies").chmod(0)
    start(sqlite, folder)
    (folder / "policies").chmod(0o700)
    assert in_force(sqlite) == before


def test_without_settings_nothing_changes(sqlite: Database, folder: Path) -> None:
    prepare(sqlite.engine, {})
    with sqlite.transaction() as session:
        assert policies_state(session) == "never"
    start(sqlite, folder)
    before = in_force(sqlite)
    prepare(sqlite.engine, {"GATE_POLICIES": ""})
    assert in_force(sqlite) == before


def test_a_file_that_went_does_not_ungovern(
    sqlite: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(sqlite, folder)
    (folder / "policies" / "production.yaml").unlink()
    start(sqlite, folder)
    assert set(in_force(sqlite)) == {"production", "staging"}
    assert "gate policy push --remove production" in caplog.text


def test_a_changed_file_comes_into_force_and_grace_knows_the_one_before(
    sqlite: Database, folder: Path
) -> None:
    start(sqlite, folder)
    (folder / "policies" / "production.yaml").write_text(policy("production", most=5))
    start(sqlite, folder)
    with sqlite.transaction() as session:
        active = next(one for one in active_policies(session) if one.name == "production")
        before = previous_policy(session, active)
    assert active.digest == digest(policy("production", most=5))
    assert before is not None
    assert before.digest == digest(policy("production"))


def test_a_restart_does_not_undo_a_push_or_a_removal(sqlite: Database, folder: Path) -> None:
    start(sqlite, folder)
    pushed = folder / "pushed.yaml"
    pushed.write_text(policy("production", most=4))
    push(sqlite, pushed, remove=("staging",))
    start(sqlite, folder)
    assert in_force(sqlite) == {"production": digest(policy("production", most=4))}
    for name in ("production", "staging"):
        (folder / "policies" / f"{name}.yaml").write_text(policy(name, most=5))
    start(sqlite, folder)  # the folder itself speaks again
    assert in_force(sqlite) == {name: digest(policy(name, most=5)) for name in ("production", "staging")}


def test_other_words_for_the_same_policy_are_taken_without_a_new_grace(
    sqlite: Database, folder: Path
) -> None:
    start(sqlite, folder)
    with sqlite.transaction() as session:
        since = active_policies(session)[0].activated_at
    (folder / "policies" / "production.yaml").write_text(policy("production", words="Said better"))
    start(sqlite, folder)
    with sqlite.transaction() as session:
        active = active_policies(session)[0]
    assert "Said better" in active.text
    assert active.activated_at == since


def test_a_program_that_digests_otherwise_keeps_decisions_through_grace(
    sqlite: Database, folder: Path
) -> None:
    start(sqlite, folder)
    with sqlite.transaction() as session:
        session.execute(
            update(policies_table)
            .where(policies_table.c.name == "production")
            .values(digest="sha256:as-an-older-program-made-it")
        )
    start(sqlite, folder)
    with sqlite.transaction() as session:
        active = next(one for one in active_policies(session) if one.name == "production")
        before = previous_policy(session, active)
    assert active.digest == digest(policy("production"))
    assert before is not None
    assert before.digest == "sha256:as-an-older-program-made-it"


def test_keys_are_taken_whole_or_not_at_all_and_stay_revoked(
    sqlite: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(sqlite, folder)
    with sqlite.transaction() as session:
        first = all_keys(session)[0]
        revoke_key(session, first.id)
    start(sqlite, folder)
    with sqlite.transaction() as session:
        assert all_keys(session)[0].revoked_since == 0
    second = new_key("override").trusted
    (folder / "keys" / "second.yaml").write_text(trusted_key_document(second))
    (folder / "keys" / "third.yaml").write_text("id: third\nrole: king\n")
    start(sqlite, folder)
    assert "GATE_TRUSTED_KEYS was NOT taken" in caplog.text
    (folder / "keys" / "third.yaml").unlink()
    (folder / "keys" / "ci.yaml").unlink()  # its key stays as it is: revoked
    start(sqlite, folder)
    with sqlite.transaction() as session:
        assert {stored.id: stored.revoked_since for stored in all_keys(session)} == {
            first.id: 0,
            second.id: None,
        }
