"""Workflow commands, read back as GitHub's runner reads them."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from gate.errors import UsageError
from gate.report import render_analysis, render_verdict
from tests.report import samples
from tests.report.test_formats import verdicts

if TYPE_CHECKING:
    from gate.policy.interface import Severity, Verdict

KNOWN = {"error", "warning", "notice"}
Command = tuple[str, dict[str, str], str]


def parse(line: str) -> Command | None:
    """ActionCommand.TryParseV2 of actions/runner, and its older form, which has no use here."""
    line = line.strip()
    assert "##[" not in line
    if not line.startswith("::"):
        return None
    head, separator, data = line[2:].partition("::")
    assert separator
    name, _, rest = head.partition(" ")
    pairs = [pair.strip().partition("=") for pair in rest.split(",") if pair.strip()]
    return name, {key: unescape(value, ":,") for key, _, value in pairs}, unescape(data, "")


def unescape(text: str, properties: str) -> str:
    for character in f"\r\n{properties}%":
        text = text.replace(f"%{ord(character):02X}", character)
    return text


def commands(verdict: Verdict) -> list[Command]:
    lines = re.split(r"\r\n|\r|\n", render_verdict(verdict, "github").rstrip("\n"))
    found = [parse(line) for line in lines]
    assert found[:2] == [None, None]
    assert None not in found[2:]
    return [command for command in found if command is not None]


def test_annotations_stand_at_the_policys_line() -> None:
    found = {properties["title"]: (name, properties) for name, properties, _ in commands(samples.blocked())}
    name, properties = found["production: no-layer-lost"]
    assert name == "error"
    assert (properties["file"], properties["line"]) == ("policies/production.yaml", "31")
    assert found["production: alphahat-not-worse"][0] == "warning"
    assert found["security: no-extra-bytes"][0] == "notice"
    assert len(found) == 5


def test_a_pass_annotates_nothing() -> None:
    assert commands(samples.passed()) == []
    assert render_verdict(samples.passed(), "github").startswith("gate: Passed: models:/fraud-encoder/3\n")


def test_audit_mode_gives_notices() -> None:
    assert {name for name, _, _ in commands(samples.blocked("audit"))} == {"notice"}


@pytest.mark.parametrize(("severity", "name"), [("block", "error"), ("warn", "warning"), ("info", "notice")])
@pytest.mark.parametrize("number", [10, 11, 40])
def test_githubs_limit_of_ten_a_level_is_kept_and_said(severity: Severity, name: str, number: int) -> None:
    verdict = samples.blocked()
    rules = tuple(
        dataclasses.replace(verdict.rules[0], id=f"rule-{index}", severity=severity)
        for index in range(number)
    )
    found = commands(
        dataclasses.replace(verdict, outcome="passed", rules=rules, policies=verdict.policies[1:])
    )
    assert [command for command, _, _ in found] == [name] * 10
    if number > 10:
        assert found[-1][2].startswith(f"{number - 9} more rules: rule-9, rule-10")


def test_hostile_names_stay_inside_their_command() -> None:
    found = commands(samples.hostile())
    assert {name for name, _, _ in found} <= KNOWN
    assert {frozenset(properties) for _, properties, _ in found} <= {
        frozenset({"file", "line", "title"}),
        frozenset({"title"}),
    }


@pytest.mark.parametrize("uri", ["##[add-mask]e", "::stop-commands::x", "a\n::error::b", "x,title=y:: %0A"])
def test_no_name_becomes_a_command(uri: str) -> None:
    verdict = samples.blocked()
    assert verdict.analysis is not None
    source = dataclasses.replace(verdict.analysis.source, uri=uri)
    policies = tuple(dataclasses.replace(policy, file=f"{uri}.yaml") for policy in verdict.policies)
    changed = dataclasses.replace(
        verdict, analysis=dataclasses.replace(verdict.analysis, source=source), policies=policies
    )
    found = commands(changed)
    assert len(found) == 5
    shown = uri.replace("##[", "## [")
    assert all(properties["file"].replace("\\n", "\n") == f"{shown}.yaml" for _, properties, _ in found)
    assert all(shown in message.replace("\\n", "\n") for _, _, message in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(verdict=verdicts())
def test_any_verdict_gives_only_annotations(verdict: Verdict) -> None:
    assert {name for name, _, _ in commands(verdict)} <= KNOWN


def test_an_analysis_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="github shows what a policy decided"):
        render_analysis(samples.transformer(), "github")
