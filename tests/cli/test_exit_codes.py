"""Each exit code, produced by a real case."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gate.workflow.demo import damaged_copy
from tests.cli.command import GATE, environment, gate
from tests.mlflow_server import free_port
from tests.models import fetch


@pytest.fixture(scope="module")
def silero() -> Path:
    return fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")


@pytest.fixture(scope="module")
def damaged(silero: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return damaged_copy(silero, tmp_path_factory.mktemp("damaged") / "model.onnx")[0]


def test_a_sound_model_passes(silero: Path) -> None:
    done = gate("check", silero, "--format", "json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["schema"] == "gate/verdict/1"
    assert verdict["outcome"] in {"passed", "warned"}
    assert verdict["analysis"]["coverage"]["analyzed_layers"] == 16


def test_a_damaged_model_is_blocked_and_says_where(silero: Path, damaged: Path) -> None:
    done = gate("check", damaged, "--baseline", silero)
    assert done.returncode == 1, done.stderr
    assert "BLOCKED" in done.stdout
    assert "not-random" in done.stdout
    assert "no-layer-lost" in done.stdout
    assert "else_branch.decoder.rnn.weight_ih[input]" in done.stdout


def test_audit_mode_says_what_it_would_refuse_and_refuses_nothing(damaged: Path, tmp_path: Path) -> None:
    policy = tmp_path / "audit.yaml"
    policy.write_text(
        "version: 1\nname: trial\nmode: audit\nrules:\n  - id: not-random\n"
        "    description: Nothing random\n    metric: layer.phase\n    not_in: [random-like]\n"
    )
    done = gate("check", damaged, "--policy", policy)
    assert done.returncode == 0, done.stderr
    assert "BLOCKED" in done.stdout
    assert "audit" in done.stdout.lower()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "SOURCE"),
        (["check", "model.onnx", "--no-such-flag"], "no-such-flag"),
        (["check", "nowhere.onnx"], "nowhere.onnx"),
        (["analyze", "nowhere.onnx", "--format", "pdf"], "pdf"),
        (["check", "nowhere.onnx", "--fail-on", "never"], "never"),
        (["check", "nowhere.onnx", "--format", "json", "--format", "text"], "stdout"),
        (["check", "gs://bucket/model"], "gs://bucket/model"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = gate(*arguments, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_bad_policy_names_file_line_column_and_the_fix(silero: Path, tmp_path: Path) -> None:
    policy = tmp_path / "bad.yaml"
    policy.write_text(
        "version: 1\nname: bad\nrules:\n  - id: one\n    description: d\n"
        "    metric: layer.alpha\n    at_mots: 6\n"
    )
    done = gate("check", silero, "--policy", policy)
    assert done.returncode == 2
    assert f"{policy}:7:5" in done.stderr
    assert "at_most" in done.stderr


def test_an_unreadable_model_is_not_a_refusal(silero: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(silero.read_bytes()[:100_000])
    done = gate("check", cut)
    assert done.returncode == 3
    assert "cut.onnx" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_dead_registry_is_not_a_refusal() -> None:
    started = time.monotonic()
    address = f"http://127.0.0.1:{free_port()}"
    done = gate("check", "models:/fraud/3", "--tracking-uri", address)
    assert done.returncode == 3, done.stderr
    assert address in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 60


def test_a_model_without_matrices_is_inconclusive(tmp_path: Path) -> None:
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    bias = onnx.numpy_helper.from_array(np.ones(4, np.float32), "bias")
    graph = helper.make_graph([helper.make_node("Add", ["x", "bias"], ["y"])], "add", [shape], [out], [bias])
    path = tmp_path / "add.onnx"
    onnx.save(helper.make_model(graph), path)
    assert gate("check", path).returncode == 4
    assert gate("analyze", path).returncode == 4


def test_fail_on_warn_turns_warnings_into_a_refusal(silero: Path) -> None:
    verdict = json.loads(gate("check", silero, "--format", "json").stdout)
    done = gate("check", silero, "--fail-on", "warn")
    assert done.returncode == (1 if verdict["outcome"] == "warned" else 0)


def _wait_until_mapped(pid: int, file: Path) -> None:
    """Wait until the process is in the middle of measuring: it has the model mapped (as Linux tells)."""
    maps = Path(f"/proc/{pid}/maps")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and maps.parent.is_dir() and str(file) not in maps.read_text():
        time.sleep(0.02)
    time.sleep(0.2 if maps.parent.is_dir() else 5.0)


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_interruption_has_its_own_code_and_leaves_nothing(
    number: signal.Signals, code: int, word: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    model = tmp_path / "large.safetensors"
    from safetensors.numpy import save_file  # noqa: PLC0415

    save_file({f"layers.{i}.weight": rng.standard_normal((3000, 3000), np.float32) for i in range(6)}, model)
    output = tmp_path / "out.json"
    process = subprocess.Popen(
        [*GATE, "check", str(model), "--format", "json", "-o", str(output)],
        env=environment({"TMPDIR": str(tmp_path)}),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    _wait_until_mapped(process.pid, model)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "Traceback" not in told
    assert f"gate: {word}; nothing half-written is left behind" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.safetensors"]
