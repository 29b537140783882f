"""Every key of the JSON that the gate prints stands on its reference page, under its schema."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from gate.analysis.interface import Analysis, Coverage, Engine, FileFindings, SkippedLayer, Source, SourceFile
from gate.policy.interface import (
    BaselineResult,
    HistoryPoint,
    OverrideResult,
    PolicyResult,
    RuleLayer,
    RuleResult,
    Verdict,
    WaiverResult,
)
from gate.report.history.interface import History, ModelHistory, VersionRow
from gate.spectra import METRICS, LayerMetrics, LayerPlot
from tests.docs.pages import ROOT

_METRICS = {metric.field for metric in METRICS}


@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        (
            "gate/analysis/1",
            (
                Analysis,
                Source,
                SourceFile,
                Engine,
                Coverage,
                SkippedLayer,
                FileFindings,
                LayerMetrics,
                LayerPlot,
            ),
        ),
        (
            "gate/verdict/1",
            (
                Verdict,
                PolicyResult,
                BaselineResult,
                RuleResult,
                RuleLayer,
                WaiverResult,
                OverrideResult,
                HistoryPoint,
            ),
        ),
        ("gate/history/1", (History, ModelHistory, VersionRow)),
    ],
)
def test_every_key_is_described(schema: str, kinds: tuple[Any, ...]) -> None:
    page = (ROOT / "docs/reference/json.md").read_text(encoding="utf-8")
    section = page.partition(f"## `{schema}`\n")[2].partition("\n## ")[0]
    described = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", section))))
    keys = {field.name for kind in kinds for field in fields(kind)} - {"schema"}
    assert keys - (_METRICS if schema == "gate/analysis/1" else set()) <= described
