"""What a rule may look at: the engine's metrics, and findings about the file, coverage and run."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from gate.layer import LAYER_KINDS
from gate.spectra.interface import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Value
    from gate.policy.rules import Policy
    from gate.spectra.interface import Group, LayerMetrics, Metric

RUN_PREFIX: Final = "run.metrics."
LABELS_APART: Final = ", "

Level = Literal["layer", "model", "coverage", "file", "run"]

LABELS: Final[dict[str, tuple[str, ...]]] = {"layer.phase": PHASES, "layer.kind": LAYER_KINDS}
"""Labels with a closed list; other labels accept any text."""


@dataclass(frozen=True, slots=True)
class RuleMetric:
    """A metric as rules see it.

    ``labels`` is None for numbers, the known labels (or empty, when they are open) for labels;
    ``group`` is the engine's group that computes it, None for what needs no engine.
    """

    id: str
    level: Level
    field: str
    title: str
    unit: str = ""
    better: Literal["lower", "higher"] | None = None
    labels: tuple[str, ...] | None = None
    group: Group | None = None
    formula: str = ""
    source: str = ""
    nature: str = ""
    """``shape``, ``scale``, ``mixed``, ``count`` or ``label`` for the engine's own (arXiv:2106.00734)."""
    many: bool = False
    """A layer may have several labels at once, or none."""
    plugin: bool = False
    """A third party's, whose values stand in ``LayerMetrics.extra``."""

    @property
    def is_label(self) -> bool:
        """Tell whether the value is a word rather than a number."""
        return self.labels is not None

    @property
    def depends_on_scale(self) -> bool:
        """Tell whether rescaling a layer moves it, as for AlphaHat and the log norms (engine, section 8)."""
        return self.field.startswith(("alpha_weighted", "log_"))


_OWN: Final[tuple[RuleMetric, ...]] = (
    RuleMetric("coverage.share", "coverage", "share", "Share of the weights measured", "0 to 1", "higher"),
    RuleMetric("coverage.parameters", "coverage", "parameters", "Weights in matrices", "weights"),
    RuleMetric(
        "coverage.analyzed_parameters",
        "coverage",
        "analyzed_parameters",
        "Weights measured",
        "weights",
        "higher",
    ),
    RuleMetric("coverage.layers", "coverage", "layers", "Weight layers", "layers"),
    RuleMetric(
        "coverage.analyzed_layers",
        "coverage",
        "analyzed_layers",
        "Weight layers measured",
        "layers",
        "higher",
    ),
    RuleMetric("coverage.skipped", "coverage", "skipped", "Tensors and files skipped", "items", "lower"),
    RuleMetric(
        "file.unsafe_globals",
        "file",
        "unsafe_globals",
        "Globals that loading would import",
        "globals",
        "lower",
    ),
    RuleMetric(
        "file.unreferenced_bytes", "file", "unreferenced_bytes", "Bytes nothing refers to", "bytes", "lower"
    ),
    RuleMetric("file.nested_archives", "file", "nested_archives", "Archives inside", "archives", "lower"),
    RuleMetric("file.batch_norms", "file", "batch_norms", "Batch norms not folded", "layers"),
)


@cache
def metric_table() -> Mapping[str, RuleMetric]:
    """Return every metric with a fixed id; ``run.metrics.NAME`` comes on top of these."""
    from gate.spectra.flags import FLAGS  # noqa: PLC0415 - brings numpy, which --help does not need
    from gate.spectra.metrics import METRICS  # noqa: PLC0415

    flags = RuleMetric(
        "layer.flags", "layer", "flags", "What is odd about it", labels=tuple(FLAGS), many=True
    )
    return {metric.id: _of_engine(metric) for metric in METRICS} | {
        metric.id: metric for metric in (*_OWN, flags)
    }


def _of_engine(metric: Metric) -> RuleMetric:
    is_label = metric.nature == "label"
    return RuleMetric(
        id=metric.id,
        level=metric.level,
        field=metric.field,
        title=metric.title,
        unit=metric.unit,
        better=metric.better,
        labels=LABELS.get(metric.id, ()) if is_label else None,
        group=metric.group,
        formula=metric.formula,
        source=metric.source,
        nature=metric.nature,
    )


def find_metric(identifier: str) -> RuleMetric | None:
    """Return the metric of that id, or None."""
    name = identifier.removeprefix(RUN_PREFIX)
    if name != identifier:
        usable = bool(name) and len(name) <= 250 and name.isprintable()  # noqa: PLR2004 - MLflow's limit
        return RuleMetric(identifier, "run", name, f"MLflow run metric {name}") if usable else None
    return metric_table().get(identifier) or _of_plugins().get(identifier)


def _of_plugins() -> Mapping[str, RuleMetric]:
    """Return the metrics of the plugins in use; ours keep their names."""
    from gate.plugins import enabled  # noqa: PLC0415 - as in metric_table

    if not (plugins := enabled("metrics")):
        return {}
    from gate.spectra.plugins import plugin_metrics  # noqa: PLC0415 - as in metric_table

    entries = zip(plugins, plugin_metrics(plugins), strict=True)
    return {
        entry.id: replace(_of_engine(entry), field=plugin.name, group=None, plugin=True)
        for plugin, entry in entries
    }


def needed_groups(policies: Iterable[Policy]) -> frozenset[Group]:
    """Return the engine's groups of metrics that these policies' rules look at."""
    groups = {rule.metric.group for policy in policies for rule in policy.rules}
    return frozenset(group for group in groups if group is not None)


def layer_value(metric: RuleMetric, row: LayerMetrics) -> Value:
    """Return a layer's value of ``metric``; None where it has none, or none that is finite.

    Several labels come joined by ``LABELS_APART``.
    """
    if metric.plugin:
        return _finite(row.extra.get(metric.field))
    value: Value | tuple[str, ...] = getattr(row, metric.field)
    return LABELS_APART.join(value) if isinstance(value, tuple) else _finite(value)


def model_value(metric: RuleMetric, analysis: Analysis, run_metrics: Mapping[str, float]) -> Value:
    """Return the one value of a metric that is not a layer's; lists count as their length.

    None where there is none, or none that is finite: a training run may well log NaN.
    """
    if metric.level == "run":
        return _finite(run_metrics.get(metric.field))
    part = {"model": analysis.model, "coverage": analysis.coverage, "file": analysis.file}[metric.level]
    value: Value | tuple[object, ...] = getattr(part, metric.field)
    return len(value) if isinstance(value, tuple) else _finite(value)


def model_items(metric: RuleMetric, analysis: Analysis) -> tuple[str, ...]:
    """Return what a counting metric of the file or the coverage counts, by name."""
    part = {"coverage": analysis.coverage, "file": analysis.file}.get(metric.level)
    items = getattr(part, metric.field, ()) if part is not None else ()
    return tuple(str(getattr(item, "name", item)) for item in items) if isinstance(items, tuple) else ()


def _finite(value: Value) -> Value:
    """Return None for what is no finite number; MLflow's databases hold infinities as the largest float."""
    if not isinstance(value, float):
        return value
    return value if math.isfinite(value) and abs(value) < sys.float_info.max else None
