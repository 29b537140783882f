"""SARIF: valid by the standard's own schema, and safe in viewers that make links of brackets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft4Validator

from gate.errors import UsageError
from gate.policy.interface import PolicyResult, RuleLayer, Verdict
from gate.report import render_analysis, render_verdict
from gate.report.sarif import MAX_RESULTS
from tests.report import samples
from tests.report.test_formats import verdicts

SCHEMA = Path(__file__).parent.parent / "data" / "sarif-2.1.0-rtm.5.schema.json"
VALIDATOR = Draft4Validator(json.loads(SCHEMA.read_text()), format_checker=Draft4Validator.FORMAT_CHECKER)


def run_of(verdict: Verdict) -> dict[str, Any]:
    log = json.loads(render_verdict(verdict, "sarif"))
    VALIDATOR.validate(log)
    (run,) = log["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return dict(run)


@pytest.mark.parametrize("sample", samples.VERDICTS)
def test_samples_are_valid(sample: str) -> None:
    run_of(samples.VERDICTS[sample]())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(verdict=verdicts())
def test_any_verdict_is_valid(verdict: Verdict) -> None:
    run_of(verdict)


def test_failing_layers_are_results_at_the_policys_line() -> None:
    run = run_of(samples.blocked())
    lost = [result for result in run["results"] if result["ruleId"] == "production/no-layer-lost"]
    assert {r["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for r in lost} == set(
        samples.DAMAGED
    )
    for result in lost:
        physical = result["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"] == {"uri": "policies/production.yaml", "uriBaseId": "%SRCROOT%"}
        assert physical["region"]["startLine"] == 31
        assert result["level"] == "error"
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["production/alphahat-not-worse"] == "warning"
    (waived,) = (result for result in run["results"] if result["ruleId"] == "security/no-extra-bytes")
    assert waived["level"] == "note"
    assert waived["suppressions"][0]["justification"] == "padding of the exporter; until 2027-01-31"


def test_every_rule_carries_help_and_the_address_of_its_theory() -> None:
    rules = {rule["id"]: rule for rule in run_of(samples.blocked())["tool"]["driver"]["rules"]}
    assert len(rules) == len(samples.blocked().rules)
    for rule in rules.values():
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
    assert rules["production/layer-alpha-in-range"]["helpUri"] == "https://arxiv.org/abs/2106.00734"
    assert "within 2 to 6" in rules["production/layer-alpha-in-range"]["help"]["text"]


def test_an_unreadable_model_is_a_failed_invocation_with_a_result() -> None:
    run = run_of(samples.unreadable())
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "claims" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    (result,) = run["results"]
    assert result["level"] == "error"


def test_audit_mode_gives_notes() -> None:
    verdict = samples.blocked("audit")
    levels = {r["level"] for r in run_of(verdict)["results"] if r["ruleId"].startswith("production/")}
    assert levels == {"note"}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("./policies/a b.yaml", {"uri": "policies/a%20b.yaml", "uriBaseId": "%SRCROOT%"}),
        ("/opt/gate/policies/default.yaml", {"uri": "file:///opt/gate/policies/default.yaml"}),
        ("javascript:alert(1)", {"uri": "javascript%3Aalert%281%29", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_policy_files_are_uris(file: str, expected: dict[str, str]) -> None:
    policy = PolicyResult("p", "", file, "enforce", "blocked", "said")
    verdict = dataclasses.replace(samples.passed(), outcome="blocked", policies=(policy,), rules=())
    (result,) = run_of(verdict)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == expected


def test_no_name_makes_a_link_or_a_placeholder() -> None:
    text = render_verdict(samples.hostile(), "sarif")
    messages = [result["message"]["text"] for result in json.loads(text)["runs"][0]["results"]]
    assert any("] (https://example.org/evil)" in message for message in messages)
    assert not any("](" in message for message in messages)
    assert any("{{{{ 7 * 7 }}}}" in message for message in messages)


def test_more_results_than_github_shows_are_counted() -> None:
    verdict = samples.blocked()
    layers = tuple(RuleLayer(f"layer {index}", 9.0) for index in range(MAX_RESULTS + 7))
    rule = dataclasses.replace(verdict.rules[0], layers=layers)
    run = run_of(dataclasses.replace(verdict, rules=(rule,)))
    assert len(run["results"]) == MAX_RESULTS
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("7 results left out")


def test_an_analysis_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="sarif shows what a policy decided"):
        render_analysis(samples.transformer(), "sarif")
