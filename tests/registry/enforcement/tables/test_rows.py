"""What the small functions keep and give back, on every database."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gate.errors import UsageError
from gate.registry.enforcement.tables import (
    AliasHeld,
    AuditEntry,
    NewDecision,
    NewOverride,
    RecordedFile,
    RecordedRoot,
    StaleDecisionError,
    StoredKey,
    UnknownKeyError,
    VersionKey,
    activate_policy,
    active_policies,
    add_key,
    aliases_held,
    audit_trail,
    current_decision,
    current_decisions,
    decisions_of,
    insert_decision,
    insert_override,
    key,
    known_digest,
    last_seq,
    overrides_in_force,
    owners_above,
    owners_below,
    policies_state,
    previous_policy,
    put_root,
    record_alias,
    record_audit,
    recorded_artifacts,
    release_artifacts,
    release_model,
    rename_artifacts,
    retire_policy,
    revision,
    revoke_decision,
    revoke_key,
    standing,
)
from gate.registry.enforcement.tables.schema import decisions
from tests.registry.enforcement.tables.conftest import VERSION

if TYPE_CHECKING:
    from gate.registry.enforcement.tables import Database


def new(digest: str, supersedes: str | None = None, **changes: object) -> NewDecision:
    plain = NewDecision(
        subject=VERSION,
        policy="production",
        policy_digest="sha256:p",
        outcome="passed",
        passed=True,
        envelope='{"payload": "α"}',
        digest=digest,
        key_id="ci",
        accepted_at=1,
        supersedes=supersedes,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_decisions_follow_one_another_in_the_servers_order(database: Database) -> None:
    with database.transaction() as session:
        assert current_decision(session, VERSION, "production") is None
        assert last_seq(session) == 0
        first = insert_decision(session, new("sha256:a"))
        second = insert_decision(session, new("sha256:b", "sha256:a", passed=False, outcome="blocked"))
        other = insert_decision(session, new("sha256:c", policy="strict"))
        assert first.seq < second.seq < other.seq == last_seq(session)
        assert current_decision(session, VERSION, "production") == second
        assert current_decisions(session, VERSION) == (second, other)
        assert standing(session, VERSION) == (revision(session), (second, other))
        assert standing(session, replace(VERSION, version=99)) == (revision(session), ())
        history = decisions_of(session, VERSION, "production")
        assert [(found.digest, found.current) for found in history] == [
            ("sha256:a", False),
            ("sha256:b", True),
        ]
        found = known_digest(session, "sha256:a")
        assert found is not None
        assert found.envelope == '{"payload": "α"}'
        assert current_decision(session, replace(VERSION, creation_time=5), "production") is None
        assert revoke_decision(session, second.seq, at=9, reason="storage changed")
        assert not revoke_decision(session, second.seq, at=10, reason="again")
        revoked = current_decision(session, VERSION, "production")
        assert revoked is not None
        assert (revoked.revoked_at, revoked.revoked_reason) == (9, "storage changed")


@pytest.mark.parametrize("supersedes", [None, "sha256:unknown", "sha256:a"])
def test_a_decision_that_does_not_supersede_the_one_in_force_is_stale(
    database: Database, supersedes: str | None
) -> None:
    with database.transaction() as session:
        insert_decision(session, new("sha256:a"))
        insert_decision(session, new("sha256:b", "sha256:a"))
    with pytest.raises(StaleDecisionError), database.transaction() as session:
        insert_decision(session, new("sha256:c", supersedes))
    with database.transaction() as session:
        found = current_decision(session, VERSION, "production")
        assert found is not None
        assert found.digest == "sha256:b"


def test_an_envelope_is_taken_once(database: Database) -> None:
    with database.transaction() as session:
        insert_decision(session, new("sha256:a"))
        insert_decision(session, new("sha256:b", "sha256:a"))
    with pytest.raises(StaleDecisionError), database.transaction() as session:
        insert_decision(session, new("sha256:a", "sha256:b"))


def test_of_decisions_that_race_one_is_in_force(database: Database) -> None:
    """Every racer read that there is no decision yet; none holds a lock of MLflow's rows."""
    count = 6
    barrier = threading.Barrier(count)
    won: list[str] = []
    lost: list[Exception] = []

    def race(digest: str) -> None:
        try:
            with database.transaction() as session:
                current_decision(session, VERSION, "production")
                barrier.wait(timeout=60)
                insert_decision(session, new(digest))
            won.append(digest)
        except Exception as error:  # noqa: BLE001 - looked at below
            lost.append(error)

    threads = [threading.Thread(target=race, args=(f"sha256:{number}",)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(won) == 1
    assert len(lost) == count - 1
    with database.transaction() as session:
        found = current_decision(session, VERSION, "production")
        assert found is not None
        assert found.digest == won[0]
        assert len(decisions_of(session, VERSION, "production")) == 1


def test_the_decision_in_force_is_one_probe_of_an_index(sqlite: Database) -> None:
    with sqlite.transaction() as session:
        for number in range(300):
            insert_decision(session, new(f"sha256:{number}", subject=replace(VERSION, version=number)))
        asked: list[str] = []
        query = decisions.select().where(
            decisions.c.workspace == "default",
            decisions.c.name == "fraud",
            decisions.c.version == 7,
            decisions.c.creation_time == VERSION.creation_time,
            decisions.c.policy == "production",
            decisions.c.superseded == 0,
        )
        text = str(query.compile(compile_kwargs={"literal_binds": True}))
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
        asked += [str(row[-1]) for row in plan]
    assert len(asked) == 1
    assert asked[0].startswith("SEARCH gate_decisions USING INDEX")
    assert "policy=? AND superseded=?" in asked[0]


def test_a_policy_replaces_the_one_of_its_name(database: Database) -> None:
    with database.transaction() as session:
        assert policies_state(session) == "never"
        first = activate_policy(session, "production", "sha256:1", "one", origin="seed")
        assert activate_policy(session, "production", "sha256:1", "one", origin="seed") == first
        words = activate_policy(session, "production", "sha256:1", "one, better said", origin="push")
        assert words.activated_at == first.activated_at
        assert previous_policy(session, words) is None
        second = activate_policy(session, "production", "sha256:2", "two", origin="push", who="me")
        previous = previous_policy(session, second)
        assert previous is not None
        assert previous.digest == "sha256:1"
        assert active_policies(session) == (second,)
        assert policies_state(session) == "loaded"
        assert retire_policy(session, "production")
        assert not retire_policy(session, "production")
        assert (policies_state(session), active_policies(session)) == ("removed", ())


def test_names_that_differ_by_case_are_different_rows(database: Database) -> None:
    with database.transaction() as session:
        activate_policy(session, "Production", "sha256:1", "one", origin="seed")
        activate_policy(session, "production", "sha256:2", "two", origin="seed")
        assert {policy.name for policy in active_policies(session)} == {"production", "Production"}


def test_every_change_of_policies_or_keys_advances_the_revision(database: Database) -> None:
    with database.transaction() as session:
        seen = [revision(session)]
        activate_policy(session, "p", "sha256:1", "one", origin="seed")
        seen.append(revision(session))
        add_key(session, StoredKey("ci", "check", "PEM"))
        seen.append(revision(session))
        revoke_key(session, "ci")
        seen.append(revision(session))
        retire_policy(session, "p")
        seen.append(revision(session))
    assert seen == sorted(set(seen))


def test_keys_are_added_changed_and_revoked_for_good(database: Database) -> None:
    ci = StoredKey("ci", "check", "PEM", ("fraud-*",), not_after=99)
    with database.transaction() as session:
        assert add_key(session, ci)
        assert not add_key(session, ci)
        assert add_key(session, replace(ci, models=("*",)))
        with pytest.raises(UsageError, match="another public key"):
            add_key(session, replace(ci, public_pem="OTHER"))
        assert revoke_key(session, "ci", since=40).stales(40)
        assert not revoke_key(session, "ci", since=60).stales(39)  # reaches no less far than before
        revoked = revoke_key(session, "ci", since=10)
        assert (revoked.stales(9), revoked.stales(10)) == (False, True)
        assert not add_key(session, replace(ci, models=("*",)))  # a folder may go on naming it
        with pytest.raises(UsageError, match="revoked"):
            add_key(session, ci)
        with pytest.raises(UnknownKeyError):
            revoke_key(session, "other")
        found = key(session, "ci")
        assert found is not None
        assert (found.models, found.not_after, found.revoked_since) == (("*",), 99, 10)


def test_overrides_end_and_are_taken_once(database: Database) -> None:
    granted = NewOverride(VERSION, "champion", "production", "outage", "{}", "sha256:o", "boss", 5, 100)
    with database.transaction() as session:
        stored = insert_override(session, granted)
        assert overrides_in_force(session, VERSION, 99) == (stored,)
        assert overrides_in_force(session, VERSION, 100) == ()
        assert overrides_in_force(session, replace(VERSION, creation_time=6), 99) == ()
    with pytest.raises(StaleDecisionError), database.transaction() as session:
        insert_override(session, granted)


def test_the_audit_trail_and_alias_history_come_back_newest_first(database: Database) -> None:
    held = AliasHeld(VERSION, "champion", (3, 4), "decision", 5, "ann")
    with database.transaction() as session:
        for number in range(3):
            entry = AuditEntry(
                number, "alias", allowed=False, message="no", name="fraud", workspace="default"
            )
            record_audit(session, entry)
        record_audit(session, AuditEntry(9, "key.add", allowed=True, message="ci"))
        record_alias(session, held)
        record_alias(session, replace(held, how="rollback", at=6))
        found = audit_trail(session, workspace="default", name="fraud")
        assert [entry.at for entry in found] == [2, 1, 0]
        assert len(audit_trail(session)) == 4
        aliases = aliases_held(session, VERSION, "champion")
        assert [(alias.how, alias.decisions) for alias in aliases] == [
            ("rollback", (3, 4)),
            ("decision", (3, 4)),
        ]
        assert aliases_held(session, VERSION, "challenger") == ()


ROOT = "1/r/artifacts/Modèle"
FILES = (RecordedFile("MLmodel", 10, "e1"), RecordedFile("data/model.pth", None))


def recorded(subject: VersionKey = VERSION, root: str = ROOT) -> RecordedRoot:
    return RecordedRoot(subject, root, FILES, complete=True, recorded_at=4)


@pytest.mark.parametrize(
    ("path", "above", "below"),
    [
        (ROOT, True, False),
        (f"{ROOT}/MLmodel", True, False),
        (f"/1//r/./artifacts/{ROOT[-6:]}/data/new", True, False),
        ("1/R/artifacts/mod\u0065\u0300le/x", True, False),  # as a file system without case may read it
        (f"{ROOT}2/MLmodel", False, False),
        ("1/r/artifacts", False, True),
        ("1/r", False, True),
        ("", False, True),
        ("1/r/art", False, False),
        ("1/r%", False, False),
        ("1/_", False, False),
        ("2/r/artifacts", False, False),
    ],
)
def test_whose_files_a_path_touches(database: Database, path: str, above: bool, below: bool) -> None:
    with database.transaction() as session:
        put_root(session, recorded())
        assert owners_above(session, [path]) == ((VERSION,) if above else ())
        assert owners_below(session, path) == ((VERSION,) if below else ())


def test_files_stay_protected_until_every_version_that_has_them_is_gone(database: Database) -> None:
    copy = VersionKey("default", "copy", 1, 7)
    with database.transaction() as session:
        for subject in (VERSION, copy):
            put_root(session, recorded(subject))
        put_root(session, recorded(copy))  # decided again
        assert recorded_artifacts(session, copy) == recorded(copy)
        assert set(owners_above(session, [ROOT])) == {VERSION, copy}
        assert release_artifacts(session, VERSION)
        assert not release_artifacts(session, VERSION)
        assert owners_above(session, [ROOT]) == (copy,)
        rename_artifacts(session, "default", "copy", "other")
        assert release_model(session, "default", "copy") == 0
        assert release_model(session, "default", "other") == 1
        assert owners_above(session, [ROOT]) == ()
