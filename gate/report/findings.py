"""What a verdict complains of, one finding at a time: what sarif, github and gitlab are made of.

A finding is a rule that did not simply pass, or one layer that counted against it, at the rule's line
of the policy file.  What refuses nothing never looks as if it did: a finding of a policy in audit mode,
a waived one and one of severity ``info`` are notes.  A policy that refuses or warns for a reason that no
rule gives (coverage, an unreadable model) gets a finding of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gate.errors import UsageError
from gate.report import outline
from gate.report.figures import figure, known
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.policy.interface import PolicyResult, RuleLayer, RuleOutcome, RuleResult, Severity, Verdict

Level = Literal["error", "warning", "note"]

LONGEST_MESSAGE: Final = 1_000
POLICY_RULE: Final = "policy"
"""Id of the finding that stands for a whole policy."""

LEVEL: Final[dict[Severity, Level]] = {"block": "error", "warn": "warning", "info": "note"}
_COMPLAINS: Final[frozenset[RuleOutcome]] = frozenset({"failed", "inconclusive", "waived"})
_VERSION: Final = re.compile(r"(models:/[^@]*?)(?:/\d+|@.*)")
_IDENTITY: Final = re.compile(r"(models:/m-|runs:/)[^/]*(.*)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint; every text in it is printable.

    ``policy`` and ``rule`` name the rule, ``layer`` the layer where the finding is about one.  ``file``
    and ``line`` are the place in the policy, None where it is not known.  ``fingerprint`` is the same for
    the same complaint about another version of the same model.
    """

    policy: str
    rule: str
    level: Level
    message: str
    file: str | None
    line: int | None
    layer: str | None
    fingerprint: str
    waiver: str | None = None


@dataclass(frozen=True, slots=True)
class _Complaint:
    """A finding before its fingerprint."""

    policy: str
    rule: str
    level: Level
    message: str
    file: str | None
    line: int | None
    layer: str | None = None
    waiver: str | None = None


def rule_findings(verdict: Verdict) -> tuple[Finding, ...]:
    """Return one finding per rule that complains, what blocks first."""
    return _finished(verdict, (_of_rule(verdict, rule) for rule in _complaining(verdict)))


def layer_findings(verdict: Verdict) -> tuple[Finding, ...]:
    """Return one finding per failing layer, and one per complaining rule that names none."""
    return _finished(
        verdict, (complaint for rule in _complaining(verdict) for complaint in _of_layers(verdict, rule))
    )


def verdict_only(name: str) -> UsageError:
    """Return the error of a format that has nothing to say of an analysis."""
    return UsageError(
        f"{name} shows what a policy decided; an analysis alone decides nothing",
        hint=f"use gate check --format {name}, or gate analyze with text, json, csv, markdown or html",
    )


def model_key(verdict: Verdict) -> str:
    """Name the model without what changes from version to version; printable."""
    uri = printable(verdict.analysis.source.uri if verdict.analysis else "", None)
    if versioned := _VERSION.fullmatch(uri):
        return versioned.group(1)
    found = _IDENTITY.fullmatch(uri)
    return f"{found.group(1)}{found.group(2)}" if found else uri


def refuses(rule: RuleResult) -> bool:
    """Tell whether the rule refuses a promotion, were its policy enforced."""
    return rule.severity == "block" and rule.outcome in ("failed", "inconclusive")


def _complaining(verdict: Verdict) -> Iterator[RuleResult]:
    return (rule for rule in outline.ordered_rules(verdict) if rule.outcome in _COMPLAINS)


def _finished(verdict: Verdict, complaints: Iterator[_Complaint]) -> tuple[Finding, ...]:
    """Add the policies' own findings, and to each its fingerprint; equal ones are counted apart."""
    key, seen = model_key(verdict), Counter[tuple[str, str, str]]()
    found = []
    for said in (*_of_policies(verdict), *complaints):
        identity = (said.policy, said.rule, said.layer or "")
        seen[identity] += 1
        digest = hashlib.sha256("\n".join((*identity, key, str(seen[identity]))).encode()).hexdigest()
        found.append(
            Finding(
                said.policy, said.rule, said.level, said.message, said.file, said.line, said.layer, digest,
                said.waiver,
            )
        )  # fmt: skip
    return tuple(found)


def _policy_of(verdict: Verdict, name: str) -> PolicyResult | None:
    return next((policy for policy in verdict.policies if policy.name == name), None)


def _of_policies(verdict: Verdict) -> Iterator[_Complaint]:
    """Yield the complaints of policies whose outcome no rule of theirs explains."""
    for policy in verdict.policies:
        rules = [rule for rule in verdict.rules if rule.policy == policy.name]
        if policy.outcome in outline.REFUSING:
            told = any(refuses(rule) for rule in rules)
        else:
            told = policy.outcome == "passed" or any(rule.outcome in _COMPLAINS for rule in rules)
        if not told:
            yield _of_policy(verdict, policy)
    said = outline.unexplained(verdict)
    if said is None and not verdict.policies and verdict.outcome != "passed":
        said = printable(verdict.error or "no policy decided", LONGEST_MESSAGE)
    if said is not None:
        yield _Complaint("gate", POLICY_RULE, "error", said, None, None)


def _of_policy(verdict: Verdict, policy: PolicyResult) -> _Complaint:
    audited = policy.mode == "audit" and policy.outcome != "error"
    level: Level = "error" if policy.outcome in outline.REFUSING else "warning"
    reason = policy.message or verdict.error or f"the policy's outcome is {policy.outcome}"
    said = f"{outline.subject(verdict)}: {outline.OUTCOME_WORD[policy.outcome].lower()}. {reason}"
    return _Complaint(
        printable(policy.name), POLICY_RULE, "note" if audited else level,
        _message(said, policy if audited else None), _file(policy), 1,
    )  # fmt: skip


def _of_rule(verdict: Verdict, rule: RuleResult) -> _Complaint:
    return _complaint(verdict, rule, f"{outline.subject(verdict)}: {rule.message or rule.description}", None)


def _of_layers(verdict: Verdict, rule: RuleResult) -> Iterator[_Complaint]:
    if not rule.layers or rule.outcome == "inconclusive":
        yield _of_rule(verdict, rule)
        return
    for layer in outline.worst_layers(rule):
        said = f"{printable(layer.name)}: {_figures(rule, layer)}"
        said += f". {rule.description} [{outline.subject(verdict)}]" if rule.description else ""
        yield _complaint(verdict, rule, said, layer)


def _figures(rule: RuleResult, layer: RuleLayer) -> str:
    said = f"{printable(rule.metric)} is {figure(layer.value)}"
    if known(layer.baseline_value):
        said += f", was {figure(layer.baseline_value)}"
    said += f"; asked is: {printable(rule.limit)}"
    return said + (f" ({printable(layer.why)})" if layer.why else "")


def _complaint(verdict: Verdict, rule: RuleResult, said: str, layer: RuleLayer | None) -> _Complaint:
    policy = _policy_of(verdict, rule.policy)
    audited = policy if policy is not None and policy.mode == "audit" and refuses(rule) else None
    waived = rule.outcome == "waived"
    quiet = waived or (policy is not None and policy.mode == "audit")
    prefix = "WAIVED: " if waived else "INCONCLUSIVE: " if rule.outcome == "inconclusive" else ""
    return _Complaint(
        printable(rule.policy),
        printable(rule.id),
        "note" if quiet else LEVEL[rule.severity],
        _message(f"{prefix}{said}", audited),
        _file(policy),
        rule.line,
        printable(layer.name, None) if layer else None,
        printable(rule.waiver or "no reason given", LONGEST_MESSAGE) if waived else None,
    )


def _message(said: str, audited: PolicyResult | None) -> str:
    loud = "AUDIT MODE, would be refused if enforced: " if audited else ""
    return printable(f"{loud}{said}", LONGEST_MESSAGE)


def _file(policy: PolicyResult | None) -> str | None:
    return printable(policy.file, None) if policy is not None and policy.file else None
