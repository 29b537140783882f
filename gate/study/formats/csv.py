"""One row per metric and sub-group, then all models; texts are guarded as in :mod:`gate.report.csv`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report.csv import cell, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.study.interface import GroupTrend, MetricStudy, Study, Trend

_FIGURES: Final = ("n", "r2", "rmse", "slope", "intercept", "kendall_tau", "p_value", "label")
_INTERVALS: Final = ("r2_interval", "slope_interval", "kendall_tau_interval")
_ENDS: Final = ("low", "high")
_TITLE: Final = (
    "metric", "shape_or_scale", "simpson", "simpson_p_value_holm", "scope", "group", *_FIGURES,
    *(f"{name}_{end}" for name in _INTERVALS for end in _ENDS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StudyCsv:
    """``scope``: ``group``, ``average`` (their plain mean), ``between`` (over their means) or ``pooled``."""

    name: str = "csv"

    def study(self, study: Study) -> str:
        """Render it."""
        return table(_TITLE, (row for metric in study.metrics for row in _rows(metric)))


def _rows(metric: MetricStudy) -> Iterator[tuple[str, ...]]:
    for group in metric.groups:
        yield _row(metric, "group", group.group, group)
    yield _row(metric, "average", "", metric.average)
    yield _row(metric, "between", "", metric.between)
    yield _row(metric, "pooled", "", metric.pooled)


def _row(metric: MetricStudy, scope: str, group: str, found: Trend | GroupTrend) -> tuple[str, ...]:
    named = (
        metric.metric,
        metric.shape_or_scale,
        metric.simpson,
        metric.simpson_test.p_value_holm,
        scope,
        group,
    )
    ends = (end for name in _INTERVALS for end in getattr(found, name))
    return tuple(cell(value) for value in (*named, *(getattr(found, name) for name in _FIGURES), *ends))
