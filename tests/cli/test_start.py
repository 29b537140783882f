"""What the command costs before it does anything, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gate.cli.main import run
from tests.cli.command import environment, gate
from tests.models import fetch

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


IDLE = {"pydantic", "jinja2", "rich", "mlflow", "onnx", "safetensors", "scipy", "importlib.metadata"} | {
    f"gate.{name}"
    for name in ("cli.check", "policy", "registry.facade", "report.html", "report.text", "weights.live")
}
"""What ``gate analyze`` has no use for, if the model is on disk and the report a table."""


@pytest.mark.parametrize(
    ("package", "version", "file", "others"),
    [
        ("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k.safetensors", {"onnx", "pytorch"}),
        ("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx", {"pytorch", "keras"}),
        ("silero-vad", "6.2.0", "silero_vad/data/silero_vad.jit", {"onnx.parse", "onnx.walk", "keras"}),
    ],
)
def test_analyze_loads_only_what_it_needs(package: str, version: str, file: str, others: set[str]) -> None:
    path = fetch(package, version, file)
    idle = IDLE | {f"gate.weights.{name}" for name in others}
    code = (
        "import sys\nfrom gate.cli.main import run\n"
        f"assert run(['analyze', {str(path)!r}, '--format', 'csv', '--no-cache', '--jobs', '1']) == 0\n"
        f"print(*sorted({idle!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert "name" in done.stdout.splitlines()[0].split(",")
    assert done.stderr.split() == []


def test_a_command_imports_no_other() -> None:
    code = (
        "import sys\nfrom gate.cli.main import run\nrun(['keys', '--help'])\n"
        "print(*sorted(name for name in sys.modules if name.startswith('gate.cli.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = {"commands", "console", "keys", "main", "options"}
    assert set(done.stderr.split()) == {f"gate.cli.{name}" for name in own}


def test_a_shell_is_offered_every_command_whatever_the_words() -> None:
    changes = {"_GATE_COMPLETE": "complete_bash", "COMP_WORDS": "gate ", "COMP_CWORD": "1"}
    offered = gate("analyze", changes=changes).stdout.split()
    assert {"analyze", "check", "demo", "policy", "keys", "db"} <= set(offered)


def test_a_typing_error_is_compared_with_every_command() -> None:
    done = gate("analyse")
    assert done.returncode == 2
    assert "'analyze'" in done.stderr


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
