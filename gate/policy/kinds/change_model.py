"""Comparing one figure of the model: means pair by pair over layers, everything else as it stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gate.policy.aggregates import (
    LAYER_FIELDS,
    Common,
    common_layers,
    convention_called,
    why_not_counted,
)
from gate.policy.interface import RuleLayer
from gate.policy.kinds.absolute import baseline_figure
from gate.policy.kinds.change_layers import standard_error
from gate.policy.kinds.results import asked, reference_words, result, scalar
from gate.policy.kinds.tolerance import WITH_STANDARD_ERROR, every
from gate.policy.metrics import model_value
from gate.policy.statistics import FEWEST_PAIRS, mean_difference_error
from gate.policy.words import count, figure, listed, number
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import RuleResult
    from gate.policy.kinds.interface import Evidence, Reference
    from gate.policy.kinds.tolerance import Change
    from gate.policy.rules import Rule
    from gate.spectra.interface import Convention

_MOVERS = 3


def evaluate_model(rule: Rule, evidence: Evidence, reference: Reference, change: Change) -> RuleResult:
    """Judge the change of a model, coverage, file or run metric."""
    if rule.metric.level != "model" or rule.metric.field not in LAYER_FIELDS:
        return _as_it_stands(rule, evidence, change)
    if reference.pairing is None:
        return _inconclusive(rule, evidence, "the layers of the baseline do not pair with these")
    convention = convention_called(evidence.analysis.engine.convention)
    common = common_layers(rule.metric.field, evidence.analysis.layers, reference.pairing, convention)
    if common.gone:
        return _layers_gone(rule, evidence, common, convention)
    now, then = common.figures(rule.metric.field, convention)
    if now is None or then is None:
        return _inconclusive(rule, evidence, "no layer counts in both versions")
    return _paired(rule, evidence, common, (now, then), change)


def _as_it_stands(rule: Rule, evidence: Evidence, change: Change) -> RuleResult:
    now = model_value(rule.metric, evidence.analysis, evidence.run_metrics)
    then = baseline_figure(rule, evidence)
    if then is None or isinstance(then, str) or isinstance(now, str):
        return _inconclusive(rule, evidence, "the baseline has no value")
    if now is None:
        return scalar(rule, evidence, passed=False, value=None, baseline_value=then)
    exceeded = every(change.tolerance.exceeded(change.amount(now - then), then, rule.metric))
    return _answered(rule, evidence, (now, then), "", exceeded=exceeded)


def _paired(
    rule: Rule, evidence: Evidence, common: Common, figures: tuple[float, float], change: Change
) -> RuleResult:
    now, then = figures
    field = LAYER_FIELDS[rule.metric.field]
    moved, sigmas = change.amount(now - then), change.tolerance.sigmas
    answers = change.tolerance.exceeded(moved, then, rule.metric)
    note = f", over {count(len(common.pairs), 'layer')} that count in both"
    if sigmas is not None and len(common.pairs) < FEWEST_PAIRS:
        answers.append(None)
        note += f" (fewer than {FEWEST_PAIRS}: no standard error)"
    elif sigmas is not None:
        error = _standard_error(field, common)
        answers.append(moved > sigmas * error)
        note += f", standard error {number(error)}"
    answer = every(answers)
    if answer is not False:
        note += f"; moved most: {_movers(field, common, change)}"
    return _answered(rule, evidence, figures, note, exceeded=answer)


def _answered(
    rule: Rule, evidence: Evidence, figures: tuple[float, float], note: str, *, exceeded: bool | None
) -> RuleResult:
    now, then = figures
    if exceeded is None:
        reason = f"{figure(now)}, was {figure(then)}: too little to tell the change from noise{note}"
        return _inconclusive(rule, evidence, reason, figures)
    return scalar(rule, evidence, passed=not exceeded, value=now, baseline_value=then, note=note)


def _standard_error(field: str, common: Common) -> float:
    differences = [getattr(row, field) - getattr(then, field) for row, then in common.pairs]
    errors: list[float] = []
    if field in WITH_STANDARD_ERROR:
        errors = [
            math.hypot(standard_error(row, field), standard_error(then, field)) for row, then in common.pairs
        ]
    return mean_difference_error(differences, errors)


def _movers(field: str, common: Common, change: Change) -> str:
    moves = [(getattr(row, field), getattr(then, field), row.name) for row, then in common.pairs]
    moves.sort(key=lambda move: -change.amount(move[0] - move[1]))
    words = (f"{printable(name, 80)} {number(then)} -> {number(now)}" for now, then, name in moves[:_MOVERS])
    return ", ".join(words)


def _layers_gone(rule: Rule, evidence: Evidence, common: Common, convention: Convention) -> RuleResult:
    field = LAYER_FIELDS[rule.metric.field]
    layers = []
    for then, now in common.gone:
        why = "missing" if now is None else why_not_counted(rule.metric.field, now, convention)
        value = None if now is None else getattr(now, field)
        layers.append(RuleLayer((now or then).name, value, getattr(then, field), why))
    named = listed((f"{printable(layer.name, 80)} ({layer.why})" for layer in layers), 5)
    gone = f"{count(len(layers), 'layer')} counted in the baseline's mean and no longer can"
    limit = f"{asked(rule)}{reference_words(evidence.reference)}"
    return result(
        rule,
        evidence.policy,
        "failed",
        f"{gone}: {named}; {limit}",
        brief=f"{gone}; {limit}",
        value=model_value(rule.metric, evidence.analysis, evidence.run_metrics),
        baseline_value=baseline_figure(rule, evidence),
        layers=tuple(layers),
    )


def _inconclusive(
    rule: Rule, evidence: Evidence, reason: str, figures: tuple[float | None, float | None] = (None, None)
) -> RuleResult:
    message = f"{reason}: {asked(rule)}{reference_words(evidence.reference)}"
    return result(rule, evidence.policy, "inconclusive", message, value=figures[0], baseline_value=figures[1])
