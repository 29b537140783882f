from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from gate.cli.main import run
from gate.errors import UsageError
from gate.policy import load_policies
from gate.registry.attestation.envelope import open_envelope, sign
from gate.registry.attestation.keys import load_signing_key, load_trusted_keys
from gate.workflow.init import initialize, next_steps
from tests.registry.attestation.samples import STATEMENT

if TYPE_CHECKING:
    from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_what_it_makes_works_together(tmp_path: Path) -> None:
    done = initialize(tmp_path / "new" / "config", ("check", "override"), ("fraud-*",))
    trusted = load_trusted_keys(done.trusted)
    assert {(key.role, key.models) for key in trusted} == {
        ("check", ("fraud-*",)),
        ("override", ("fraud-*",)),
    }
    key = load_signing_key({"GATE_SIGNING_KEY_FILE": str(done.private / "check.pem")})
    assert key is not None
    assert open_envelope(sign(STATEMENT, key), trusted).key_id == done.keys[0].id
    assert load_policies(sorted(done.policies.glob("*.yaml")))[0].name == "default"
    assert "/private/" in (done.directory / ".gitignore").read_text()
    assert stat.S_IMODE((done.private / "check.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(done.private.stat().st_mode) == 0o700
    assert f"GATE_TRUSTED_KEYS={done.trusted}" in next_steps(done)


def test_running_again_changes_nothing(tmp_path: Path) -> None:
    initialize(tmp_path)
    before = contents(tmp_path)
    again = initialize(tmp_path)
    assert again.written == ()
    assert set(again.kept) == set(before)
    assert contents(tmp_path) == before


def test_what_was_cut_off_is_completed_with_the_same_key(tmp_path: Path) -> None:
    first = initialize(tmp_path)
    (first.trusted / "check.yaml").unlink()
    (first.policies / "default.yaml").unlink()
    again = initialize(tmp_path)
    assert set(again.written) == {"keys/check.yaml", "policies/default.yaml"}
    assert again.keys == first.keys


def test_a_private_half_that_went_into_a_secret_store_is_not_made_anew(tmp_path: Path) -> None:
    first = initialize(tmp_path)
    (first.private / "check.pem").unlink()
    again = initialize(tmp_path)
    assert (again.written, again.keys) == ((), first.keys)


def test_nothing_half_written_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", broken)
    with pytest.raises(UsageError, match="No space left"):
        initialize(tmp_path)
    assert contents(tmp_path) == {}


def test_a_passphrase_locks_the_private_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_SIGNING_KEY_PASSPHRASE", "correct horse")
    done = initialize(tmp_path)
    file = str(done.private / "check.pem")
    assert b"ENCRYPTED" in (done.private / "check.pem").read_bytes()
    with pytest.raises(UsageError, match="locked"):
        load_signing_key({"GATE_SIGNING_KEY_FILE": file})
    assert load_signing_key({"GATE_SIGNING_KEY_FILE": file, "GATE_SIGNING_KEY_PASSPHRASE": "correct horse"})


def test_a_file_in_the_way_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    assert run(["init", "--directory", str(tmp_path / "config")]) == 2


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "-d", str(tmp_path), "--role", "waive"]) == 0
    said = capsys.readouterr()
    assert "mlflow server" in said.out
    assert "wrote" in said.err
    private = (tmp_path / "private" / "waive.pem").read_text().splitlines()[1]
    assert private not in said.out + said.err
