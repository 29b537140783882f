"""What every report says of a verdict, in one place: the order of rules, the headline, the notes.

Returns plain words and values; hostile names in them went through :func:`gate.text.printable`.
Escaping for a medium is the format's business.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report.figures import count, figure, finite, known, percent
from gate.text import printable

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.policy.interface import (
        HistoryPoint,
        Outcome,
        PolicyResult,
        RuleLayer,
        RuleOutcome,
        RuleResult,
        Severity,
        Verdict,
        WaiverState,
    )

_SHOWN_GLOBALS: Final = 10
REFUSING: Final[frozenset[Outcome]] = frozenset({"blocked", "inconclusive", "error"})
"""Outcomes that refuse a promotion."""

OUTCOME_WORD: Final[dict[Outcome, str]] = {
    "passed": "Passed",
    "warned": "Passed with warnings",
    "blocked": "Blocked",
    "inconclusive": "Inconclusive",
    "error": "Could not be judged",
}
OUTCOME_SIGN: Final[dict[Outcome, str]] = {
    "passed": "✔",
    "warned": "▲",
    "blocked": "✖",
    "inconclusive": "◆",
    "error": "✖",
}

_RULE_ORDER: Final[tuple[RuleOutcome, ...]] = ("failed", "inconclusive", "waived", "not_applicable", "passed")
_SEVERITY_ORDER: Final[tuple[Severity, ...]] = ("block", "warn", "info")

_WAIVER_ORDER: Final[tuple[WaiverState, ...]] = ("used", "expired", "unused")

MODEL_FIGURES: Final[tuple[tuple[str, str], ...]] = (
    ("alpha", "alpha, mean"),
    ("alpha_median", "alpha, median"),
    ("alpha_weighted", "AlphaHat (alpha weighted by log norm)"),
    ("ks_distance", "KS distance (quality of the fits)"),
    ("log_spectral_norm", "log spectral norm"),
    ("log_frobenius_norm", "log Frobenius norm"),
    ("log_alpha_schatten_norm", "log alpha-Schatten norm"),
    ("stable_rank", "stable rank"),
    ("mp_soft_rank", "Marchenko-Pastur soft rank"),
    ("correlation_traps", "correlation traps"),
    ("layers", "layers in the means"),
    ("excluded_layers", "layers left out of the means"),
)
"""Fields of the model summary that are shown, with their titles."""


@dataclass(frozen=True, slots=True)
class Change:
    """One model figure beside the baseline's; ``difference`` is None where one is missing."""

    title: str
    value: float | int | None
    baseline: float | None
    difference: float | None
    standard_error: float | None = None


def ordered_rules(verdict: Verdict) -> tuple[RuleResult, ...]:
    """Return the rules as people need them: what blocks first, what passed last."""
    return tuple(
        sorted(
            verdict.rules,
            key=lambda rule: (_RULE_ORDER.index(rule.outcome), _SEVERITY_ORDER.index(rule.severity)),
        )
    )


def rules_by(verdict: Verdict, outcome: RuleOutcome, *severities: Severity) -> tuple[RuleResult, ...]:
    """Return the rules with ``outcome`` and, when given, one of ``severities``."""
    return tuple(
        rule
        for rule in verdict.rules
        if rule.outcome == outcome and (not severities or rule.severity in severities)
    )


def worst_layers(rule: RuleResult) -> tuple[RuleLayer, ...]:
    """Return the layers that counted against a rule, the farthest from its limit or baseline first."""
    return tuple(sorted(rule.layers, key=lambda layer: -_distance(rule, layer)))


def _distance(rule: RuleResult, layer: RuleLayer) -> float:
    """Tell how far out a layer is; a value that is missing or no number counts as farthest."""
    value = finite(layer.value)
    if value is None:
        return math.inf
    if rule.bounds is not None:
        low, high = finite(rule.bounds[0]), finite(rule.bounds[1])
        return max(0.0 if low is None else low - value, 0.0 if high is None else value - high)
    baseline = finite(layer.baseline_value)
    return 0.0 if baseline is None else abs(value - baseline)


def failing_layers(verdict: Verdict) -> dict[str, tuple[str, ...]]:
    """Map each layer named by a rule that failed to the ids of those rules."""
    failing: dict[str, list[str]] = {}
    for rule in ordered_rules(verdict):
        if rule.outcome == "failed":
            for layer in rule.layers:
                failing.setdefault(layer.name, []).append(rule.id)
    return {name: tuple(dict.fromkeys(ids)) for name, ids in failing.items()}


def only_audited(verdict: Verdict) -> bool:
    """Tell whether the verdict would refuse but every refusing policy is in audit mode."""
    refusing = [policy for policy in verdict.policies if policy.outcome in REFUSING]
    return (
        verdict.outcome in ("blocked", "inconclusive")
        and bool(refusing)
        and all(policy.mode == "audit" for policy in refusing)
    )


def unexplained(verdict: Verdict) -> str | None:
    """Say that a verdict refuses though none of its policies does; None where one does, or it does not.

    So does a saved verdict whose outcome this version does not know: it counts as blocked.
    """
    if verdict.outcome not in REFUSING or any(policy.outcome in REFUSING for policy in verdict.policies):
        return None
    if not verdict.policies:
        return printable(verdict.error or "no policy decided", 600)
    return printable(verdict.error or "the verdict refuses the model for a reason that no policy gives", 600)


def subject(verdict: Verdict) -> str:
    """Name what was judged."""
    uri = verdict.analysis.source.uri if verdict.analysis else verdict.uri
    return printable(uri) if uri else "a model that could not be read"


def headline(verdict: Verdict) -> str:
    """Return the outcome in a few words."""
    word = OUTCOME_WORD[verdict.outcome]
    if not only_audited(verdict):
        return word
    return "Would be blocked (audit mode)" if verdict.outcome == "blocked" else f"{word} (audit mode)"


def audit_notes(verdict: Verdict) -> tuple[str, ...]:
    """Say loudly which policies decide without refusing."""
    return tuple(
        f"AUDIT MODE: policy {printable(policy.name)} refuses nothing."
        f"  Its true outcome is: {OUTCOME_WORD[policy.outcome].lower()}."
        + ("  Enforced, it would refuse this promotion." if policy.outcome in REFUSING else "")
        for policy in verdict.policies
        if policy.mode == "audit"
    )


def tally(verdict: Verdict) -> str:
    """Count the rules by what they said; every rule is counted once."""
    counts = (
        ("failed", len(rules_by(verdict, "failed", "block"))),
        ("failed as warning", len(rules_by(verdict, "failed", "warn"))),
        ("failed as information", len(rules_by(verdict, "failed", "info"))),
        ("inconclusive", len(rules_by(verdict, "inconclusive"))),
        ("waived", len(rules_by(verdict, "waived"))),
        ("not applicable", len(rules_by(verdict, "not_applicable"))),
        ("passed", len(rules_by(verdict, "passed"))),
    )
    said = ", ".join(f"{number} {word}" for word, number in counts if number)
    return f"{count(len(verdict.rules), 'rule')}: {said}" if said else "No rule was evaluated"


def policy_line(policy: PolicyResult, verdict: Verdict) -> str:
    """Return one policy with its mode and outcome, and its own reason where no rule of it gives one."""
    audit = ", audit mode" if policy.mode == "audit" else ""
    said = f"{printable(policy.name)}: {OUTCOME_WORD[policy.outcome].lower()}{audit}"
    rules = [rule for rule in verdict.rules if rule.policy == policy.name]
    told = any(rule.outcome in ("failed", "inconclusive") for rule in rules)
    untold = not told and (policy.outcome in REFUSING or not rules)
    return f"{said}. {printable(policy.message, 600)}" if policy.message and untold else said


def coverage_note(analysis: Analysis) -> str:
    """Say how much was measured."""
    coverage = analysis.coverage
    if not coverage.parameters:
        return f"Nothing to measure: {count(coverage.layers, 'layer')} found, no weight matrix among them."
    return (
        f"{percent(coverage.share)} of {count(coverage.parameters, 'parameter')} in weight matrices measured,"
        f" {coverage.analyzed_layers:,} of {count(coverage.layers, 'layer')};"
        + (f" {count(len(coverage.skipped), 'tensor or file', 'tensors or files')} skipped."
           if coverage.skipped else " nothing skipped.")
    )  # fmt: skip


def baseline_notes(verdict: Verdict) -> tuple[str, ...]:
    """Say which baselines were looked for, what they were, and why one does not compare."""
    if not verdict.baselines:
        return ("No baseline was asked for.",)
    return tuple(
        f"{printable(baseline.spec)}"
        + (f" = {printable(baseline.uri)}" if baseline.uri and baseline.uri != baseline.spec else "")
        + (": compared" if baseline.comparable else ": not compared")
        + (f" ({printable(baseline.why, 600)})" if baseline.why else "")
        for baseline in verdict.baselines
    )


def waiver_notes(verdict: Verdict) -> tuple[str, ...]:
    """Say what became of each waiver for this model; those for others are counted."""
    ours = [waiver for waiver in verdict.waivers if not waiver.other_model]
    notes = [
        f"{printable(waiver.id)} for rule {printable(waiver.rule)}: {waiver.state}"
        + (f" ({printable(waiver.why, 400)})" if waiver.why else "")
        + f", {'ended' if waiver.state == 'expired' else 'until'} {printable(waiver.expires)};"
        f" approved by {printable(waiver.approver)}: {printable(waiver.reason, 400)}"
        for waiver in sorted(ours, key=lambda waiver: _WAIVER_ORDER.index(waiver.state))
    ]
    others = len(verdict.waivers) - len(ours)
    if others:
        notes.append(f"{count(others, 'waiver')} for other models, not looked at.")
    if verdict.waived_until:
        until = printable(verdict.waived_until)
        notes.append(f"This verdict holds until {until}, when a waiver it needs ends.")
    return tuple(notes)


def signature_note(verdict: Verdict) -> str:
    """Say which key signed the decision."""
    return f"Signed by {printable(verdict.signed_by)}." if verdict.signed_by else "Not signed."


def override_notes(verdict: Verdict) -> tuple[str, ...]:
    """Say which aliases somebody opened for this version, whatever was decided."""
    return tuple(
        f"Override in force: alias {printable(override.alias)} is open for this version until"
        f" {printable(override.expires)}, signed by {printable(override.key)}:"
        f" {printable(override.reason, 400)}"
        for override in verdict.overrides
    )


def changes(analysis: Analysis, verdict: Verdict | None) -> tuple[Change, ...]:
    """Return the model figures beside the baseline's; those missing on both sides are left out."""
    baseline = verdict.baseline_model if verdict else {}
    found = (
        _change(title, getattr(analysis.model, name), baseline.get(name), _standard_error(analysis, name))
        for name, title in MODEL_FIGURES
    )
    return tuple(change for change in found if change.value is not None or change.baseline is not None)


def _standard_error(analysis: Analysis, name: str) -> float | None:
    return finite(getattr(analysis.model, f"{name}_standard_error", None))


def _change(title: str, value: float | None, baseline: float | None, standard_error: float | None) -> Change:
    now, then = finite(value), finite(baseline)
    difference = None if now is None or then is None else now - then
    return Change(title, value if now is not None else None, then, difference, standard_error)


def alpha_moves(verdict: Verdict) -> tuple[tuple[str, float, float], ...]:
    """Return ``(layer, alpha then, alpha now)`` for layers of both versions, the farthest moved first."""
    rows = verdict.analysis.layers if verdict.analysis else ()
    moves = [
        (row.name, then, now)
        for row in rows
        if (now := finite(row.alpha)) is not None
        and (then := finite(verdict.baseline_alpha.get(row.name))) is not None
        and now != then
    ]
    return tuple(sorted(moves, key=lambda move: -abs(move[2] - move[1])))


def family(verdict: Verdict) -> tuple[HistoryPoint, ...]:
    """Return the earlier versions with this one at the end, or nothing where there are none."""
    from gate.policy.interface import HistoryPoint  # noqa: PLC0415 - a value, which most formats do not need

    if not verdict.history:
        return ()
    model = verdict.analysis.model if verdict.analysis else None
    this = HistoryPoint(
        version=_version_of(verdict),
        outcome=verdict.outcome,
        alpha=model.alpha if model else None,
        alpha_weighted=model.alpha_weighted if model else None,
    )
    return (*verdict.history, this)


def _version_of(verdict: Verdict) -> int:
    """Return the version of the registered model; without a readable one, the next after the last."""
    uri = verdict.analysis.source.uri if verdict.analysis else verdict.uri
    found = re.fullmatch(r"models:/.+/([0-9]{1,9})", uri or "")
    return int(found[1]) if found else verdict.history[-1].version + 1


def rule_facts(rule: RuleResult) -> tuple[tuple[str, str], ...]:
    """Return what a rule compared, as (word, figure) pairs."""
    facts = [
        ("metric", printable(rule.metric)),
        ("limit", printable(rule.limit)),
        ("value", figure(rule.value)),
    ]
    if known(rule.baseline_value):
        facts.append(("baseline", figure(rule.baseline_value)))
    if rule.evaluated:
        facts.append(("evaluated", count(rule.evaluated, "layer")))
    if rule.excluded:
        facts.append(("left out as too small", count(len(rule.excluded), "layer")))
    return tuple(facts)


def file_findings(analysis: Analysis) -> tuple[str, ...]:
    """Say what was odd about the file itself."""
    found = analysis.file
    notes = []
    if found.unsafe_globals:
        names = ", ".join(printable(name, 80) for name in found.unsafe_globals[:_SHOWN_GLOBALS])
        more = len(found.unsafe_globals) - _SHOWN_GLOBALS
        notes.append(f"Loading the file would import {names}" + (f" and {more:,} more." if more > 0 else "."))
    if found.unreferenced_bytes:
        notes.append(
            f"{count(found.unreferenced_bytes, 'byte')} of the file belong to no tensor or structure."
        )
    if found.nested_archives:
        names = ", ".join(printable(name, 80) for name in found.nested_archives[:_SHOWN_GLOBALS])
        more = len(found.nested_archives) - _SHOWN_GLOBALS
        notes.append(
            f"The file holds other archives: {names}" + (f" and {more:,} more." if more > 0 else ".")
        )
    return tuple(notes)
