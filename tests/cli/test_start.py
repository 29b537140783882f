"""What the command costs before it does anything, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gate.cli.main import run
from tests.cli.command import gate

ROOMS = ["weights", "spectra", "policy", "report", "study", "analysis", "cli", "workflow", "registry"]
HEAVY = {"mlflow", "torch", "tensorflow", "matplotlib", "transformers", "onnx", "onnxruntime", "scipy"}


OWN = {"study": {"scipy"}}
"""What a room is made of and only verbs that need the room import."""


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_without_frameworks(room: str) -> None:
    heavy = HEAVY - OWN.get(room, set())
    code = f"import sys, gate.{room}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_loads_no_room_at_all() -> None:
    """``gate --help`` has to answer in under 0.3 s; what could make it slow is named here."""
    code = (
        "import sys\nfrom gate.cli.main import run\nrun(['--help'])\n"
        "slow = {'numpy', 'pydantic', 'rich', 'jinja2', 'mlflow'}\n"
        "print(*sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: gate" in done.stdout
    assert done.stderr.split() == []


def test_version() -> None:
    assert gate("--version").stdout.startswith("mlflow-spectral-gate ")


def test_a_crash_never_looks_like_a_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_arguments: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("gate.workflow.doctor.examine", crash)
    assert run(["doctor"]) == 3
    told = capsys.readouterr().err
    assert "a fault of ours" in told
    assert "GATE_DEBUG" in told


def test_out_of_memory_is_not_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("gate.workflow.doctor.examine", exhausted)
    assert run(["doctor"]) == 3
