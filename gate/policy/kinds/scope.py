"""Which layers a rule looks at, which it leaves out, and which slipped out of it since the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from gate.policy.metrics import layer_value

if TYPE_CHECKING:
    from gate.policy.interface import Value
    from gate.policy.kinds.interface import Evidence
    from gate.policy.metrics import RuleMetric
    from gate.policy.rules import Rule, Where
    from gate.spectra.interface import LayerMetrics

OFF_BY_DEFAULT: Final = frozenset({"embedding", "depthwise"})
"""Kinds that only a rule naming them looks at (engine, section 1)."""

WITHOUT_VALUE: Final = "without a value"
UNPAIRED: Final = "without a usable value in the baseline"
NOT_TO_BE_JUDGED: Final = frozenset({WITHOUT_VALUE, UNPAIRED})
"""Reasons that leave a rule undecided when they hold for all its layers; being small does not."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A layer to judge, and its partner in the baseline where that has a usable value."""

    row: LayerMetrics
    value: Value
    partner: LayerMetrics | None

    def baseline_value(self, metric: RuleMetric) -> Value:
        """Return the partner's value, None without one."""
        return None if self.partner is None else layer_value(metric, self.partner)


@dataclass(frozen=True, slots=True)
class Slipped:
    """A layer that the baseline had inside the rule and that is no longer: a failure."""

    row: LayerMetrics
    value: Value
    baseline_value: Value
    why: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The layers of one rule; ``left_out`` holds (name, why) of those it cannot judge."""

    inside: tuple[Pair, ...]
    slipped: tuple[Slipped, ...]
    left_out: tuple[tuple[str, str], ...]


def scope(rule: Rule, evidence: Evidence) -> Scope:
    """Sort every layer of the candidate, and every layer it lost, by what the rule makes of it."""
    pairing = evidence.reference.pairing if evidence.reference else None
    rows = evidence.analysis.layers
    partners = pairing.partners if pairing else (None,) * len(rows)
    inside: list[Pair] = []
    slipped: list[Slipped] = []
    left_out: list[tuple[str, str]] = []
    for row, partner in zip(rows, partners, strict=True):
        counted = partner if partner is not None and is_inside(rule, partner) else None
        why = _why_outside(rule, row)
        if why is None:
            inside.append(Pair(row, layer_value(rule.metric, row), counted))
        elif counted is not None:
            slipped.append(_slipped(rule, row, counted, why or "outside the rule's where"))
        elif why:
            left_out.append((row.name, why))
    lost = pairing.lost if pairing else ()
    slipped += [
        Slipped(row, None, layer_value(rule.metric, row), "missing, unlike in the baseline")
        for row in lost
        if is_inside(rule, row)
    ]
    return Scope(tuple(inside), tuple(slipped), tuple(left_out))


def _slipped(rule: Rule, row: LayerMetrics, partner: LayerMetrics, why: str) -> Slipped:
    value, then = layer_value(rule.metric, row), layer_value(rule.metric, partner)
    return Slipped(row, value, then, f"{why}, unlike in the baseline")


def is_inside(rule: Rule, row: LayerMetrics) -> bool:
    """Tell whether the rule judges this row by itself."""
    return _why_outside(rule, row) is None


def _why_outside(rule: Rule, row: LayerMetrics) -> str | None:
    """Return why a row is not judged: empty when the rule does not mean it, None when it is."""
    where = rule.where
    if not _is_meant(where, row):
        return ""
    if row.eigenvalues < where.min_eigenvalues:
        return f"fewer than {where.min_eigenvalues} eigenvalues"
    if (row.tail_size or 0) < where.min_tail:
        return f"a tail below {where.min_tail}"
    return WITHOUT_VALUE if layer_value(rule.metric, row) is None else None


def _is_meant(where: Where, row: LayerMetrics) -> bool:
    kind_fits = row.kind in where.kind if where.kind else row.kind not in OFF_BY_DEFAULT
    if not kind_fits or where.name is None:
        return kind_fits
    return fnmatchcase(row.name, where.name) or fnmatchcase(row.layer, where.name)
