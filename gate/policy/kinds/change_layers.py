"""Comparing a layer metric: each layer with its partner, significance held over all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gate.policy.kinds.scope import UNPAIRED, Pair, Scope, scope
from gate.policy.kinds.tally import Fate, Judged, conclude
from gate.policy.kinds.tolerance import every
from gate.policy.statistics import holm

if TYPE_CHECKING:
    from gate.policy.interface import RuleResult
    from gate.policy.kinds.interface import Evidence, Reference
    from gate.policy.kinds.tolerance import Change, Tolerance
    from gate.policy.rules import Rule
    from gate.spectra.interface import LayerMetrics

_FATES: Final[dict[bool | None, Fate]] = {True: "failed", False: "passed", None: "undecided"}


def evaluate_layers(rule: Rule, evidence: Evidence, reference: Reference, change: Change) -> RuleResult:
    """Judge every layer that both versions have inside the rule; ``allow`` counts those beyond."""
    del reference  # its layers come with the scope
    seen = paired_scope(rule, evidence)
    figures = [_figures(rule, pair) for pair in seen.inside]
    amounts = [change.amount(now - then) for now, then in figures]
    rejected = _rejected(rule, seen, amounts, change.tolerance)
    judged = []
    for pair, (_, then), moved, beyond in zip(seen.inside, figures, amounts, rejected, strict=True):
        answer = every([*change.tolerance.exceeded(moved, then, rule.metric), *beyond])
        judged.append(Judged(pair.row, _FATES[answer], pair.value, then, moved))
    return conclude(rule, evidence, seen, judged)


def paired_scope(rule: Rule, evidence: Evidence) -> Scope:
    """Return the rule's layers, those without a usable partner among the left out."""
    seen = scope(rule, evidence)
    unpaired = tuple((pair.row.name, UNPAIRED) for pair in seen.inside if pair.partner is None)
    paired = tuple(pair for pair in seen.inside if pair.partner is not None)
    return Scope(paired, seen.slipped, seen.left_out + unpaired)


def _figures(rule: Rule, pair: Pair) -> tuple[float, float]:
    """Return both values; ``paired_scope`` kept only pairs that have them."""
    now, then = pair.value, pair.baseline_value(rule.metric)
    if isinstance(now, str) or isinstance(then, str) or now is None or then is None:
        raise TypeError(f"{rule.metric.id} of {pair.row.name!r} is no number")
    return float(now), float(then)


def _rejected(rule: Rule, seen: Scope, amounts: list[float], tolerance: Tolerance) -> list[tuple[bool, ...]]:
    """Return, for each layer, whether its change is significant; nothing when not asked for."""
    if tolerance.sigmas is None:
        return [()] * len(amounts)
    errors = [_difference_error(rule, pair) for pair in seen.inside]
    scores = [_score(moved, error) for moved, error in zip(amounts, errors, strict=True)]
    return [(answer,) for answer in holm(scores, tolerance.sigmas)]


def _score(moved: float, error: float) -> float:
    if error > 0:
        return moved / error
    return math.inf if moved > 0 else -math.inf


def _difference_error(rule: Rule, pair: Pair) -> float:
    partner = pair.partner if pair.partner is not None else pair.row
    return math.hypot(standard_error(pair.row, rule.metric.field), standard_error(partner, rule.metric.field))


def standard_error(row: LayerMetrics, field: str) -> float:
    """Return the standard error of a layer's alpha or AlphaHat, 0 where none is known.

    AlphaHat = α·log10 λ_max inherits alpha's, the largest eigenvalue being exact.  Without a known
    error every change counts as significant: the safe side.
    """
    error = row.alpha_standard_error
    if error is None or not math.isfinite(error):
        return 0.0
    if field != "alpha_weighted":
        return error
    norm = row.log_spectral_norm
    return error * abs(norm) if norm is not None and math.isfinite(norm) else 0.0
