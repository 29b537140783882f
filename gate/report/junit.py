"""JUnit XML for the test tab of a CI system: a suite per policy, a case per rule.

A case fails exactly when it refuses: a failed rule of severity ``block`` is a failure, an
inconclusive one an error.  What refuses nothing (warnings, waivers, anything in audit mode) is
*skipped* with its message, the one state besides these two that CI systems show without turning
the job red; its details stand in ``system-out``.  A policy that refuses for a reason no rule gives
(coverage, an unreadable model) gets a case of its own, so that no refusal looks green.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.report import outline
from gate.report.figures import count, figure
from gate.report.findings import refuses, verdict_only
from gate.text import printable

if TYPE_CHECKING:
    from junitparser import TestCase, TestSuite

    from gate.analysis.interface import Analysis
    from gate.policy.interface import PolicyResult, RuleResult, Verdict

SHOWN_LAYERS: Final = 50
"""Layers named per rule; the rest are counted."""


@dataclass(frozen=True, slots=True)
class JunitFormat:
    """JUnit XML."""

    name: str = "junit"
    suffix: str = ".xml"

    def verdict(self, verdict: Verdict) -> str:
        """Render the rules of every policy as test cases."""
        from junitparser import JUnitXml  # noqa: PLC0415 - 20 ms that other formats do not need

        document: Any = JUnitXml("gate")  # Any: half of its methods are untyped
        for policy in verdict.policies:
            document.add_testsuite(_suite(policy, verdict))
        if not verdict.policies or outline.unexplained(verdict):
            document.add_testsuite(_bare_suite(verdict))
        document.update_statistics()
        written: bytes = document.tostring()
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{written.decode()}\n'

    def analysis(self, analysis: Analysis) -> str:  # noqa: ARG002 - the interface's signature
        """Refuse: without a policy there is nothing to pass or fail.

        Raises
        ------
        gate.errors.UsageError
            Always.
        """
        raise verdict_only(self.name)


def _suite(policy: PolicyResult, verdict: Verdict) -> TestSuite:
    from junitparser import TestSuite  # noqa: PLC0415 - as above

    suite = TestSuite(printable(policy.name))
    suite.add_property("outcome", policy.outcome)
    suite.add_property("mode", policy.mode)
    suite.add_property("digest", printable(policy.digest))
    suite.add_property("model", outline.subject(verdict))
    rules = [rule for rule in outline.ordered_rules(verdict) if rule.policy == policy.name]
    suite.add_testcases([_case(rule, policy) for rule in rules])
    if policy.outcome in outline.REFUSING and not any(refuses(rule) for rule in rules):
        suite.add_testcase(_policy_case(policy, verdict.error))
    return suite


def _case(rule: RuleResult, policy: PolicyResult) -> TestCase:
    from junitparser import Error, Failure, Skipped, TestCase  # noqa: PLC0415 - as above

    case = TestCase(printable(rule.id), classname=printable(policy.name))
    if rule.outcome == "passed":
        return case
    said = printable(rule.message or rule.description, 600)
    if not refuses(rule):
        case.result = [Skipped(f"{_soft_word(rule)}: {said}")]
    elif policy.mode == "audit":
        case.result = [Skipped(f"AUDIT MODE, would be refused if enforced: {said}")]
    elif rule.outcome == "failed":
        case.result = [Failure(said, "block")]
    else:
        case.result = [Error(said, "inconclusive")]
    case.system_out = _details(rule)
    return case


def _soft_word(rule: RuleResult) -> str:
    """Name a state that refuses nothing."""
    if rule.outcome == "failed":
        return "warning" if rule.severity == "warn" else "information"
    return rule.outcome.replace("_", " ")


def _policy_case(policy: PolicyResult, error: str | None) -> TestCase:
    """Return the case of a policy that refuses though none of its rules does."""
    from junitparser import Error, Failure, Skipped, TestCase  # noqa: PLC0415 - as above

    case = TestCase("policy", classname=printable(policy.name))
    reason = policy.message or error or f"the policy's outcome is {policy.outcome}"
    said = printable(reason, 600)
    if policy.mode == "audit" and policy.outcome != "error":
        case.result = [Skipped(f"AUDIT MODE, would be refused if enforced: {said}")]
    elif policy.outcome == "blocked":
        case.result = [Failure(said, "block")]
    else:
        case.result = [Error(said, policy.outcome)]
    return case


def _bare_suite(verdict: Verdict) -> TestSuite:
    """Return the suite of a verdict that no policy took part in, or whose refusal none of them explains."""
    from junitparser import Error, TestCase, TestSuite  # noqa: PLC0415 - as above

    suite = TestSuite("gate")
    case = TestCase("model", classname="gate")
    if said := outline.unexplained(verdict):
        case.result = [Error(said, verdict.outcome)]
    suite.add_testcase(case)
    return suite


def _details(rule: RuleResult) -> str:
    """Return description, figures and the layers that counted, a line each."""
    lines = [printable(rule.description, 600)] if rule.description else []
    lines += [f"{word}: {said}" for word, said in outline.rule_facts(rule)]
    if rule.waiver:
        lines.append(f"waiver: {printable(rule.waiver, 600)}")
    layers = outline.worst_layers(rule)
    lines += [f"{printable(layer.name)}: {figure(layer.value)}" for layer in layers[:SHOWN_LAYERS]]
    if len(layers) > SHOWN_LAYERS:
        lines.append(f"and {count(len(layers) - SHOWN_LAYERS, 'more layer')}")
    return "\n".join(lines)
