"""Findings: what refuses nothing is a note, nothing that refuses is silent, fingerprints outlive versions."""

from __future__ import annotations

import dataclasses
from itertools import product
from typing import get_args

import pytest

from gate.policy.interface import Mode, Outcome, PolicyResult, RuleOutcome, RuleResult, Severity, Verdict
from gate.report.findings import layer_findings, model_key, rule_findings
from tests.report import samples


def with_uri(verdict: Verdict, uri: str) -> Verdict:
    assert verdict.analysis is not None
    source = dataclasses.replace(verdict.analysis.source, uri=uri)
    return dataclasses.replace(verdict, analysis=dataclasses.replace(verdict.analysis, source=source))


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("models:/fraud-encoder/4", "models:/fraud-encoder"),
        ("models:/fraud-encoder@champion", "models:/fraud-encoder"),
        ("models:/m-fraud/4", "models:/m-fraud"),
        ("models:/a name/12", "models:/a name"),
        ("models:/m-0123456789abcdef", "models:/m-"),
        ("runs:/0123abcd/model/onnx", "runs://model/onnx"),
        ("exports/model.onnx", "exports/model.onnx"),
        ("exports/v4", "exports/v4"),
    ],
)
def test_a_model_is_the_same_from_version_to_version(uri: str, key: str) -> None:
    assert model_key(with_uri(samples.blocked(), uri)) == key


def test_fingerprints_hold_over_versions_and_differ_between_models_rules_and_layers() -> None:
    def prints(uri: str) -> list[str]:
        return [finding.fingerprint for finding in layer_findings(with_uri(samples.blocked(), uri))]

    first = prints("models:/fraud/4")
    assert first == prints("models:/fraud/5")
    assert len(set(first)) == len(first) >= 4
    assert not set(first) & set(prints("models:/other/4"))


def test_equal_findings_have_fingerprints_of_their_own() -> None:
    verdict = samples.blocked()
    twice = dataclasses.replace(verdict, rules=(*verdict.rules, *verdict.rules))
    prints = [finding.fingerprint for finding in layer_findings(twice)]
    assert len(set(prints)) == len(prints) == 2 * len(layer_findings(verdict))


def test_one_finding_per_failing_layer_at_the_rules_line() -> None:
    found = [finding for finding in layer_findings(samples.blocked()) if finding.rule == "no-layer-lost"]
    assert {finding.layer for finding in found} == set(samples.DAMAGED)
    for finding in found:
        assert (finding.level, finding.file, finding.line) == ("error", "policies/production.yaml", 31)
        assert finding.message.startswith(
            f"{finding.layer}: layer.phase is random-like, was bulk-decay; "
            "asked is: may not become random-like, rank-collapse (became random-like)"
        )


@pytest.mark.parametrize(
    ("severity", "outcome", "mode"), list(product(get_args(Severity), get_args(RuleOutcome), get_args(Mode)))
)
def test_levels_by_severity_and_quiet_where_nothing_is_refused(
    severity: Severity, outcome: RuleOutcome, mode: Mode
) -> None:
    refuses = severity == "block" and outcome in ("failed", "inconclusive")
    of_policy: Outcome = "passed"
    if refuses:
        of_policy = "blocked" if outcome == "failed" else "inconclusive"
    rule = RuleResult("p", "r", severity, outcome, "said", "m", "limit", line=7)
    policy = PolicyResult("p", "", "p.yaml", mode, of_policy)
    found = rule_findings(Verdict(of_policy, (policy,), (), (rule,), None))
    if outcome in ("passed", "not_applicable"):
        assert found == ()
        return
    (finding,) = found
    loud = {"block": "error", "warn": "warning", "info": "note"}[severity]
    assert finding.level == ("note" if mode == "audit" or outcome == "waived" else loud)
    assert finding.message.startswith("AUDIT MODE, would be refused") == (refuses and mode == "audit")
    assert ("INCONCLUSIVE" in finding.message) == (outcome == "inconclusive")
    assert (finding.waiver is not None) == (outcome == "waived")


@pytest.mark.parametrize("outcome", ["warned", "blocked", "inconclusive", "error"])
@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_policy_that_no_rule_explains_speaks_for_itself(outcome: Outcome, mode: Mode) -> None:
    policy = PolicyResult("p", "", "p.yaml", mode, outcome, "coverage is below the minimum")
    verdict = dataclasses.replace(samples.passed(), outcome=outcome, policies=(policy,), rules=())
    (finding,) = rule_findings(verdict)
    assert "coverage is below the minimum" in finding.message
    assert (finding.rule, finding.file, finding.line) == ("policy", "p.yaml", 1)
    quiet = mode == "audit" and outcome != "error"
    assert finding.level == ("note" if quiet else "warning" if outcome == "warned" else "error")


def test_without_a_policy_a_refusal_is_still_said() -> None:
    (finding,) = rule_findings(dataclasses.replace(samples.unreadable(), policies=()))
    assert finding.level == "error"
    assert finding.file is None
    assert "claims" in finding.message


def test_what_passed_says_nothing() -> None:
    assert rule_findings(samples.passed()) == layer_findings(samples.passed()) == ()
