"""What a case expected beside what the judge said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.policy.words import listed
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.policy.interface import RuleResult, Verdict
    from gate.policy.testing.interface import Expectation

_NAMED = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was not as expected; ``says`` is what the judge said about it."""

    what: str
    expected: str
    actual: str
    says: str = ""


def differences(expect: Expectation, verdict: Verdict) -> tuple[Difference, ...]:
    """Return what is not as expected, the policy first, then its rules, then their layers."""
    rules = {rule.id: rule for rule in verdict.rules}
    return (*_outcome(expect, verdict), *_rules(expect, rules, verdict), *_layers(expect, rules))


def _outcome(expect: Expectation, verdict: Verdict) -> Iterator[Difference]:
    if expect.outcome is not None and verdict.outcome != expect.outcome:
        says = verdict.policies[0].message if verdict.policies else ""
        yield Difference("outcome", expect.outcome, verdict.outcome, says)


def _rules(expect: Expectation, rules: dict[str, RuleResult], verdict: Verdict) -> Iterator[Difference]:
    for name, outcome in expect.rules.items():
        rule = rules.get(name)
        if rule is None:
            yield Difference(f"rule {name}", outcome, "not evaluated", verdict.error or "")
        elif rule.outcome != outcome:
            yield Difference(f"rule {name}", outcome, rule.outcome, rule.message)


def _layers(expect: Expectation, rules: dict[str, RuleResult]) -> Iterator[Difference]:
    for name, wanted in expect.layers.items():
        found = {layer.name for layer in rules[name].layers} if name in rules else set()
        if found != set(wanted):
            missing, more = set(wanted) - found, found - set(wanted)
            says = [f"missing: {_names(missing)}"] if missing else []
            says += [f"not expected: {_names(more)}"] if more else []
            yield Difference(f"layers of {name}", _names(wanted), _names(found), "; ".join(says))


def _names(names: Iterable[str]) -> str:
    return listed((printable(name, 80) for name in sorted(names)), _NAMED) or "none"
