"""The table of layers, read back with the standard library."""

from __future__ import annotations

import csv
import dataclasses
import io

from gate.report import render_analysis, render_verdict
from gate.spectra.interface import LayerMetrics
from gate.text import printable
from tests.report import samples


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_header_is_every_scalar_field_in_order() -> None:
    header = render_analysis(samples.transformer(), "csv").split("\r\n")[0].split(",")
    mappings = {"phase_evidence", "extra"}
    assert header == [item.name for item in dataclasses.fields(LayerMetrics) if item.name not in mappings]


def test_figures_come_back_exactly() -> None:
    analysis = samples.transformer()
    for read, row in zip(rows(render_analysis(analysis, "csv")), analysis.layers, strict=True):
        assert float(read["alpha"]) == row.alpha
        assert int(read["tail_size"]) == row.tail_size
        assert read["shape"] == "x".join(map(str, row.shape))
        assert read["mp_sigma"] == ""


def test_every_record_is_one_line_ended_as_rfc_4180_says() -> None:
    verdict = samples.hostile()
    assert verdict.analysis is not None
    text = render_verdict(verdict, "csv")
    assert text.count("\r\n") == text.count("\n") == text.count("\r") == 1 + len(verdict.analysis.layers)


def test_no_cell_starts_a_formula_and_the_apostrophe_is_reversible() -> None:
    read = rows(render_verdict(samples.hostile(), "csv"))
    for row in read:
        for column in ("name", "layer", "kind", "dtype", "phase", "flags", "reason", "failed_rules"):
            assert not row[column].startswith(("=", "+", "-", "@", "\t", "\r"))
    names = [row["name"].removeprefix("'") for row in read]
    assert names[: len(samples.HOSTILE_NAMES)] == [printable(name, None) for name in samples.HOSTILE_NAMES]


def test_a_verdict_names_the_rules_each_layer_failed() -> None:
    read = {row["name"]: row["failed_rules"] for row in rows(render_verdict(samples.blocked(), "csv"))}
    assert read["encoder.3.mlp.down.weight"] == "layer-alpha-in-range;no-layer-lost"
    assert read["encoder.2.attention.value.weight"] == "no-layer-lost"
    assert read["encoder.0.mlp.up.weight"] == ""
