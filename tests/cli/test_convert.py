"""``gate convert``: any format from a saved verdict, byte for byte what the check itself writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

import pytest

from gate.report import FormatName, get_format
from gate.workflow.demo import damaged_copy
from tests.cli.command import GATE, environment, gate
from tests.models import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMES = get_args(FormatName)
ANALYSIS_NAMES = ("text", "json", "csv", "markdown", "html")


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Every format of one blocked check, written by the check itself."""
    folder = tmp_path_factory.mktemp("direct")
    sound = fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
    damaged = damaged_copy(sound, folder / "model.onnx")[0]
    files = {name: folder / f"report{get_format(name).suffix}" for name in NAMES}
    wanted = [word for name, path in files.items() for word in ("--format", name, "-o", str(path))]
    done = gate("check", damaged, "--baseline", sound, *wanted)
    assert done.returncode == 1, done.stderr
    return files


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_verdict_converts_byte_for_byte(
    direct: Mapping[str, Path], name: FormatName, tmp_path: Path
) -> None:
    output = tmp_path / "converted"
    done = gate("convert", direct["json"], "--format", name, "-o", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert output.read_bytes() == direct[name].read_bytes()


def test_a_saved_analysis_converts_byte_for_byte_from_stdin(tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415

    sound = fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
    saved = gate("analyze", sound, "--format", "json").stdout
    for name in ANALYSIS_NAMES:
        wanted, output = tmp_path / f"wanted.{name}", tmp_path / f"found.{name}"
        assert gate("analyze", sound, "--format", name, "-o", wanted).returncode == 0
        subprocess.run(
            [*GATE, "convert", "-", "--format", name, "-o", str(output)],
            input=saved.encode(),
            env=environment(),
            check=True,
        )
        assert output.read_bytes() == wanted.read_bytes(), name


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ANALYSIS_NAMES)))
def test_an_analysis_has_no_decision_to_show(name: str, tmp_path: Path) -> None:
    saved = tmp_path / "analysis.json"
    sound = fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
    assert gate("analyze", sound, "--format", "json", "-o", saved).returncode == 0
    done = gate("convert", saved, "--format", name)
    assert done.returncode == 2
    assert f"{name} shows what a policy decided" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"schema": "gate/verdict/99"}', "gate/verdict/99"),
        (b'{"schema": ["gate/verdict/1"]}', "schema"),
        (b'{"schema": "gate/verdict/1", "outcome": NaN}', "not JSON"),
        (b'{"schema": "gate/verdict/1", "outcome": "passed"}', "not valid"),
        (b'{"schema": "gate/analysis/1", "layers": 1' + b"0" * 3000 + b"}", "integer"),
    ],
)
def test_hostile_files_are_usage_errors(content: bytes, said: str, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    saved.write_bytes(content)
    done = gate("convert", saved, "--format", "html")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_unknown_outcome_counts_as_blocked(direct: Mapping[str, Path], tmp_path: Path) -> None:
    verdict = json.loads(direct["json"].read_text())
    verdict["outcome"] = "splendid"
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(verdict))
    assert "gate: Blocked: " in gate("convert", saved, "--format", "github").stdout


@pytest.mark.parametrize(
    "arguments", [["nowhere.json"], ["."], ["nowhere.json", "--format", "pdf"], [], ["a.json", "b.json"]]
)
def test_usage_errors(arguments: list[str], tmp_path: Path) -> None:
    done = gate("convert", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
