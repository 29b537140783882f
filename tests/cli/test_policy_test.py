"""``gate policy test`` as an author of policies uses it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.command import gate

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
version: 1
name: mine
baseline: {use: [alias:champion], when_missing: pass}
rules:
  - {id: low, description: alpha is low, metric: layer.alpha, at_most: 4, where: {min_eigenvalues: 5}}
  - {id: fit, description: no worse, metric: model.alpha, against: baseline, max_increase: {absolute: 0.1}}
  - {id: acc, description: good, metric: run.metrics.acc, at_least: 0.9, severity: warn}
"""
TESTS = """\
version: 1
cases:
  - name: good enough
    model: {layers: [{name: a, repeat: 6}]}
    run_metrics: {acc: 0.95}
    expect: {outcome: passed, rules: {low: passed, fit: not_applicable}}
  - name: too high
    model: {layers: [{name: a, repeat: 5}, {name: b, alpha: 5}]}
    run_metrics: {acc: 0.95}
    expect: {outcome: blocked, layers: {low: [b]}}
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "mine.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "p" / "mine.test.yaml").write_text(TESTS, encoding="utf-8")
    return tmp_path


def rewrite(work: Path, old: str, new: str) -> None:
    file = work / "p" / "mine.test.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("named", [(), ("p",), ("p/mine.yaml",), ("p/mine.test.yaml", "p")])
def test_tests_are_found_by_file_policy_and_folder(work: Path, named: tuple[str, ...]) -> None:
    done = gate("policy", "test", *named, folder=work)
    assert done.returncode == 0, done.stderr
    assert "2 cases, all as expected" in done.stdout
    assert "no case names: acc" in done.stdout


def test_what_differs_is_said_with_the_place_and_the_reason(work: Path) -> None:
    rewrite(work, "{name: b, alpha: 5}", "{name: b, alpha: 3}, {name: c, alpha: 4.5}")
    rewrite(work, "{outcome: passed, rules", "{outcome: warned, rules")
    done = gate("policy", "test", folder=work)
    assert done.returncode == 1
    for line in (
        "✖ good enough  (p/mine.test.yaml:3)",
        "outcome: expected warned, got passed",
        "✖ too high  (p/mine.test.yaml:7)",
        "layers of low: expected b, got c",
        "missing: b; not expected: c",
        "2 cases, 2 failed",
    ):
        assert line in done.stdout
    report = json.loads(gate("policy", "test", "--format", "json", folder=work).stdout)
    assert report["schema"] == "gate/policy-test/1"
    (file,) = report["files"]
    assert [(case["name"], case["outcome"], len(case["differences"])) for case in file["cases"]] == [
        ("good enough", "passed", 1),
        ("too high", "blocked", 1),
    ]
    assert gate("policy", "test", "-f", "junit", "-o", "out.xml", folder=work).returncode == 1
    suite = ET.parse(work / "out.xml").getroot()[0]  # noqa: S314 - our own output
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert "expected b, got c" in ET.tostring(suite, encoding="unicode")


def test_models_are_measured_and_saved_analyses_read(work: Path) -> None:
    weights = np.random.default_rng(0).standard_normal((60, 40)).astype(np.float32)
    save_file({"fc.weight": weights}, work / "p" / "m.safetensors")
    saved = gate("analyze", "p/m.safetensors", "--format", "json", "-o", "p/m.json", folder=work)
    assert saved.returncode == 0
    alpha = json.loads((work / "p" / "m.json").read_text(encoding="utf-8"))["model"]["alpha"]
    outcome = "passed" if alpha <= 4 else "failed"
    for model in ("{file: m.safetensors}", "{saved: m.json}"):
        (work / "p" / "mine.test.yaml").write_text(
            "version: 1\ncases:\n  - name: real\n"
            f"    model: {model}\n    baseline: {{file: m.safetensors}}\n"
            f"    expect: {{rules: {{low: {outcome}, fit: passed}}}}\n",
            encoding="utf-8",
        )
        done = gate("policy", "test", folder=work)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "rules: {low",
            "rules: {lwo",
            "p/mine.test.yaml:3:1: case 'good enough' expects something of rule 'lwo'",
        ),
        ("{layers: [{name: a, repeat: 6}]}", "{file: none.onnx}", "p/none.onnx does not exist"),
        ("{layers: [{name: a, repeat: 6}]}", "{saved: mine.yaml}", "not JSON"),
        ("version: 1", "version: 2", "mine.test.yaml:1:10: version 2"),
        ("version: 1", "version: 1\npolicy: no.yaml", "no.yaml: the file does not exist"),
    ],
)
def test_what_is_not_valid_is_usage(work: Path, old: str, new: str, said: str) -> None:
    rewrite(work, old, new)
    done = gate("policy", "test", folder=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("none",), "has no tests"), (("-f", "html"), "no format 'html'"), (("empty",), "no test file found")],
)
def test_nothing_to_run_is_usage(work: Path, arguments: tuple[str, ...], said: str) -> None:
    (work / "empty").mkdir()
    done = gate("policy", "test", *arguments, folder=work)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_packaged_policies_pass_their_own_tests_and_every_rule_is_tested() -> None:
    done = gate("policy", "test", "default", "strict", "llm", "--format", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert [file["policy"] for file in report["files"]] == ["default", "strict", "llm"]
    assert {rule for file in report["files"] for rule in file["untested_rules"]} == set()
