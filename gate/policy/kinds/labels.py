"""Checking the values that rules compare labels or numbers with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gate.policy.kinds.interface import UnfitError
from gate.policy.metrics import LABELS_APART
from gate.policy.problems import did_you_mean, one_of

if TYPE_CHECKING:
    from gate.policy.metrics import RuleMetric

Label = str | float


def labels_of(value: Any) -> frozenset[Label]:
    """Return the labels (or the number) that a layer's value holds."""
    return frozenset(value.split(LABELS_APART)) if isinstance(value, str) else frozenset((value,))


def check_single(metric: RuleMetric) -> None:
    """Refuse metrics of which a layer may have several.

    Raises
    ------
    UnfitError
        Which of them should be the one asked for cannot be told.
    """
    if metric.many:
        raise UnfitError(f"{metric.id} may hold several labels", "use not_in or may_not_become")


def checked(value: Any, metric: RuleMetric, path: tuple[str | int, ...] = ()) -> Label:
    """Return ``value`` when ``metric`` can take it.

    Raises
    ------
    UnfitError
        It is of another type, not finite, or no label that this metric knows.
    """
    if metric.labels is None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UnfitError(f"{metric.id} is a number", "write a finite number", path)
        return float(value) + 0.0  # no negative zero
    if not isinstance(value, str):
        raise UnfitError(f"{metric.id} is a label", "write a word", path)
    if metric.labels and value not in metric.labels:
        fix = did_you_mean(value, metric.labels) or one_of(metric.labels)
        raise UnfitError(f"{metric.id} is never '{value}'", fix, path)
    return value


def checked_all(values: Any, metric: RuleMetric) -> tuple[Label, ...]:
    """Return every value checked; at least one, and none twice.

    Raises
    ------
    UnfitError
        A value does not fit, or stands twice.
    """
    seen: list[Label] = []
    for index, value in enumerate(values):
        label = checked(value, metric, (index,))
        if label in seen:
            raise UnfitError(f"'{value}' stands twice", "remove one", (index,))
        seen.append(label)
    return tuple(seen)
