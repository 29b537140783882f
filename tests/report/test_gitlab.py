"""GitLab's code quality report: the fields it requires, and nothing it would show wrongly."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gate.errors import UsageError
from gate.policy.interface import RuleLayer, Verdict
from gate.report import render_analysis, render_verdict
from gate.report.gitlab import MAX_ENTRIES
from tests.report import samples
from tests.report.test_formats import verdicts


def entries(verdict: Verdict) -> list[dict[str, Any]]:
    """Parse and check what GitLab's documentation requires of each entry."""
    found = json.loads(render_verdict(verdict, "gitlab"))
    assert isinstance(found, list)
    for entry in found:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["description"]
        assert entry["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert set(entry["location"]) == {"path", "lines"}
        assert entry["location"]["path"]
        assert not entry["location"]["path"].startswith("./")
        assert entry["location"]["lines"]["begin"] >= 1
    prints = [entry["fingerprint"] for entry in found]
    assert len(set(prints)) == len(prints)
    return found


def test_an_entry_per_failing_layer_without_what_is_waived() -> None:
    found = entries(samples.blocked())
    lost = [entry for entry in found if entry["check_name"] == "production/no-layer-lost"]
    assert [entry["severity"] for entry in lost] == ["blocker", "blocker"]
    assert {entry["description"].partition(":")[0] for entry in lost} == set(samples.DAMAGED)
    assert lost[0]["location"] == {"path": "policies/production.yaml", "lines": {"begin": 31}}
    assert not any(entry["check_name"].startswith("security/") for entry in found)
    (warned,) = (entry for entry in found if entry["check_name"] == "production/alphahat-not-worse")
    assert warned["severity"] == "major"


def test_a_pass_is_an_empty_array() -> None:
    assert render_verdict(samples.passed(), "gitlab") == "[]\n"


def test_audit_mode_is_information() -> None:
    assert {entry["severity"] for entry in entries(samples.blocked("audit"))} == {"info"}


def test_leading_dots_are_taken_off_the_path() -> None:
    verdict = samples.blocked()
    policies = tuple(dataclasses.replace(policy, file=f"./{policy.file}") for policy in verdict.policies)
    changed = dataclasses.replace(verdict, policies=policies)
    assert entries(changed)[0]["location"]["path"] == "policies/production.yaml"


def test_more_than_the_limit_is_counted() -> None:
    verdict = samples.blocked()
    layers = tuple(RuleLayer(f"layer {index}", 9.0) for index in range(MAX_ENTRIES + 7))
    rule = dataclasses.replace(verdict.rules[0], layers=layers)
    found = entries(dataclasses.replace(verdict, rules=(rule,)))
    assert len(found) == MAX_ENTRIES
    assert "And 7 more findings left out" in found[-1]["description"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(verdict=verdicts())
def test_any_verdict_is_a_valid_report(verdict: Verdict) -> None:
    entries(verdict)


def test_an_analysis_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="gitlab shows what a policy decided"):
        render_analysis(samples.transformer(), "gitlab")
