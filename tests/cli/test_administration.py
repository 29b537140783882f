"""``gate db``, ``gate policy push`` and ``gate keys`` as an operator runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.cli.main import run
from gate.registry.attestation.documents import trusted_key_document
from gate.registry.attestation.keys import load_trusted_keys, new_key
from gate.registry.enforcement.tables import audit_trail, open_database

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cr3t-pass"  # noqa: S105 - looked for in what is printed


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = f"gate:sqlite:///{tmp_path / 'registry.db'}"
    monkeypatch.setenv("GATE_DATABASE", uri)
    assert run(["db", "upgrade"]) == 0
    return uri


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_db_upgrade_makes_the_tables_once_and_check_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    assert run(["db", "upgrade", uri, "--check"]) == 3
    assert "gate db upgrade" in capsys.readouterr().err
    assert run(["db", "upgrade", f"gate:{uri}"]) == 0
    assert lines(capsys)[0].startswith(f"{uri}: none -> ")
    assert run(["db", "upgrade", uri, "--check"]) == 0


def test_pushed_policies_come_into_force_and_only_words_take_them_out(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["policy", "push", "default", "strict"]) == 0
    assert [line.split()[0] for line in lines(capsys)] == ["default", "strict"]
    assert run(["policy", "push", "default"]) == 0
    assert len(lines(capsys)) == 2
    assert run(["policy", "push", "--remove", "strict"]) == 0
    assert [line.split()[0] for line in lines(capsys)] == ["default"]
    assert run(["policy", "push", "llm", "--replace", "--database", database]) == 0
    assert [line.split()[0] for line in lines(capsys)] == ["llm"]
    with open_database(database).transaction() as session:
        actions = [(entry.action, entry.policy) for entry in audit_trail(session)]
    assert actions == [
        ("policy.activate", "llm"),
        ("policy.remove", "default"),
        ("policy.remove", "strict"),
        ("policy.activate", "strict"),
        ("policy.activate", "default"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--replace"], ["default", "--remove", "default"], ["--remove", "none"], ["default", "BAD"]],
)
def test_a_push_that_makes_no_sense_changes_nothing(
    database: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["policy", "push", "strict"]) == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nname: bad\n")
    given = [str(bad) if word == "BAD" else word for word in arguments]
    assert run(["policy", "push", *given]) == 2
    capsys.readouterr()
    assert run(["policy", "push", "strict"]) == 0
    assert [line.split()[0] for line in lines(capsys)] == ["strict"]


def test_keys_are_added_listed_shown_and_revoked(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted = new_key("check", ["fraud-*"]).trusted
    document = tmp_path / "ci.yaml"
    document.write_text(trusted_key_document(trusted))
    capsys.readouterr()
    assert run(["keys", "list"]) == 0
    assert lines(capsys) == []
    assert run(["keys", "add", str(document)]) == 0
    assert lines(capsys) == [f"trusted: {trusted.id}"]
    assert run(["keys", "show", trusted.id]) == 0
    shown = tmp_path / "shown.yaml"
    shown.write_text(capsys.readouterr().out)
    assert load_trusted_keys(shown) == (trusted,)
    assert run(["keys", "revoke", trusted.id, "--since", "7"]) == 0
    assert lines(capsys) == [f"revoked: {trusted.id}, since decision 7"]
    assert run(["keys", "list", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(key["id"], key["state"], key["revoked_since"]) for key in listed] == [(trusted.id, "revoked", 7)]
    changed = trusted_key_document(trusted).replace("fraud-*", "*")
    document.write_text(changed)
    assert run(["keys", "add", str(document)]) == 2  # a revoked key does not come back
    assert "stays so" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["show", "none"], ["revoke", "none"]])
def test_an_unknown_key_is_a_mistake_of_the_operator(database: str, words: list[str]) -> None:
    assert run(["keys", *words]) == 2


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        (f"postgresql+psycopg2://user:{SECRET}@127.0.0.1:1/registry", 3),
        (f"gate:mysql+pymysql://user:{SECRET}@127.0.0.1:1/registry", 3),
        (f"postgresql+psycopg2://127.0.0.1:1/registry?password={SECRET}", 3),
        (f"oracle://user:{SECRET}@host/registry", 2),
        (f"user:{SECRET}@host", 2),
    ],
)
@pytest.mark.parametrize("words", [["db", "upgrade"], ["keys", "list", "--database"]])
def test_no_message_holds_a_password(
    uri: str, code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, uri]) == code
    out, err = capsys.readouterr()
    assert err
    assert SECRET not in out + err


def test_a_database_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GATE_DATABASE", raising=False)
    assert run(["keys", "list"]) == 2
    assert "GATE_DATABASE" in capsys.readouterr().err
