"""The script that every CI template runs: its files, its exit codes, and what hostile values do to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.ci.conftest import SCRIPT, Models, ci_environment
from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

REPORTS = {
    "verdict.json",
    "report.txt",
    "report.html",
    "summary.md",
    "junit.xml",
    "gate.sarif",
    "codequality.json",
    "annotations.txt",
    "gate.log",
    "outcome.env",
}
GITHUB = {"GITHUB_ACTIONS": "true"}
AZURE = {"TF_BUILD": "True"}


def run(folder: Path, changes: Mapping[str, str], shell: str = "sh") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, str(SCRIPT)],
        cwd=folder,
        env=ci_environment(changes),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def outcome(folder: Path) -> dict[str, str]:
    lines = (folder / "gate-report" / "outcome.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_pass_writes_every_report(models: Models, tmp_path: Path, shell: str) -> None:
    done = run(tmp_path, {"GATE_CI_SOURCE": str(models.sound)}, shell)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "gate-report").iterdir()} == REPORTS
    verdict = json.loads((tmp_path / "gate-report" / "verdict.json").read_text())
    assert outcome(tmp_path) == {"GATE_OUTCOME": verdict["outcome"], "GATE_EXIT_CODE": "0"}
    assert done.stdout == (tmp_path / "gate-report" / "report.txt").read_text()


def test_on_github_a_refusal_annotates_summarises_and_sets_outputs(models: Models, tmp_path: Path) -> None:
    summary, output = tmp_path / "summary", tmp_path / "output"
    summary.write_text("what an earlier step wrote\n")
    done = run(
        tmp_path,
        {
            **GITHUB,
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_OUTPUT": str(output),
            "GATE_CI_SOURCE": str(models.damaged),
            "GATE_CI_BASELINES": f"none-such.onnx\n{models.sound}",
            "GATE_CI_POLICIES": "default, strict",
            "GATE_CI_REPORTS": "out/gate",
        },
    )
    assert done.returncode == 2, "a baseline that does not exist is a mistake"
    assert "none-such.onnx" in done.stderr
    assert outcome_of(output) == {"outcome": "error", "exit-code": "2", "reports": "out/gate"}
    changes = {
        **GITHUB,
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_OUTPUT": str(output),
        "GATE_CI_SOURCE": str(models.damaged),
        "GATE_CI_BASELINES": f" {models.sound} ",
        "GATE_CI_POLICIES": "default, strict",
        "GATE_CI_REPORTS": "out/gate",
    }
    done = run(tmp_path, changes)
    assert done.returncode == 1, done.stderr
    assert outcome_of(output) == {"outcome": "blocked", "exit-code": "1", "reports": "out/gate"}
    assert summary.read_text().startswith("what an earlier step wrote\n")
    assert "✖ Blocked" in summary.read_text()
    verdict = json.loads((tmp_path / "out" / "gate" / "verdict.json").read_text())
    assert [policy["name"] for policy in verdict["policies"]] == ["default", "strict"]
    errors = [line for line in done.stdout.splitlines() if line.startswith("::error ")]
    assert any("title=default%3A no-layer-lost::" in line for line in errors)


def outcome_of(output: Path) -> dict[str, str]:
    """The last value of each output, as GitHub takes it."""
    return dict(line.split("=", 1) for line in output.read_text().splitlines())


def test_on_azure_the_summary_is_uploaded_and_the_outcome_set(models: Models, tmp_path: Path) -> None:
    done = run(tmp_path, {**AZURE, "GATE_CI_SOURCE": str(models.sound)})
    assert done.returncode == 0, done.stderr
    commands = [line for line in done.stdout.splitlines() if "##" in line]
    assert commands == [
        f"##vso[task.setvariable variable=outcome;isOutput=true]{outcome(tmp_path)['GATE_OUTCOME']}",
        f"##vso[task.uploadsummary]{tmp_path}/gate-report/summary.md",
    ]


def test_a_dead_registry_is_exit_3_and_no_stale_report_stays(tmp_path: Path) -> None:
    (tmp_path / "gate-report").mkdir()
    for name in REPORTS:
        (tmp_path / "gate-report" / name).write_text(' "outcome": "passed",\n')
    address = f"http://127.0.0.1:{free_port()}"
    done = run(tmp_path, {**GITHUB, "GATE_CI_SOURCE": "models:/fraud/3", "MLFLOW_TRACKING_URI": address})
    assert done.returncode == 3
    assert address in done.stderr
    assert outcome(tmp_path) == {"GATE_OUTCOME": "error", "GATE_EXIT_CODE": "3"}
    assert {path.name for path in (tmp_path / "gate-report").iterdir()} == {
        "gate.log",
        "outcome.env",
        "summary.md",
        "annotations.txt",
    }
    assert done.stdout.startswith("::error title=spectral gate::")


def test_a_pass_that_could_not_be_recorded_is_no_pass(tmp_path: Path) -> None:
    stub = tmp_path / "bin" / "gate"
    stub.parent.mkdir()
    stub.write_text(
        "#!/bin/sh\nfor word; do case $word in *verdict.json) "
        'printf \'{\\n "outcome": "passed",\\n\' > "$word";; *.txt|*.md) : > "$word";; esac; done\nexit 3\n'
    )
    stub.chmod(0o755)
    path = ci_environment({})["PATH"]
    done = run(tmp_path, {"GATE_CI_SOURCE": "models:/fraud/3", "PATH": f"{stub.parent}:{path}"})
    assert done.returncode == 3, done.stderr
    assert outcome(tmp_path) == {"GATE_OUTCOME": "error", "GATE_EXIT_CODE": "3"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"GATE_CI_SOURCE": ""},
        {"GATE_CI_SOURCE": "a\nb"},
        {"GATE_CI_SOURCE": "model.onnx", "GATE_CI_RECORD": "perhaps"},
        {"GATE_CI_SOURCE": "model.onnx", "GATE_CI_MLFLOW": "other"},
        {"GATE_CI_SOURCE": "model.onnx", "GATE_CI_FAIL_ON": "never"},
        {"GATE_CI_SOURCE": "model.onnx", "GATE_CI_REPORTS": "out\noutcome=passed"},
        {"GATE_CI_SOURCE": "--help"},
        {"GATE_CI_SOURCE": "model.onnx", "GATE_CI_REPORTS": "/dev/null/reports"},
    ],
)
def test_mistakes_are_exit_2(changes: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, changes)
    assert done.returncode == 2, done.stderr
    assert done.stderr


@pytest.mark.parametrize(
    "value", ["$(touch pwned)", "`touch pwned`", "; touch pwned", "' ; touch pwned ; '", "a\\b*?[c]"]
)
def test_no_value_is_evaluated(value: str, tmp_path: Path) -> None:
    for name in (
        "GATE_CI_SOURCE",
        "GATE_CI_POLICIES",
        "GATE_CI_BASELINES",
        "GATE_CI_FAIL_ON",
        "GATE_CI_REPORTS",
    ):
        done = run(tmp_path, {"GATE_CI_SOURCE": "nowhere.onnx", name: value})
        assert done.returncode == 2, (name, done.stderr)
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("ci", [GITHUB, AZURE])
def test_a_layer_name_gives_no_command_to_the_runner(ci: dict[str, str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [
        "::stop-commands::x",
        "###vso[task.setvariable variable=a]b",
        "##[add-mask]e",
        "##vso[task.complete]",
    ]
    save_file(
        {name: rng.standard_normal((60, 60), np.float32) for name in names}, tmp_path / "model.safetensors"
    )
    summary, output = tmp_path / "summary", tmp_path / "output"
    done = run(
        tmp_path,
        {
            **ci,
            "GATE_CI_SOURCE": "model.safetensors",
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_OUTPUT": str(output),
        },
    )
    assert done.returncode == 1, done.stderr
    printed = done.stdout + done.stderr
    assert "stop-commands" in printed
    ours = r"##vso\[task\.(setvariable variable=outcome;isOutput=true\]blocked|uploadsummary\]/)"
    for line in printed.splitlines():
        assert "##[" not in line
        if ci is AZURE and "##" in line:
            assert re.match(ours, line)
        if line.strip().startswith("::"):
            assert re.match(r"::(error|warning|notice) (file=[^:]*,)?(line=\d+,)?title=[^:]*::", line)


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([str(shellcheck), str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
