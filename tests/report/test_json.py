"""The contract and its way back, against hostile bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from gate.errors import UsageError
from gate.report import json as json_format
from gate.report import load_analysis, load_verdict, render_analysis, render_verdict
from tests.report import samples


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(render_verdict(samples.blocked(), "json"))
    return loaded


def test_keys_are_the_contracts() -> None:
    verdict = document()
    assert next(iter(verdict)) == "schema"
    assert verdict["schema"] == "gate/verdict/1"
    assert {"outcome", "policies", "baselines", "rules", "analysis"} <= set(verdict)
    assert {"name", "digest", "file", "mode", "outcome"} <= set(verdict["policies"][0])
    assert {"spec", "uri", "digest", "comparable", "why"} <= set(verdict["baselines"][0])
    rule_keys = {
        "policy",
        "id",
        "severity",
        "outcome",
        "message",
        "metric",
        "limit",
        "value",
        "baseline_value",
    }
    assert rule_keys | {"layers", "waiver"} <= set(verdict["rules"][0])
    analysis = verdict["analysis"]
    assert next(iter(analysis)) == "schema"
    parts = {"source", "engine", "coverage", "file", "architecture", "model", "layers", "plots"}
    assert parts <= set(analysis)
    assert {"uri", "format", "digest", "files"} == set(analysis["source"])
    assert {"unsafe_globals", "unreferenced_bytes", "nested_archives"} <= set(analysis["file"])
    assert analysis["layers"][1]["shape"] == [256, 256]


def test_numbers_keep_every_digit_and_lose_what_json_cannot_say() -> None:
    verdict = samples.hostile()
    loaded = json.loads(render_verdict(verdict, "json"), parse_constant=pytest.fail)
    row = next(row for row in loaded["analysis"]["layers"] if row["name"] == "not finite")
    assert (row["alpha"], row["x_max"], row["ks_distance"]) == (None, None, None)
    exact = json.loads(render_verdict(samples.blocked(), "json"))["analysis"]["layers"][3]["alpha"]
    original = samples.blocked().analysis
    assert original is not None
    assert exact == original.layers[3].alpha


def test_text_is_utf8_with_invisible_characters_escaped() -> None:
    text = render_verdict(samples.hostile(), "json")
    assert "\u202e" not in text
    assert "\\u202e" in text
    assert "\x1b" not in text
    assert json.loads(text)["analysis"]["layers"][3]["name"] == "bidi\u202egpj.exe\u2066"
    assert "é" in render_analysis(samples.analysis_of([], uri="modèle é"), "json")


def test_brackets_and_line_breaks_inside_names_are_left_alone() -> None:
    name = "[\n 1,\n 2\n] [ 1,  2 ]"
    text = render_analysis(samples.analysis_of([], uri=name), "json")
    assert json.loads(text)["source"]["uri"] == name


def test_words_of_a_later_version_count_as_their_strictest_meaning() -> None:
    changed = document()
    changed["outcome"] = changed["policies"][0]["outcome"] = "splendid"
    changed["policies"][0]["mode"] = "suggest"
    changed["rules"][5] |= {"outcome": "fine", "severity": "mild"}
    changed["new_key"] = changed["rules"][5]["another"] = {"any": "thing"}
    verdict = load_verdict(json.dumps(changed))
    assert (verdict.outcome, verdict.policies[0].outcome, verdict.policies[0].mode) == (
        "blocked",
        "blocked",
        "enforce",
    )
    assert (verdict.rules[5].outcome, verdict.rules[5].severity) == ("failed", "block")


def test_null_where_a_run_metric_was_not_finite() -> None:
    changed = document()
    changed["run_metrics"] = {"loss": None}
    assert math.isnan(load_verdict(json.dumps(changed)).run_metrics["loss"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "gate/verdict/2"}, "gate/verdict/2"),
        ({"schema": None}, "None"),
        ({"rules": {}}, "rules"),
        ({"policies": [{"name": "p"}]}, "policies.0"),
        ({"outcome": 3}, "outcome"),
        ({"rules": [{"id": 10**30}]}, "64 bits"),
        ({"analysis": {"schema": "gate/analysis/9"}}, "gate/analysis/9"),
    ],
)
def test_what_is_no_verdict_is_refused_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_verdict(json.dumps(document() | change))
    assert said in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{", "nonsense", b"\xff\xfe\x00", "[" * 100_000, '{"schema": NaN}', "1" * 10_000,
        '{"schema": ["gate/verdict/1"]}', b"\x00" * 100,
    ],
)  # fmt: skip
def test_hostile_bytes_are_a_usage_error(text: str | bytes) -> None:
    for load in (load_verdict, load_analysis):
        with pytest.raises(UsageError):
            load(text)


def test_size_is_checked_before_anything_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_format, "MAX_BYTES", 10)
    monkeypatch.setattr("json.loads", pytest.fail)
    with pytest.raises(UsageError, match="10 bytes"):
        load_verdict(b" " * 11)


def test_an_analysis_is_no_verdict_and_the_other_way_round() -> None:
    with pytest.raises(UsageError, match="gate/analysis/1"):
        load_verdict(render_analysis(samples.transformer(), "json"))
    with pytest.raises(UsageError, match="gate/verdict/1"):
        load_analysis(render_verdict(samples.blocked(), "json"))
