"""Policies: coverage, baselines, outcomes, modes, exit codes."""
# ruff: noqa: E501 - a table of cases reads best with one case a line

from __future__ import annotations

import sys
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.analysis.interface import Coverage, FileFindings
from gate.errors import ExitCode
from gate.policy import (
    error_verdict,
    exit_code,
    judge,
    load_policy,
    needed_groups,
    nothing_verdict,
    packaged_policy,
    sentence,
    without_weights,
    worst,
)
from gate.policy.interface import OUTCOMES_WORST_FIRST, Baseline, Outcome, PolicyResult, Verdict
from gate.policy.rules import Choice
from gate.spectra.interface import LayerMetrics, ModelSummary
from tests.policy.build import alphas, analysis, old, policy, resolver, row, rule_of, verdict_of

ALPHA = "metric: layer.alpha, within: [2, 6]"
AGAINST = "metric: layer.alpha, against: baseline, max_increase: {absolute: 1}"
GOOD, BAD = analysis(*alphas(3.0)), analysis(*alphas(9.0))


# Rules about one figure


@pytest.mark.parametrize(("rule", "outcome"), [
    ("metric: file.unsafe_globals, at_most: 1", "failed"), ("metric: file.unsafe_globals, at_most: 2", "passed"),
    ("metric: file.unreferenced_bytes, at_most: 6", "failed"), ("metric: file.nested_archives, equals: 1", "passed"),
    ("metric: coverage.share, at_least: 0.75", "passed"), ("metric: coverage.share, at_least: 0.76", "failed"),
    ("metric: coverage.skipped, at_most: 0", "passed"), ("metric: model.alpha, within: [2, 6]", "passed"),
    ("metric: model.layers, at_least: 3", "failed"), ("metric: run.metrics.val_accuracy, at_least: 0.9", "passed"),
    ("metric: run.metrics.val_accuracy, at_least: 0.96", "failed"), ("metric: run.metrics.other, at_least: 0", "inconclusive"),
    ("metric: run.metrics.nan, at_most: 1", "inconclusive"), ("metric: run.metrics.nan, not_in: [1]", "inconclusive"),
    ("metric: run.metrics.minus_inf, at_most: 5", "inconclusive"), ("metric: run.metrics.plus_inf, at_least: 5", "inconclusive"),
    ("metric: model.mp_soft_rank, at_most: 1", "inconclusive"),
])  # fmt: skip
def test_figures_of_the_model_file_coverage_and_run(rule: str, outcome: str) -> None:
    candidate = analysis(
        *alphas(3.0),
        file=FileFindings(("os.system", "nt.system"), 7, ("a.zip",)),
        coverage=Coverage(400, 300, 4, 3, ()),
    )
    # MLflow's databases hold an infinity as the largest float.
    stored = {"minus_inf": -sys.float_info.max, "plus_inf": sys.float_info.max}
    said = rule_of(candidate, rule, run_metrics={"val_accuracy": 0.95, "nan": float("nan"), **stored})
    assert said.outcome == outcome


def test_a_figure_that_the_baseline_had_and_this_version_lost_failed() -> None:
    candidate = analysis(*alphas(None))
    assert rule_of(candidate, "metric: model.alpha, at_most: 6").outcome == "inconclusive"
    said = rule_of(candidate, "metric: model.alpha, at_most: 6", baseline=old(*alphas(3.0)))
    assert (said.outcome, said.value, said.baseline_value) == ("failed", None, 3.0)


def test_run_metrics_compare_across_architectures() -> None:
    rule = "metric: run.metrics.acc, against: baseline, max_decrease: {absolute: 0.01}"
    other = old(*alphas(3.0), architecture="sha256:other")
    known = resolver(champion=other)

    def resolve(spec: str) -> Any:
        return replace(known(spec), run_metrics={"acc": 0.95})

    for value, outcome in ((0.945, "passed"), (0.935, "blocked")):
        assert judge(GOOD, [policy(rule)], resolve=resolve, run_metrics={"acc": value}).outcome == outcome
    assert judge(GOOD, [policy(rule)], resolve=resolve).rules[0].outcome == "failed"  # no longer logged
    assert (
        judge(GOOD, [policy(rule)], resolve=known, run_metrics={"acc": 1.0}).rules[0].outcome
        == "inconclusive"
    )


# Severity and outcome


@pytest.mark.parametrize(
    ("severity", "outcome"), [("block", "blocked"), ("warn", "warned"), ("info", "passed")]
)
def test_severity_says_what_a_failure_does(severity: str, outcome: str) -> None:
    verdict = verdict_of(BAD, f"{ALPHA}, severity: {severity}")
    assert (verdict.outcome, verdict.rules[0].outcome, verdict.rules[0].severity) == (
        outcome,
        "failed",
        severity,
    )


@pytest.mark.parametrize(
    ("severity", "outcome"), [("block", "inconclusive"), ("warn", "warned"), ("info", "passed")]
)
def test_severity_says_what_an_inconclusive_rule_does(severity: str, outcome: str) -> None:
    assert verdict_of(GOOD, f"metric: run.metrics.x, at_most: 1, severity: {severity}").outcome == outcome


def test_the_worst_policy_decides() -> None:
    assert worst(["passed", "warned", "inconclusive", "blocked"]) == "blocked"
    assert worst(["passed", "error", "blocked"]) == "error"
    assert worst([]) == "inconclusive"
    verdict = judge(
        BAD,
        [
            policy(ALPHA + ", severity: warn"),
            policy(ALPHA),
            policy("metric: file.unsafe_globals, at_most: 0"),
        ],
    )
    assert [result.outcome for result in verdict.policies] == ["warned", "blocked", "passed"]
    assert verdict.outcome == "blocked"


def test_nothing_that_governs_is_no_pass() -> None:
    verdict = judge(GOOD, [])
    assert (verdict.outcome, exit_code(verdict)) == ("inconclusive", ExitCode.INCONCLUSIVE)


def test_a_policy_says_which_rule_decided_and_why_it_is_there() -> None:
    verdict = verdict_of(BAD, ALPHA, "metric: file.unsafe_globals, at_most: 0")
    assert verdict.policies[0].message == sentence(verdict.rules[0])
    assert (
        sentence(verdict.rules[0]) == "r0 (why): 1 of 1 layer failed: layer.alpha within 2 to 6; worst: l0 9"
    )
    assert verdict.rules[0].line == 5


def test_coverage_below_the_minimum_is_inconclusive() -> None:
    for measured, head, outcome in (
        (89, "", "inconclusive"),
        (90, "", "passed"),
        (50, "coverage: {min_parameters: 0.5}", "passed"),
    ):
        candidate = replace(GOOD, coverage=Coverage(100, measured, 2, 1, ()))
        assert verdict_of(candidate, ALPHA, head=head).outcome == outcome
    verdict = verdict_of(replace(BAD, coverage=Coverage(100, 10, 2, 1, ())), ALPHA)
    assert (verdict.outcome, exit_code(verdict)) == ("blocked", ExitCode.BLOCKED)
    assert "10 of 100 parameters" in verdict.policies[0].message
    assert verdict_of(replace(GOOD, coverage=Coverage(0, 0, 1, 1, ())), ALPHA).outcome == "inconclusive"


# Baselines


@pytest.mark.parametrize(("choice", "outcome", "rule_outcome"), [
    ("pass", "passed", "not_applicable"), ("warn", "warned", "not_applicable"), ("block", "blocked", "failed"),
])  # fmt: skip
def test_when_missing_decides_about_a_first_version(choice: str, outcome: str, rule_outcome: str) -> None:
    verdict = verdict_of(GOOD, AGAINST, head=f"baseline: {{when_missing: {choice}}}")
    assert (verdict.outcome, verdict.rules[0].outcome) == (outcome, rule_outcome)
    assert f"baseline.when_missing is {choice}" in verdict.rules[0].message
    assert f"baseline.when_missing is {choice}" in verdict.policies[0].message
    assert [result.why for result in verdict.baselines] == ["no such version", "no such version"]


@pytest.mark.parametrize(
    ("choice", "outcome"), [("pass", "passed"), ("warn", "warned"), ("block", "blocked")]
)
def test_when_not_comparable_decides_about_another_architecture(choice: str, outcome: str) -> None:
    other = old(*alphas(1.0), architecture="sha256:other")
    verdict = verdict_of(GOOD, AGAINST, baseline=other, head=f"baseline: {{when_not_comparable: {choice}}}")
    assert verdict.outcome == outcome
    assert "kinds or shapes" in verdict.rules[0].message


def test_a_choice_does_not_make_a_rule_severer_than_it_is() -> None:
    for severity, outcome in (("warn", "warned"), ("info", "passed")):
        assert verdict_of(GOOD, f"{AGAINST}, severity: {severity}").outcome == outcome


def test_silence_about_missing_baselines_blocks() -> None:
    assert verdict_of(GOOD, AGAINST).outcome == "blocked"


def test_baselines_are_tried_in_order_until_one_is_comparable() -> None:
    unlike, low, high = old(row("l0", 1.0), architecture="x"), old(*alphas(1.0)), old(*alphas(3.0))
    for known, outcome in (
        ({"champion": high, "previous": low}, "passed"), ({"champion": low, "previous": high}, "blocked"),
        ({"previous": low}, "blocked"), ({"champion": unlike, "previous": high}, "passed"),
    ):  # fmt: skip
        assert judge(GOOD, [policy(AGAINST)], resolve=resolver(**known)).outcome == outcome


def test_a_rule_may_have_a_baseline_of_its_own() -> None:
    rule = "metric: layer.alpha, against: version:1, max_increase: {absolute: 1}"
    known = resolver(champion=old(*alphas(3.0)), first=old(*alphas(1.0)))
    assert [result.outcome for result in judge(GOOD, [policy(AGAINST, rule)], resolve=known).rules] == [
        "passed",
        "failed",
    ]


def test_the_command_line_may_name_other_baselines() -> None:
    known = resolver(champion=old(*alphas(1.0)), previous=old(*alphas(3.0)))
    assert judge(GOOD, [policy(AGAINST)], resolve=known, baselines=["previous"]).outcome == "passed"
    verdict = judge(GOOD, [policy(AGAINST)], resolve=known, baselines=["none"])
    assert (verdict.outcome, verdict.baselines[0].why) == ("blocked", "no baseline wanted")


# Exit codes


def verdict(*policies: tuple[Outcome, str]) -> Verdict:
    results = tuple(PolicyResult("p", "", "", mode, outcome) for outcome, mode in policies)  # type: ignore[arg-type]
    return Verdict(worst(outcome for outcome, _ in policies), results, (), (), None)


@pytest.mark.parametrize(("policies", "fail_on", "code"), [
    ([("passed", "enforce")], "block", 0), ([("warned", "enforce")], "block", 0), ([("warned", "enforce")], "warn", 1),
    ([("blocked", "enforce")], "block", 1), ([("inconclusive", "enforce")], "block", 4), ([("error", "enforce")], "block", 3),
    ([("blocked", "enforce"), ("error", "enforce")], "block", 3),
    ([("blocked", "enforce"), ("inconclusive", "enforce")], "block", 1),
    ([("warned", "enforce"), ("inconclusive", "enforce")], "warn", 1),
    ([("warned", "enforce"), ("inconclusive", "enforce")], "block", 4),
    ([("blocked", "audit")], "block", 0), ([("warned", "audit")], "warn", 0), ([("error", "audit")], "block", 0),
    ([("blocked", "audit"), ("inconclusive", "enforce")], "block", 4),
])  # fmt: skip
def test_exit_codes(policies: list[tuple[Outcome, str]], fail_on: Any, code: int) -> None:
    assert exit_code(verdict(*policies), fail_on=fail_on) == code


def test_audit_keeps_the_true_outcome() -> None:
    audited = verdict_of(BAD, ALPHA, head="mode: audit")
    assert (audited.outcome, audited.policies[0].outcome, exit_code(audited)) == ("blocked", "blocked", 0)


@pytest.mark.parametrize(("choice", "outcome", "code"), [("block", "error", 3), ("warn", "warned", 0)])
def test_on_error(choice: str, outcome: str, code: int) -> None:
    result = error_verdict([policy(ALPHA, head=f"on_error: {choice}")], "cut short")
    assert (result.outcome, exit_code(result), result.analysis, result.error) == (
        outcome,
        code,
        None,
        "cut short",
    )
    assert f"on_error is {choice}" in result.policies[0].message
    assert result.policies[0].digest == verdict_of(GOOD, ALPHA, head=f"on_error: {choice}").policies[0].digest


def test_an_unreadable_model_that_nothing_governs_is_an_error() -> None:
    assert exit_code(error_verdict([], "cut short")) == ExitCode.FAILED
    assert exit_code(nothing_verdict([], "no weights")) == ExitCode.INCONCLUSIVE


@pytest.mark.parametrize(
    ("choice", "outcome", "code"),
    [("block", "inconclusive", 4), ("warn", "warned", 0), ("pass", "passed", 0)],
)
def test_when_nothing_to_measure(choice: str, outcome: str, code: int) -> None:
    result = nothing_verdict([policy(ALPHA, head=f"when_nothing_to_measure: {choice}")], "no weights")
    assert (result.outcome, exit_code(result)) == (outcome, code)
    assert f"when_nothing_to_measure is {choice}" in result.policies[0].message


GLOBALS = "metric: file.unsafe_globals, at_most: 0"
LOSS = "metric: run.metrics.loss, at_most: 5"


def empty(*rules: str, head: str = "", **options: Any) -> Verdict:
    return nothing_verdict([policy(*rules, head=head)], "no weights", **options)


@pytest.mark.parametrize("choice", ["block", "warn", "pass"])
@pytest.mark.parametrize(("rule", "options", "said", "worst_of"), [
    (GLOBALS, {"unsafe_globals": ("os.system",)}, "failed", "blocked"),
    (GLOBALS, {"unsafe_globals": None}, "inconclusive", "inconclusive"),
    (GLOBALS, {"unsafe_globals": ()}, "passed", "passed"),
    ("metric: file.nested_archives, at_most: 0", {"unsafe_globals": ()}, "inconclusive", "inconclusive"),
    (f"{GLOBALS}, severity: warn", {"unsafe_globals": ("os.system",)}, "failed", "warned"),
    (LOSS, {"run_metrics": {"loss": 9.0}}, "failed", "blocked"), (LOSS, {"run_metrics": {"loss": 4.0}}, "passed", "passed"),
    (LOSS, {}, "inconclusive", "inconclusive"), (ALPHA, {}, "not_applicable", "passed"),
    ("metric: model.layers, at_least: 1", {}, "not_applicable", "passed"), ("metric: coverage.share, at_least: 0.9", {}, "not_applicable", "passed"),
])  # fmt: skip
def test_what_needs_no_weights_is_judged_without_any(
    choice: str, rule: str, options: dict[str, Any], said: str, worst_of: Outcome
) -> None:
    result = empty(rule, head=f"when_nothing_to_measure: {choice}", **options)
    by_key: dict[str, Outcome] = {"block": "inconclusive", "warn": "warned", "pass": "passed"}
    assert [found.outcome for found in result.rules] == [said]
    assert result.outcome == result.policies[0].outcome == worst([by_key[choice], worst_of])
    assert result.analysis is None


def test_a_refusal_of_a_model_without_weights_names_rule_and_finding() -> None:
    result = empty(
        GLOBALS, ALPHA, head="when_nothing_to_measure: pass", unsafe_globals=("os.system",), uri="models:/m/1"
    )
    assert exit_code(result) == ExitCode.BLOCKED
    assert "os.system" in result.rules[0].message
    assert "os.system" in result.policies[0].message
    audited = empty(GLOBALS, head="mode: audit\nwhen_nothing_to_measure: pass", unsafe_globals=("os.system",))
    assert (audited.outcome, exit_code(audited)) == ("blocked", ExitCode.PASSED)


def test_no_baseline_is_looked_up_for_what_needs_none() -> None:
    def resolve(spec: str) -> Baseline:
        raise AssertionError(spec)

    assert empty(GLOBALS, ALPHA, AGAINST, unsafe_globals=(), resolve=resolve).baselines == ()


def test_runs_of_models_without_weights_are_compared() -> None:
    rule = "metric: run.metrics.acc, against: baseline, max_decrease: {absolute: 0.01}"
    champion = Baseline(
        "alias:champion", "models:/m/1", without_weights("models:/m/1", "gate-1"), "", {"acc": 0.9}
    )

    def resolve(spec: str) -> Baseline:
        return champion if spec == "alias:champion" else Baseline(spec, None, None, "missing")

    outcomes = [
        empty(rule, head="when_nothing_to_measure: pass", run_metrics={"acc": acc}, resolve=resolve).outcome
        for acc in (0.895, 0.85)
    ]
    assert outcomes == ["passed", "blocked"]


def test_every_choice_is_tried() -> None:
    assert set(get_args(Choice)) == {"pass", "warn", "block"}


def test_the_groups_that_rules_need() -> None:
    assert needed_groups([policy(ALPHA)]) == {"default"}
    traps = "metric: layer.correlation_traps, at_most: 0"
    assert needed_groups([policy("metric: layer.phase, not_in: [random-like]"), policy(traps)]) == {
        "randomness",
        "shuffle",
    }
    assert needed_groups([policy("metric: file.unsafe_globals, at_most: 0")]) == frozenset()


# Odd analyses

FIGURES = [field.name for field in fields(LayerMetrics) if field.type == "float | None"]
COUNTS = [field.name for field in fields(LayerMetrics) if field.type == "int | None"]
PACKAGED = [load_policy(packaged_policy(name)) for name in ("default", "strict", "llm")]


@st.composite
def odd_analyses(draw: st.DrawFn) -> Any:
    rows = []
    for name in draw(st.lists(st.text(max_size=5), max_size=8)):
        odd: dict[str, Any] = dict.fromkeys(draw(st.sets(st.sampled_from(COUNTS))))
        values = st.sampled_from([None, float("nan"), float("inf"), 0.0])
        odd |= dict.fromkeys(draw(st.sets(st.sampled_from(FIGURES))), draw(values))
        odd["phase"] = draw(st.sampled_from([None, "random-like", "heavy-tailed"]))
        kind = draw(st.sampled_from(["dense", "attention", "embedding"]))
        rows.append(row(name, **(odd | {"kind": kind})))
    model = ModelSummary(0, 0) if draw(st.booleans()) else analysis(*rows).model
    return analysis(*rows, model=model, digest=draw(st.sampled_from(["a", "b"])))


@settings(max_examples=60, deadline=None)
@given(odd_analyses(), odd_analyses())
def test_judging_never_raises_and_always_decides(candidate: Any, baseline: Any) -> None:
    verdict = judge(candidate, PACKAGED, resolve=resolver(champion=baseline, first=baseline))
    assert verdict.outcome in OUTCOMES_WORST_FIRST
    assert len(verdict.rules) == sum(len(policy.rules) for policy in PACKAGED)
    assert all(rule.message.isprintable() for rule in verdict.rules)
    assert judge(candidate, PACKAGED, resolve=resolver(champion=baseline, first=baseline)) == verdict
