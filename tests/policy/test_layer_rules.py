"""Rules about layers by themselves."""
# ruff: noqa: E501 - a table of cases reads best with one case a line

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gate.policy.interface import OUTCOMES_WORST_FIRST
from tests.policy.build import alphas, analysis, changed, old, row, rule_of, verdict_of

if TYPE_CHECKING:
    from gate.spectra.interface import LayerMetrics

ALPHA = "metric: layer.alpha, within: [2, 6]"


def test_ends_of_a_range_are_inside() -> None:
    assert rule_of(analysis(*alphas(2.0, 6.0)), ALPHA).outcome == "passed"


@pytest.mark.parametrize(("operator", "passes", "fails"), [
    ("within: [2, 6]", 4.0, 6.001), ("at_least: 3", 3.0, 2.999), ("at_most: 3", 3.0, 3.001),
    ("equals: 3", 3.0, 3.001), ("in: [3, 4]", 4.0, 5.0), ("not_in: [3, 4]", 5.0, 4.0),
])  # fmt: skip
def test_every_operator_on_numbers(operator: str, passes: float, fails: float) -> None:
    assert rule_of(analysis(*alphas(passes)), f"metric: layer.alpha, {operator}").outcome == "passed"
    assert rule_of(analysis(*alphas(fails)), f"metric: layer.alpha, {operator}").outcome == "failed"


@pytest.mark.parametrize(("operator", "passes", "fails"), [
    ("equals: heavy-tailed", "heavy-tailed", "bulk-decay"),
    ("in: [heavy-tailed, bulk-decay]", "bulk-decay", "random-like"),
    ("not_in: [random-like]", "bulk-decay", "random-like"),
])  # fmt: skip
def test_every_operator_on_labels(operator: str, passes: str, fails: str) -> None:
    rule = f"metric: layer.phase, {operator}"
    assert rule_of(analysis(row("a", phase=passes)), rule).outcome == "passed"
    assert rule_of(analysis(row("a", phase=fails)), rule).outcome == "failed"


def test_flags_hold_several_labels() -> None:
    rule = "metric: layer.flags, not_in: [not-finite, constant]"
    assert rule_of(analysis(row("a", flags=("short-tail", "few-decades"))), rule).outcome == "passed"
    assert rule_of(analysis(row("a")), rule).outcome == "passed"
    said = rule_of(analysis(row("a"), row("b", None, flags=("short-tail", "not-finite"))), rule)
    assert (said.outcome, said.layers[0].name, said.layers[0].value) == (
        "failed",
        "b",
        "short-tail, not-finite",
    )


def test_the_worst_layers_come_first_with_their_values() -> None:
    said = rule_of(analysis(*alphas(3.0, 7.0, 1.5, 9.0)), ALPHA)
    assert [(layer.name, layer.value) for layer in said.layers] == [("l3", 9.0), ("l1", 7.0), ("l2", 1.5)]
    assert said.value == "3 of 4 layers"
    assert said.bounds == (2.0, 6.0)
    assert said.message == "3 of 4 layers failed: layer.alpha within 2 to 6; worst: l3 9, l1 7, l2 1.5"
    assert said.brief == "3 of 4 layers failed: layer.alpha within 2 to 6"
    assert rule_of(analysis(*alphas(3.0)), ALPHA).brief == ""


def test_a_message_names_some_layers_and_counts_the_rest() -> None:
    said = rule_of(analysis(*alphas(*[7.0] * 8)), ALPHA)
    assert said.message.endswith("worst: l0 7, l1 7, l2 7, l3 7, l4 7 and 3 more")
    assert len(said.layers) == 8


@pytest.mark.parametrize(("allow", "outcome"), [
    ("{share: 0.3}", "passed"), ("{share: 0.29}", "failed"), ("{count: 3}", "passed"), ("{count: 2}", "failed"),
    ("{share: 0}", "failed"), ("{count: 0}", "failed"), ("{share: 1}", "passed"),
])  # fmt: skip
def test_allow_forgives_up_to_its_limit(allow: str, outcome: str) -> None:
    candidate = analysis(*alphas(*[3.0] * 7, *[7.0] * 3))
    assert rule_of(candidate, f"{ALPHA}, allow: {allow}").outcome == outcome


def test_what_allow_forgives_is_shown_all_the_same() -> None:
    said = rule_of(analysis(*alphas(3.0, 7.0)), f"{ALPHA}, allow: {{share: 0.5}}")
    assert (said.outcome, [layer.name for layer in said.layers]) == ("passed", ["l1"])
    assert said.limit == "within 2 to 6 (allowed: 0.5 of the layers)"


def test_allow_by_parameters_weighs_layers() -> None:
    rows = (row("small", 7.0, parameters=100), row("large", 3.0, parameters=900))
    by = f"{ALPHA}, allow: {{share: 0.1, by: parameters}}"
    assert rule_of(analysis(*rows), by).outcome == "passed"
    assert rule_of(analysis(*rows, row("more", 7.0, parameters=20)), by).outcome == "failed"
    assert rule_of(analysis(*rows), f"{ALPHA}, allow: {{count: 100, by: parameters}}").outcome == "passed"
    assert rule_of(analysis(*rows), f"{ALPHA}, allow: {{count: 99, by: parameters}}").outcome == "failed"


def test_embeddings_and_depthwise_stay_out_unless_named() -> None:
    rows = (row("a"), row("e", 9.0, kind="embedding"), row("d", 9.0, kind="depthwise"))
    said = rule_of(analysis(*rows), ALPHA)
    assert (said.outcome, said.evaluated, said.excluded) == ("passed", 1, ())
    assert rule_of(analysis(*rows), f"{ALPHA}, where: {{kind: [embedding]}}").layers[0].name == "e"


def test_where_selects_by_kind_and_name() -> None:
    rows = (row("encoder.0"), row("decoder.0", 9.0), row("encoder.1", 9.0, kind="conv2d", layer="x.1"))
    assert (
        rule_of(analysis(*rows), f'{ALPHA}, where: {{name: "encoder.*", kind: [dense]}}').outcome == "passed"
    )
    assert rule_of(analysis(*rows), f'{ALPHA}, where: {{name: "x.*"}}').evaluated == 1
    said = rule_of(analysis(*rows), f'{ALPHA}, where: {{name: "Encoder.*"}}')
    assert said.outcome == "not_applicable"


def test_small_layers_are_left_out_counted_and_named() -> None:
    rows = (
        row("a"),
        row("b", 9.0, tail_size=19),
        row("c", 9.0, eigenvalues=49),
        row("d", 9.0, tail_size=None),
    )
    said = rule_of(analysis(*rows), f"{ALPHA}, where: {{min_tail: 20, min_eigenvalues: 50}}")
    assert (said.outcome, said.evaluated, said.excluded) == ("passed", 1, ("b", "c", "d"))
    assert "; 2 layers left out: a tail below 20; 1 layer left out: fewer than 50 eigenvalues" in said.message


def test_a_layer_without_a_value_is_left_out_counted_and_named() -> None:
    said = rule_of(analysis(row("a"), row("b", None)), ALPHA)
    assert (said.outcome, said.evaluated, said.excluded) == ("passed", 1, ("b",))
    assert "1 layer left out: without a value" in said.message


def test_a_metric_nobody_measured_is_inconclusive_not_passed() -> None:
    verdict = verdict_of(analysis(row("a", phase=None)), "metric: layer.phase, not_in: [random-like]")
    assert (verdict.rules[0].outcome, verdict.outcome) == ("inconclusive", "inconclusive")


def test_a_rule_that_matches_nothing_says_so_and_a_policy_of_such_rules_is_inconclusive() -> None:
    nothing = f"{ALPHA}, where: {{kind: [lstm]}}"
    verdict = verdict_of(analysis(row("a")), nothing)
    assert (verdict.rules[0].outcome, verdict.outcome) == ("not_applicable", "inconclusive")
    assert "no rule applied" in verdict.policies[0].message
    assert verdict_of(analysis(row("a")), nothing, ALPHA).outcome == "passed"


@pytest.mark.parametrize(("fields", "why"), [
    ({"tail_size": 5}, "a tail below 20"), ({"alpha": None}, "without a value"),
    ({"eigenvalues": 3}, "fewer than 50 eigenvalues"), ({"alpha": math.nan}, "without a value"),
])  # fmt: skip
def test_a_layer_that_slipped_out_of_the_rule_since_the_baseline_failed(
    fields: dict[str, object], why: str
) -> None:
    before = alphas(3.0, 3.0)
    now = changed(before, "l1", **fields)
    rule = f"{ALPHA}, where: {{min_tail: 20, min_eigenvalues: 50}}"
    assert rule_of(analysis(*now), rule).outcome == "passed"
    said = rule_of(analysis(*now), rule, baseline=old(*before))
    assert (said.outcome, said.layers[0].name, said.layers[0].baseline_value) == ("failed", "l1", 3.0)
    assert said.layers[0].why == f"{why}, unlike in the baseline"


def test_a_layer_cannot_leave_a_rule_by_a_new_name() -> None:
    before, now = row("encoder.1"), row("other", 9.0)
    rule = f'{ALPHA}, where: {{name: "encoder.*"}}'
    said = rule_of(analysis(row("encoder.0"), now), rule, baseline=old(row("encoder.0"), before))
    assert (said.outcome, said.layers[0].name) == ("failed", "other")


def test_a_layer_that_was_outside_before_is_no_failure() -> None:
    rows = alphas(3.0, None)
    assert rule_of(analysis(*rows), ALPHA, baseline=old(*rows)).outcome == "passed"


def test_hostile_names_are_spelled_out() -> None:
    said = rule_of(analysis(row("a\n\x1b[31mPASSED\u202e", 9.0)), ALPHA)
    assert said.message.isprintable()
    assert said.layers[0].name == "a\n\x1b[31mPASSED\u202e"


ROWS = st.builds(
    row,
    st.text(max_size=8),
    st.none() | st.floats(1, 12),
    kind=st.sampled_from(["dense", "conv2d", "embedding", "depthwise"]),
    tail_size=st.none() | st.integers(0, 60),
    phase=st.sampled_from([None, "random-like", "heavy-tailed"]),
    parameters=st.integers(1, 1000),
)
RULES = (
    f"{ALPHA}, where: {{min_tail: 20}}, allow: {{share: 0.3}}",
    f"{ALPHA}, allow: {{share: 0.3, by: parameters}}",
    "metric: layer.phase, not_in: [random-like], allow: {count: 2}",
)


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=12), st.sampled_from(RULES))
def test_a_damaged_layer_more_never_improves_the_outcome(rows: list[LayerMetrics], rule: str) -> None:
    broken = row("broken", 11.0, phase="random-like")
    before, after = verdict_of(analysis(*rows), rule), verdict_of(analysis(*rows, broken), rule)
    assume(before.rules[0].evaluated)  # else nothing was judged before, and there is now something that was
    assert OUTCOMES_WORST_FIRST.index(after.outcome) <= OUTCOMES_WORST_FIRST.index(before.outcome)


@settings(deadline=None)
@given(st.lists(st.floats(2, 6), min_size=1, max_size=8), st.data())
def test_damaging_a_layer_never_improves_the_outcome(values: list[float], data: st.DataObject) -> None:
    rows = alphas(*values)
    victim = data.draw(st.sampled_from(rows))
    damage: dict[str, Any] = data.draw(
        st.sampled_from([{"alpha": None}, {"alpha": 9.0}, {"tail_size": 1}, {"alpha": math.nan}])
    )
    hurt = tuple(replace(item, **damage) if item is victim else item for item in rows)
    rule = f"{ALPHA}, where: {{min_tail: 20}}"
    assert rule_of(analysis(*rows), rule, baseline=old(*rows)).outcome == "passed"
    assert rule_of(analysis(*hurt), rule, baseline=old(*rows)).outcome == "failed"
