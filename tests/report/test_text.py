"""Text for people: what failed comes first, nothing is dropped without a count."""

from __future__ import annotations

import dataclasses
import re

import pytest

from gate.analysis.interface import SkippedLayer
from gate.policy import packaged_policy
from gate.report import render_analysis, render_verdict
from gate.report.text import SHOWN_LAYERS, SHOWN_SKIPPED
from tests.report import samples


def test_order_of_a_blocked_verdict() -> None:
    text = render_verdict(samples.blocked(), "text")
    assert text.startswith("✖ BLOCKED  models:/fraud-encoder/4\n")
    words = [
        "Failed\n",
        "Warnings\n",
        "Inconclusive\n",
        "Waived\n",
        "Not applicable\n",
        "Model\n",
        "Coverage\n",
    ]
    places = [text.index(f"\n{word}") for word in [*words, "Baseline\n", "What to do next\n"]]
    assert places == sorted(places)
    assert (
        "7 rules: 2 failed, 1 failed as warning, 1 inconclusive, 1 waived, 1 not applicable, 1 passed" in text
    )


def test_audit_mode_is_said_loudly_and_only_then() -> None:
    text = render_verdict(samples.blocked("audit"), "text")
    assert text.startswith("✖ WOULD BE BLOCKED (AUDIT MODE)")
    assert "!! AUDIT MODE: policy production refuses nothing." in text
    assert "AUDIT" not in render_verdict(samples.blocked(), "text")


def test_worst_layers_come_first_and_the_rest_are_counted() -> None:
    verdict = samples.many(300)
    assert verdict.analysis is not None
    rule = samples._in_range(verdict.analysis)
    assert len(rule.layers) > SHOWN_LAYERS
    text = render_verdict(dataclasses.replace(verdict, rules=(rule,)), "text")
    section = text.split("Failed\n")[1].split("\n\n")[0]
    values = [float(value) for value in re.findall(r"^ +([\d.]+)  model", section, re.MULTILINE)]
    assert values == sorted(values, reverse=True)
    assert len(values) == SHOWN_LAYERS
    assert f"and {len(rule.layers) - SHOWN_LAYERS} more layers" in section


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_layers_are_named_once(form: str) -> None:
    verdict = samples.blocked()
    rule = next(rule for rule in verdict.rules if rule.outcome == "failed" and rule.layers)
    rule = dataclasses.replace(rule, message="1 failed; worst: so and so", brief="1 failed, see below")
    text = render_verdict(dataclasses.replace(verdict, rules=(rule,)), form)
    assert "1 failed, see below" in text
    assert "so and so" not in text
    told = render_verdict(dataclasses.replace(verdict, rules=(rule,)), "junit")
    assert "so and so" in told  # many viewers show nothing else


def test_a_packaged_policy_is_explained_by_its_name() -> None:
    (policy,) = [policy for policy in samples.blocked().policies if policy.outcome == "blocked"]
    packaged = dataclasses.replace(policy, file=str(packaged_policy("strict")))
    verdict = dataclasses.replace(samples.blocked(), policies=(packaged,))
    assert "gate policy explain strict\n" in render_verdict(verdict, "text")


def test_skipped_tensors_are_named_or_counted() -> None:
    skipped = tuple(SkippedLayer(f"t{index}", "why") for index in range(SHOWN_SKIPPED + 7))
    text = render_analysis(samples.analysis_of([], skipped=skipped), "text")
    assert text.count("  skipped t") == SHOWN_SKIPPED
    assert "and 7 more" in text


@pytest.mark.parametrize("sample", ["hostile", "blocked"])
def test_no_name_moves_the_cursor_or_breaks_a_line(sample: str) -> None:
    for text in (
        render_verdict(samples.VERDICTS[sample](), "text"),
        render_verdict(samples.VERDICTS[sample](), "text", width=60),
    ):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)
        assert not re.search(r" $", text, re.MULTILINE)


def test_rich_markup_and_emoji_in_names_stay_text() -> None:
    text = render_verdict(samples.hostile(), "text")
    assert "[bold]markup[/bold] :smile:" in text


def test_color_on_a_terminal_changes_nothing_but_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    plain = render_verdict(samples.blocked(), "text", width=120)
    colored = render_verdict(samples.blocked(), "text", color=True, width=120)
    assert "\x1b[1;31m" in colored
    stripped = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", colored).split("\n"))
    assert stripped == plain


def test_a_pipe_does_not_see_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = render_verdict(samples.blocked(), "text")
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "40", "TERM": "dumb", "TTY_COMPATIBLE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert render_verdict(samples.blocked(), "text") == plain


def test_a_narrow_terminal_drops_columns_not_names() -> None:
    narrow = render_analysis(samples.transformer(), "text", width=60)
    assert max(map(len, narrow.split("Layers\n")[1].split("Coverage")[0].split("\n"))) <= 60
    assert "AlphaHat  phase" not in narrow


def test_an_unreadable_model_says_why() -> None:
    text = render_verdict(samples.unreadable(), "text")
    assert text.startswith("✖ COULD NOT BE JUDGED")
    assert "claims 4,294,967,296 bytes" in text


def test_commands_are_quoted_for_the_shell() -> None:
    verdict = samples.passed()
    assert verdict.analysis is not None
    source = dataclasses.replace(verdict.analysis.source, uri="models:/a; rm -rf ~/3")
    hostile = dataclasses.replace(verdict, analysis=dataclasses.replace(verdict.analysis, source=source))
    assert "gate promote 'models:/a; rm -rf ~/3' --alias" in render_verdict(hostile, "text")
