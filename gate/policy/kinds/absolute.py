"""Rules about a value by itself: each layer, or the model's one figure, holds or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from gate.policy.kinds.results import asked, result, scalar
from gate.policy.kinds.scope import scope
from gate.policy.kinds.tally import Judged, conclude
from gate.policy.metrics import model_items, model_value
from gate.policy.words import listed
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import RuleResult, Value
    from gate.policy.kinds.interface import Evidence
    from gate.policy.kinds.scope import Pair
    from gate.policy.rules import Rule


_MOST_NAMED: Final = 8


class Condition(Protocol):
    """What is asked of one value; never called with None, NaN or infinity."""

    def holds(self, value: Any) -> bool:
        """Tell whether the value is as it should be."""
        ...

    def distance(self, value: Any) -> float:
        """Return how far out a failing value is, larger for worse."""
        ...


def evaluate_condition(rule: Rule, evidence: Evidence, condition: Condition) -> RuleResult:
    """Judge every layer, or the model's one figure, by ``condition``."""
    if rule.metric.level == "layer":
        seen = scope(rule, evidence)
        return conclude(rule, evidence, seen, [_judge(pair, rule, condition) for pair in seen.inside])
    value = model_value(rule.metric, evidence.analysis, evidence.run_metrics)
    if value is None:
        return _without_value(rule, evidence)
    return scalar(rule, evidence, passed=condition.holds(value), value=value, note=_named(rule, evidence))


def _judge(pair: Pair, rule: Rule, condition: Condition) -> Judged:
    then = pair.baseline_value(rule.metric)
    if condition.holds(pair.value):
        return Judged(pair.row, "passed", pair.value, then)
    return Judged(pair.row, "failed", pair.value, then, condition.distance(pair.value))


def _named(rule: Rule, evidence: Evidence) -> str:
    """Name what a counting metric counted: a person cannot act on a number of globals."""
    items = model_items(rule.metric, evidence.analysis)
    return f": {listed(map(printable, items), _MOST_NAMED)}" if items else ""


def _without_value(rule: Rule, evidence: Evidence) -> RuleResult:
    """Fail a figure that the baseline had and this version lost; else nothing can be said."""
    then = baseline_figure(rule, evidence)
    if then is not None:
        return scalar(rule, evidence, passed=False, value=None, baseline_value=then)
    return result(rule, evidence.policy, "inconclusive", f"no value to judge: {asked(rule)}")


def baseline_figure(rule: Rule, evidence: Evidence) -> Value:
    """Return the baseline's own figure of a metric that is not a layer's, None without one."""
    reference = evidence.reference
    if reference is None:
        return None
    return model_value(rule.metric, reference.analysis, reference.baseline.run_metrics)
