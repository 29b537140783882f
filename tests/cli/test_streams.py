"""Streams that cannot be used: none of them turns an exit code into another decision."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from gate.cli.main import run
from tests.cli.command import GATE, environment, gate
from tests.cli.models import small_model

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="a device that is always full")
DECISIONS = pytest.mark.parametrize(("policy", "code"), [("passes", 0), ("blocks", 1)])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    small_model(folder)
    return folder


def _check(policy: str, *more: str) -> list[str]:
    return ["check", "model.safetensors", "--policy", f"{policy}.yaml", *more]


def _run(
    work: Path,
    arguments: list[str],
    *,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    redirect: str = "",
    changes: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command behind a shell, which can close streams: ``redirect`` is ``2>&-`` for instance."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", *GATE, *arguments],
        cwd=work,
        env=environment(changes),
        stdout=stdout,
        stderr=stderr,
        timeout=100,
        check=False,
    )


def _broken_pipe() -> IO[bytes]:
    """Return the writing end of a pipe whose reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb", buffering=0)


@DECISIONS
def test_a_closed_stderr_changes_no_decision(work: Path, policy: str, code: int) -> None:
    done = _run(work, _check(policy, "--format", "json"), redirect="2>&-")
    assert done.returncode == code
    assert json.loads(done.stdout)["rules"][0]["id"] == "few-layers"


@needs_full
@DECISIONS
def test_a_full_stderr_changes_no_decision(work: Path, policy: str, code: int) -> None:
    with FULL.open("wb") as full:
        done = _run(work, _check(policy, "--format", "json", "-o", "out.json"), stderr=full)
    assert done.returncode == code
    assert json.loads((work / "out.json").read_text())["rules"][0]["id"] == "few-layers"


@DECISIONS
def test_a_stderr_that_nobody_reads_changes_no_decision(work: Path, policy: str, code: int) -> None:
    with _broken_pipe() as pipe:
        assert _run(work, _check(policy), stderr=pipe).returncode == code


def test_a_mistake_is_a_mistake_on_any_stderr(work: Path) -> None:
    assert _run(work, ["check", "nowhere.onnx"], redirect="2>&-").returncode == 2
    with _broken_pipe() as pipe:
        assert _run(work, ["check", "nowhere.onnx"], stderr=pipe).returncode == 2
        assert _run(work, [], stderr=pipe).returncode == 2


@DECISIONS
@pytest.mark.parametrize("name", ["text", "json"])
def test_a_reader_that_left_changes_no_decision(work: Path, policy: str, code: int, name: str) -> None:
    with _broken_pipe() as pipe:
        done = _run(work, _check(policy, "--format", name), stdout=pipe)
    assert done.returncode == code, done.stderr
    assert b"cannot write stdout" in done.stderr
    assert f"its outcome is {'passed' if code == 0 else 'blocked'}".encode() in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_quiet_check_says_nothing_of_a_reader_that_left(work: Path) -> None:
    with _broken_pipe() as pipe:
        done = _run(work, _check("blocks", "-q"), stdout=pipe)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "model.safetensors"],
        ["policy", "validate", "passes.yaml"],
        ["policy", "schema"],
        ["--help"],
        ["--version"],
        ["check", "--help"],
    ],
)
def test_what_decides_nothing_fails_when_its_reader_left(work: Path, arguments: list[str]) -> None:
    with _broken_pipe() as pipe:
        done = _run(work, arguments, stdout=pipe)
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    with _broken_pipe() as pipe:
        assert _run(work, arguments, stdout=pipe, stderr=pipe).returncode == 3


@needs_full
@pytest.mark.parametrize("policy", ["passes", "blocks"])
@pytest.mark.parametrize("name", ["text", "json"])
def test_a_report_lost_on_a_full_disk_is_no_decision(work: Path, policy: str, name: str) -> None:
    with FULL.open("wb") as full:
        done = _run(work, _check(policy, "--format", name), stdout=full)
    assert done.returncode == 3
    told = done.stderr.decode()
    assert "cannot write stdout: No space left on device" in told
    assert "The model was judged" in told
    assert "nothing was recorded" in told
    assert "fault of the gate" not in told


def test_a_report_for_a_closed_stdout_is_no_decision(work: Path) -> None:
    done = _run(work, _check("passes"), redirect=">&-")
    assert done.returncode == 3
    assert b"cannot write stdout" in done.stderr
    assert b"fault of the gate" not in done.stderr
    files = [word for name in ("json", "csv") for word in ("--format", name, "-o", f"closed.{name}")]
    assert _run(work, _check("passes", *files), redirect="<&- >&-").returncode == 0
    assert json.loads((work / "closed.json").read_text())["outcome"] == "passed"


def test_one_output_that_is_lost_does_not_take_the_others_along(work: Path) -> None:
    arguments = _check("passes", "--format", "text", "-o", "-", "--format", "json", "-o", "kept.json")
    assert _run(work, arguments, redirect=">&-").returncode == 3
    assert json.loads((work / "kept.json").read_text())["outcome"] == "passed"


@pytest.mark.parametrize(
    "changes",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_text_goes_to_any_encoding_and_data_is_utf_8(work: Path, changes: Mapping[str, str]) -> None:
    text = _run(work, _check("blocks"), changes=changes)
    assert text.returncode == 1, text.stderr
    assert rb"\u2716 BLOCKED" in text.stdout
    assert _run(work, ["policy", "validate", "--help"], changes=changes).returncode == 0
    named = work / "modèle.safetensors"
    named.write_bytes((work / "model.safetensors").read_bytes())
    for command in ("check", "analyze"):
        data = _run(work, [command, named.name, "--format", "json"], changes={"PYTHONIOENCODING": "latin-1"})
        assert data.returncode == 0, data.stderr
        assert "modèle" in data.stdout.decode("utf-8")


@pytest.mark.parametrize("code", [0, 1, 2, "1"])
def test_a_library_that_ends_the_process_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, code: int | str
) -> None:
    def end(*_arguments: object) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("gate.workflow.doctor.examine", end)
    assert run(["doctor"]) == 3


def test_a_crash_that_is_traced_is_not_a_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_arguments: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("gate.workflow.doctor.examine", crash)
    monkeypatch.setenv("GATE_DEBUG", "1")
    assert run(["doctor"]) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["policy"], ["keys"], ["db"]])
def test_nothing_typed_is_answered_with_help_in_lines(words: list[str]) -> None:
    done = gate(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: gate")
    assert "\\n" not in done.stderr
    assert "\nCommands:\n" in done.stderr
