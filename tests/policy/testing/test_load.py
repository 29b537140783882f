"""Test files: what they may say, and where their mistakes stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.policy import InvalidPolicyError
from gate.policy.testing import parse_tests
from gate.registry.enforcement.tables.policy_files import folder_of_policies

if TYPE_CHECKING:
    from pathlib import Path

CASE = (
    "version: 1\ncases:\n  - name: a case\n    model: {layers: [{name: fc}]}\n    expect: {outcome: passed}\n"
)


def test_a_case_is_read_whole() -> None:
    text = """\
version: 1
policy: ../production.yaml
cases:
  - name: everything
    model: {file: models/a.onnx}
    baseline: {saved: before.json}
    baselines: {"version:1": {layers: [{name: fc, repeat: 2, alpha: null}]}}
    registered: fraud
    run_metrics: {acc: 1}
    waivers: [{rule: r, expires: 2026-01-01}]
    now: 2025-12-31T12:00:00Z
    expect: {outcome: blocked, rules: {r: waived}, layers: {s: [fc.0]}}
"""
    tests = parse_tests(text, "t/any.yaml")
    (case,) = tests.cases
    assert (tests.policy, case.line, case.registered) == ("../production.yaml", 4, "fraud")
    assert case.model.file == "models/a.onnx"
    assert case.baseline is not None
    assert case.baseline.saved == "before.json"
    assert case.baselines["version:1"].layers == ({"name": "fc", "repeat": 2, "alpha": None},)
    assert case.run_metrics == {"acc": 1.0}
    assert (case.expect.outcome, case.expect.rules, case.expect.layers) == (
        "blocked",
        {"r": "waived"},
        {"s": ("fc.0",)},
    )
    assert case.now is not None
    assert case.waivers[0].expires is not None
    assert (case.waivers[0].expires - case.now).total_seconds() == 12 * 3600


@pytest.mark.parametrize(
    ("file", "policy"), [("p/x.test.yaml", "x.yaml"), ("x.test.yml", "x.yml"), ("a.b.test.yaml", "a.b.yaml")]
)
def test_the_name_says_which_policy_it_is_about(file: str, policy: str) -> None:
    assert parse_tests(CASE, file).policy == policy


def test_a_folder_of_policies_in_force_leaves_their_tests_out_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.yaml", "a.test.yaml", "lonely.test.yaml", ".test.yaml"):
        (tmp_path / name).write_text("version: 1\n", encoding="utf-8")
    # Without lonely.yaml it may be a policy by an unlucky name, and one that is overlooked enforces nothing.
    assert [path.name for path in folder_of_policies(tmp_path)] == ["a.yaml", "lonely.test.yaml"]


def _model(text: str) -> str:
    return CASE.replace("{layers: [{name: fc}]}", text)


CASES = (
    ("no policy", CASE, "tests.yaml", "1:1", "nothing says which policy"),
    ("no cases", "version: 1\ncases: []\n", "x.test.yaml", "2:8", "empty"),
    ("unknown key", CASE + "    expects: 1\n", "x.test.yaml", "6:5", "did you mean 'expect'?"),
    (
        "no model",
        CASE.replace("    model: {layers: [{name: fc}]}\n", ""),
        "x.test.yaml",
        "3:5",
        "a case needs",
    ),
    ("no source", _model("{}"), "x.test.yaml", "4:12", "no source of the model"),
    ("two sources", _model("{file: a, saved: b}"), "x.test.yaml", "4:12", "two sources: file and saved"),
    ("coverage alone", _model("{file: a, coverage: 0.5}"), "x.test.yaml", "4:22", "goes with 'layers'"),
    ("a uri", _model("{file: 'models:/a/1'}"), "x.test.yaml", "4:19", "relative to this file"),
    ("metric", _model("{layers: [{name: fc, alhpa: 3}]}"), "x.test.yaml", "4:33", "did you mean 'alpha'?"),
    ("kind", _model("{layers: [{name: fc, kind: danse}]}"), "x.test.yaml", "4:39", "did you mean 'dense'?"),
    (
        "model metric",
        _model("{layers: [{name: f}], metrics: {a: 1}}"),
        "x.test.yaml",
        "4:44",
        "does not know 'a'",
    ),
    (
        "in baselines",
        CASE + "    baselines: {previous: {layer: []}}\n",
        "x.test.yaml",
        "6:28",
        "mean 'layers'?",
    ),
    ("spec", CASE + "    baselines: {champion: {layers: [{name: f}]}}\n", "x.test.yaml", "6:17", "champion"),
    ("outcome", CASE.replace("passed", "pass"), "x.test.yaml", "5:23", "did you mean 'passed'?"),
    ("nothing", CASE.replace("{outcome: passed}", "{rules: {}}"), "x.test.yaml", "5:13", "expects nothing"),
    ("twice", CASE + CASE[18:], "x.test.yaml", "6:11", "stands twice (the first is on line 3)"),
)


@pytest.mark.parametrize(
    ("text", "file", "place", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_mistake_is_told_with_its_place(text: str, file: str, place: str, message: str) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_tests(text, file)
    (told,) = [str(problem) for problem in caught.value.problems]
    assert told.startswith(f"{file}:{place}:"), told
    assert message in told
