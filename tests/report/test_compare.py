"""Comparisons rendered: every format says the relation, the layers and what has no partner, safely."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import get_args

import pytest

from gate.analysis.comparison.interface import ComparedModel, Comparison, LayerPair, ModelChange, Relation
from gate.errors import UsageError
from gate.report.compare import compare_format_name, render_comparison
from gate.report.compare.outline import WORDS
from gate.report.markdown import LIMIT

HOSTILE = "a|<script>alert(1)</script>`\u202e"


def model(uri: str) -> ComparedModel:
    return ComparedModel(uri, "onnx", f"sha256:{'0' * 64}", "sha256:1", "sha256:2", 3, 1200)


def pair(name: str, moved: float | None, **fields: object) -> LayerPair:
    known = LayerPair(
        name, name, "name", "changed", "dense", (20, 30), 600, "float32", "float16", moved, 0.98, 0.1, 0.0,
        0.25, 3.0, 3.5, 1.0, 1.1, 3.0, 3.85, "heavy-tailed", "bulk-decay",
    )  # fmt: skip
    return replace(known, **fields)  # type: ignore[arg-type]


COMPARISON = Comparison(
    relation="fine-tuned",
    why="of the weights 50 % changed",
    a=model("models:/m/1"),
    b=model(f"models:/{HOSTILE}/2"),
    model=(ModelChange("alpha", 3.0, 3.5, 0.5), ModelChange("alpha_median", 3.0, None, None)),
    pairs=(pair("little", 0.01), pair("much", 0.5, b="moved", how="spectrum"), pair("nan", None)),
    unmatched_a=(HOSTILE,),
    unmatched_b=("head",),
)


def test_the_most_changed_layer_stands_first_and_nothing_is_left_out() -> None:
    text = render_comparison(COMPARISON, "text")
    assert text.startswith("FINE-TUNED")
    order = [text.index(word) for word in ("nan", "much → moved", "little", "Only in a", "Only in b", "head")]
    assert order == sorted(order)
    for word in ("2 by name, 1 by spectrum", "float32 → float16", "3.00 → 3.50", "0 % → 25 %", "+0.500"):
        assert word in text


def test_json_has_the_keys_of_the_contract_and_every_model_metric() -> None:
    document = json.loads(render_comparison(COMPARISON, "json"))
    assert next(iter(document)) == "schema"
    assert document["schema"] == "gate/compare/1"
    assert {"relation", "pairs", "unmatched_a", "unmatched_b"} <= set(document)
    assert {"a", "b", "how"} <= set(document["pairs"][0])
    assert document["pairs"][2]["relative_change"] is None
    assert [change["metric"] for change in document["model"]] == ["alpha", "alpha_median"]


def test_html_asks_for_nothing_and_runs_nothing() -> None:
    page = render_comparison(COMPARISON, "html")
    assert "<script" not in page
    assert "\u202e" not in page
    assert re.search(r"(src|href)=\"(?!#)", page) is None
    assert "default-src 'none'" in page
    assert page.count('<svg class="plot') + page.count('class="plot') >= 1
    assert "Relative change of each layer" in page


def test_markdown_is_safe_and_fits_a_comment() -> None:
    page = render_comparison(COMPARISON, "markdown")
    assert "<script" not in page
    many = replace(COMPARISON, pairs=tuple(pair(f"layer.{index}", 0.1) for index in range(5000)))
    long = render_comparison(many, "markdown")
    assert len(long) <= LIMIT
    assert "lines left out" in long


def test_nothing_in_common_is_said() -> None:
    bare = replace(COMPARISON, pairs=(), relation="different")
    assert "0 layers paired." in render_comparison(bare, "text")
    assert "No layer has a partner." in render_comparison(bare, "html")


def test_every_relation_has_words_and_formats_are_known() -> None:
    assert set(WORDS) == set(get_args(Relation))
    with pytest.raises(UsageError, match="no format 'csv'"):
        compare_format_name("csv")
