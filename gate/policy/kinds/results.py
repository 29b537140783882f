"""Filling in what every rule result has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.policy.interface import RuleResult
from gate.policy.words import figure
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import RuleLayer, RuleOutcome, Value
    from gate.policy.kinds.interface import Evidence, Reference
    from gate.policy.rules import Rule


def result(
    rule: Rule,
    policy: str,
    outcome: RuleOutcome,
    message: str,
    *,
    brief: str = "",
    value: Value = None,
    baseline_value: Value = None,
    layers: tuple[RuleLayer, ...] = (),
    evaluated: int = 0,
    excluded: tuple[str, ...] = (),
) -> RuleResult:
    """Return what ``rule`` said, with its identity, limit and description."""
    return RuleResult(
        policy=policy,
        id=rule.id,
        severity=rule.severity,
        outcome=outcome,
        message=message,
        metric=rule.metric.id,
        limit=limit_words(rule),
        value=value,
        baseline_value=baseline_value,
        layers=layers,
        description=rule.description,
        evaluated=evaluated,
        excluded=excluded,
        line=rule.line,
        bounds=getattr(rule.operator, "bounds", None),
        brief=brief,
    )


def limit_words(rule: Rule) -> str:
    """Return the limit and what is allowed beyond it."""
    allowed = rule.allow.words()
    return f"{rule.operator.words()} ({allowed})" if allowed else rule.operator.words()


def asked(rule: Rule) -> str:
    """Return ``layer.alpha within 2 to 6``."""
    return f"{printable(rule.metric.id)} {rule.operator.words()}"


def reference_words(reference: Reference | None) -> str:
    """Return which baseline it was, for a message."""
    if reference is None:
        return ""
    spec, uri = reference.baseline.spec, reference.baseline.uri
    named = printable(spec) + (f" = {printable(uri)}" if uri and uri != spec else "")
    return f", against {named}"


def scalar(
    rule: Rule,
    evidence: Evidence,
    *,
    passed: bool,
    value: Value,
    baseline_value: Value = None,
    note: str = "",
) -> RuleResult:
    """Return the result of a rule about one figure of the model."""
    held = "" if passed else " fails"
    versus = "" if baseline_value is None else f", was {figure(baseline_value)}"
    where = reference_words(evidence.reference) if rule.operator.compares else ""
    message = f"{figure(value)}{versus}{held}: {asked(rule)}{where}{note}"
    outcome: RuleOutcome = "passed" if passed else "failed"
    return result(rule, evidence.policy, outcome, message, value=value, baseline_value=baseline_value)
