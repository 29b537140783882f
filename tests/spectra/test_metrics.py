"""Every figure has an entry in the table, and every entry a figure."""

from __future__ import annotations

from dataclasses import fields

import pytest

from gate.errors import UsageError
from gate.spectra import METRICS, LayerMetrics, Metric, ModelSummary, metric
from gate.spectra.interface import GROUPS

NO_METRIC = {"name", "shape", "layer", "phase_evidence", "flags", "reason", "extra"}


def test_the_table_and_the_fields_agree() -> None:
    layer = {f"layer.{field.name}" for field in fields(LayerMetrics)} - {
        f"layer.{name}" for name in NO_METRIC
    }
    model = {f"model.{field.name}" for field in fields(ModelSummary)}
    assert {entry.id for entry in METRICS} == layer | model
    assert len(METRICS) == len({entry.id for entry in METRICS})


@pytest.mark.parametrize("entry", METRICS, ids=lambda entry: entry.id)
def test_entries_are_complete(entry: Metric) -> None:
    assert entry.id == f"{entry.level}.{entry.field}"
    assert entry.title
    assert entry.source
    assert entry.group in GROUPS
    assert entry.formula or entry.nature == "label"


def test_a_misspelt_metric_is_answered_with_the_nearest() -> None:
    assert metric("model.alpha_weighted").title.endswith("mean (AlphaHat) over layers")
    with pytest.raises(UsageError) as caught:
        metric("layer.alfa")
    assert caught.value.hint is not None
    assert "layer.alpha" in caught.value.hint
    with pytest.raises(UsageError):
        metric("nothing like it")
