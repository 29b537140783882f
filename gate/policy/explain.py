"""A policy in words: what each rule asks, of what, compared with what, and what it cannot see."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from gate.layer import LAYER_KINDS
from gate.policy.changes import CHANGES
from gate.policy.rules import POLICY_BASELINE, Allow, Where
from gate.policy.words import count, number
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.policy.interface import Mode, Severity
    from gate.policy.metrics import RuleMetric
    from gate.policy.rules import Choice, Policy, Rule

_WIDTH: Final = 100
NATURES: Final = frozenset({"shape", "scale", "mixed"})

SEVERITIES: Final[Mapping[Severity, str]] = {
    "block": "A failure blocks.",
    "warn": "A failure warns and blocks nothing.",
    "info": "A failure is shown and changes nothing.",
}
MODES: Final[Mapping[Mode, str]] = {
    "enforce": "decides and refuses",
    "audit": "decides and records, but refuses nothing",
}
CHOICES: Final[Mapping[Choice, str]] = {"pass": "passes", "warn": "warns", "block": "blocks"}

SCALE_CAVEAT: Final = (
    "{metric} is not scale-invariant: halving a weight that feeds a batch norm changes nothing in the model "
    "and moves it; alpha does not move."
)
SMALL_CAVEAT: Final = (
    "Noise alone often has alpha between 2 and 6 (55 to 83 % of small random matrices): a rule on "
    "layer.phase belongs beside this one."
)
CHANGE_CAVEAT: Final = (
    "as a {nature} metric it is not apt where the model was {changes}: see the table below."
)
RUN_CAVEAT: Final = "The value is what the training run logged; nothing here can check it."


def explain(policy: Policy) -> str:
    """Return ``policy`` in words, one paragraph a rule; plain text, safe to print."""
    rules = (line for rule in policy.rules for line in ("", *_rule(rule)))
    return "\n".join((*_head(policy), *rules, *_changes(policy)))


def _changes(policy: Policy) -> Iterator[str]:
    """Say which metrics are apt for which kind of change, where the policy compares."""
    if not any(rule.operator.compares and rule.metric.nature in NATURES for rule in policy.rules):
        return
    yield ""
    yield "Which metrics may judge which change since the baseline"
    for change in CHANGES:
        apart = f", not {' or '.join(change.unfit)} metrics" if change.unfit else ""
        yield from _wrapped(
            f"{change.name} ({change.means}): {', '.join(change.apt)}{apart}; {change.why}. "
            f"Source: {change.source}.",
            "  ",
        )


def _head(policy: Policy) -> Iterator[str]:
    mode = (
        "decides and refuses"
        if policy.mode == "enforce"
        else "decides and records, but refuses nothing (audit)"
    )
    yield f"Policy {printable(policy.name)}: {count(len(policy.rules), 'rule')}; it {mode}."
    yield from _wrapped(_governed(policy))
    yield from _wrapped(
        f"At least {number(100 * policy.min_parameters)} % of the weights in matrices must be measured. "
        f"A model that cannot be read {CHOICES[policy.on_error]}; one without weight matrices "
        f"{CHOICES[policy.when_nothing_to_measure]}."
    )
    if any(rule.operator.compares for rule in policy.rules):
        use = policy.baseline
        yield from _wrapped(
            f"Baseline: the first comparable of {', '.join(printable(spec) for spec in use.use)}. Without "
            f"any, a comparison {CHOICES[use.when_missing]}; with none comparable, it "
            f"{CHOICES[use.when_not_comparable]}."
            + (" Of another architecture the part in common is compared." if use.partial == "compare" else "")
        )
    if policy.grace:
        hours = number(policy.grace.total_seconds() / 3600)
        yield f"A decision under this policy's last version holds for {hours} hours more."


def _governed(policy: Policy) -> str:
    parts = [
        f"{noun} {', '.join(printable(glob) for glob in globs)}"
        for noun, globs in (
            ("models", policy.match.models),
            ("aliases", policy.match.aliases),
            ("stages", policy.match.stages),
            ("workspaces", policy.match.workspaces),
        )
        if globs is not None
    ]
    return f"It governs {'; '.join(parts)}." if parts else "It governs every promotion."


def _rule(rule: Rule) -> Iterator[str]:
    yield f"{printable(rule.id)} [{rule.severity}]"
    yield from _wrapped(f"Why: {printable(rule.description, None)}", "  ")
    yield from _wrapped(f"Asks: {_asks(rule)} {SEVERITIES[rule.severity]}", "  ")
    yield from _wrapped(f"Metric: {_metric(rule.metric)}", "  ")
    for caveat in caveats(rule):
        yield from _wrapped(f"Mind: {caveat}", "  ")


def _asks(rule: Rule) -> str:
    subject = printable(rule.metric.id)
    if rule.metric.level == "layer":
        subject += f" of every {_layers(rule.where)}"
    against = ""
    if rule.against is not None:
        against = f" against {'the baseline' if rule.against == POLICY_BASELINE else printable(rule.against)}"
    verb = "" if rule.operator.compares else "is "
    return f"{subject} {verb}{rule.operator.words()}{against}{_allowed(rule.allow)}."


def _layers(where: Where) -> str:
    kinds = "layer (embeddings and depthwise apart)"
    if where.kind:
        every = set(where.kind) == set(LAYER_KINDS)
        kinds = "layer of any kind" if every else f"{' or '.join(where.kind)} layer"
    sizes = []
    if where.min_eigenvalues:
        sizes.append(f"at least {where.min_eigenvalues} eigenvalues")
    if where.min_tail:
        sizes.append(f"a fitted tail of at least {where.min_tail}")
    named = f" named {printable(where.name)}" if where.name else ""
    return kinds + named + (f" with {' and '.join(sizes)}" if sizes else "")


def _allowed(allow: Allow) -> str:
    if allow.share:
        return f", but for {number(100 * allow.share)} % of the {allow.by}"
    return f", but for {allow.count} {allow.by}" if allow.count else ""


def _metric(metric: RuleMetric) -> str:
    text = printable(metric.title)
    if metric.formula:
        text += f", {metric.formula}"
    if metric.unit:
        text += f" (in {metric.unit})"
    if metric.better:
        text += f"; {metric.better} is better"
    return text + (f". Source: {metric.source}" if metric.source else ".")


def caveats(rule: Rule) -> tuple[str, ...]:
    """Return what a reader of this rule must know about its metric."""
    found = []
    if rule.operator.compares and rule.metric.level in {"layer", "model"}:
        unfit = [change.name for change in CHANGES if rule.metric.nature in change.unfit]
        if unfit:
            found.append(CHANGE_CAVEAT.format(nature=rule.metric.nature, changes=", ".join(unfit)))
    if rule.metric.depends_on_scale:
        found.append(SCALE_CAVEAT.format(metric=rule.metric.id))
    if rule.metric.id == "layer.alpha" and not rule.operator.compares:
        found.append(SMALL_CAVEAT)
    if rule.metric.level == "run":
        found.append(RUN_CAVEAT)
    return tuple(found)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  " * bool(indent),
        break_on_hyphens=False,
    )
