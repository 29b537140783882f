"""JUnit XML: what CI shows red is what refuses, and nothing else."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from gate.errors import UsageError
from gate.policy.interface import Mode, Outcome, PolicyResult, RuleOutcome, RuleResult, Severity, Verdict
from gate.report import render_analysis, render_verdict
from tests.report import samples

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "property": set(),
    "testcase": {"skipped", "failure", "error", "system-out"},
    "skipped": set(),
    "failure": set(),
    "error": set(),
    "system-out": set(),
}
REQUIRED = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "property": {"name", "value"},
    "testcase": {"name", "classname"},
    "skipped": {"message"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
}


def check(element: ET.Element) -> None:
    """The structure of the JUnit schema that Jenkins and GitLab read."""
    assert REQUIRED.get(element.tag, set()) <= set(element.attrib)
    for child in element:
        assert child.tag in CHILDREN[element.tag]
        check(child)


@pytest.mark.parametrize("sample", samples.VERDICTS)
def test_structure_and_counts(sample: str) -> None:
    text = render_verdict(samples.VERDICTS[sample](), "junit")
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = ET.fromstring(text)  # noqa: S314 - our own output
    check(root)
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == sum(case.find(tag) is not None for case in cases)
    assert int(root.attrib["tests"]) == len(root.findall(".//testcase"))


def test_a_suite_per_policy_and_a_case_per_rule() -> None:
    suites = {
        suite.name: suite
        for suite in JUnitXml.fromstring(render_verdict(samples.blocked(), "junit").encode())
    }
    assert set(suites) == {"production", "security"}
    found = {case.name: [type(result) for result in case.result] for case in suites["production"]}
    assert found == {
        "layer-alpha-in-range": [Failure],
        "no-layer-lost": [Failure],
        "alphahat-not-worse": [Skipped],
        "log-norm-stable": [Skipped],
        "embedding-alpha": [Skipped],
        "no-unsafe-files": [],
    }
    (waived,) = suites["security"]
    assert waived.result[0].message.startswith("waived: ")
    assert "until 2027-01-31" in waived.system_out


@pytest.mark.parametrize("severity", ["block", "warn", "info"])
@pytest.mark.parametrize("outcome", ["passed", "failed", "waived", "not_applicable", "inconclusive"])
@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_red_exactly_when_the_rule_refuses(severity: Severity, outcome: RuleOutcome, mode: Mode) -> None:
    refuses = severity == "block" and outcome in ("failed", "inconclusive")
    policy_outcome: Outcome = "passed"
    if refuses:
        policy_outcome = "blocked" if outcome == "failed" else "inconclusive"
    rule = RuleResult("p", "r", severity, outcome, "said", "m", "limit")
    verdict = Verdict(policy_outcome, (PolicyResult("p", "", "", mode, policy_outcome),), (), (rule,), None)
    (suite,) = JUnitXml.fromstring(render_verdict(verdict, "junit").encode())
    (case,) = suite
    red = [result for result in case.result if isinstance(result, (Failure, Error))]
    assert bool(red) == (refuses and mode == "enforce")
    if refuses and mode == "audit":
        assert case.result[0].message.startswith("AUDIT MODE")
    assert (case.result == []) == (outcome == "passed")


@pytest.mark.parametrize(
    ("outcome", "kind"), [("blocked", Failure), ("inconclusive", Error), ("error", Error)]
)
def test_a_refusal_no_rule_explains_is_red_too(outcome: Outcome, kind: type) -> None:
    policy = PolicyResult("p", "", "", "enforce", outcome, "coverage is below the minimum")
    verdict = dataclasses.replace(samples.passed(), outcome=outcome, policies=(policy,), rules=())
    (suite,) = JUnitXml.fromstring(render_verdict(verdict, "junit").encode())
    (case,) = suite
    assert isinstance(case.result[0], kind)
    assert case.result[0].message == "coverage is below the minimum"


def test_without_a_policy_an_error_is_red() -> None:
    verdict = dataclasses.replace(samples.unreadable(), policies=())
    (suite,) = JUnitXml.fromstring(render_verdict(verdict, "junit").encode())
    (case,) = suite
    assert isinstance(case.result[0], Error)
    assert "claims" in case.result[0].message


def test_an_analysis_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="decides nothing"):
        render_analysis(samples.transformer(), "junit")
