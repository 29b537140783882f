"""Policies replayed over planted histories, whose decisions are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gate.policy.interface import Baseline
from gate.study.calibrate import backtest, good_history
from tests.policy.build import alphas, analysis, policy
from tests.study.calibrate.histories import series, version, with_alpha, with_run

if TYPE_CHECKING:
    from gate.study.calibrate.interface import PastVersion, PolicyBacktest

RISE = "metric: model.alpha, against: baseline, max_increase: {absolute: 0.5}"
LENIENT = "baseline: {when_missing: pass}"


def replayed(versions: list[PastVersion], *rules: str, head: str = LENIENT) -> PolicyBacktest:
    return backtest([policy(*rules, head=head)], versions, good_history(versions)).policies[0]


def outcomes(found: PolicyBacktest) -> list[str]:
    return [row.outcome for row in found.versions]


def test_the_baseline_is_the_newest_earlier_version_that_would_have_passed() -> None:
    # 4.0 rises by 1 over 3.0 and is refused; 3.4 compares with 3.0, not with 4.0; 3.9 then with 3.4.
    found = replayed(series([3.0, 4.0, 3.4, 3.9, 4.5]), RISE)
    assert outcomes(found) == ["passed", "blocked", "passed", "passed", "blocked"]
    assert [row.against for row in found.versions] == [
        None,
        "models:/net/1",
        "models:/net/1",
        "models:/net/3",
        "models:/net/4",
    ]


def test_todays_champion_plays_no_part() -> None:
    versions = series([3.0, 3.2, 3.4])
    versions[2] = replace(versions[2], fate="promoted")
    found = replayed(versions, RISE, head="baseline: {use: [alias:champion], when_missing: pass}")
    assert [row.against for row in found.versions] == [None, "models:/net/1", "models:/net/2"]


def test_an_alias_never_stood_on_what_was_rolled_back_but_previous_may() -> None:
    versions = series([3.0, 3.2, 3.4])
    versions[1] = replace(versions[1], fate="rolled back")
    by_alias = replayed(versions, RISE, head="baseline: {use: [alias:champion], when_missing: pass}")
    by_order = replayed(versions, RISE, head="baseline: {use: [previous], when_missing: pass}")
    assert by_alias.versions[2].against == "models:/net/1"
    assert by_order.versions[2].against == "models:/net/2"


def test_a_numbered_version_counts_once_it_is_there() -> None:
    rule = "metric: model.alpha, against: 'version:2', max_increase: {absolute: 0.5}"
    found = replayed(series([9.0, 3.0, 3.4, 3.6]), rule, head="baseline: {when_missing: warn}")
    assert outcomes(found) == ["warned", "passed", "passed", "blocked"]  # 2 is its own


def test_series_do_not_mix() -> None:
    other = [replace(one, model="b", uri=f"models:/b/{one.version}") for one in series([6.0, 6.1])]
    found = replayed([*series([3.0, 3.1]), *other], RISE)
    assert outcomes(found) == ["passed"] * 4
    assert found.versions[3].against == "models:/b/1"


def test_another_model_is_asked_of_who_knows_it() -> None:
    asked = []

    def elsewhere(spec: str, one: PastVersion) -> Baseline:
        asked.append((spec, one.name))
        return Baseline(spec, spec, with_alpha(7, 2.0).analysis, "as given")

    versions = series([3.0])
    rule = "metric: model.alpha, against: 'models:/other/7', max_increase: {absolute: 0.5}"
    found = backtest([policy(rule)], versions, good_history(versions), elsewhere=elsewhere).policies[0]
    assert asked == [("models:/other/7", "net/1")]
    assert outcomes(found) == ["blocked"]


def test_what_a_rule_costs() -> None:
    versions = [with_run(n, a=a, b=b) for n, (a, b) in enumerate([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)], 1)]
    versions[1] = replace(versions[1], fate="rolled back")
    found = replayed(
        versions,
        "metric: run.metrics.a, at_most: 0",
        "metric: run.metrics.b, at_most: 0",
        "metric: run.metrics.a, at_most: 9",
        "metric: run.metrics.b, at_least: 5, severity: warn",
        "metric: layer.alpha, where: {name: nothing}, within: [2, 6]",
    )
    first, second, idle, grumble, nowhere = found.rules
    assert (first.applied, first.fired, first.refused, first.alone, first.marginal) == (5, 2, 2, 1, 1)
    assert (second.refused, second.alone, second.marginal) == (2, 1, 1)
    assert (first.caught.count, first.caught.of) == (1, 1)
    assert (first.false_refusals.count, first.false_refusals.of) == (1, 4)
    assert [rule.remark for rule in found.rules] == ["", "", "never fires", "always fires", "never applies"]
    assert (grumble.fired, grumble.refused, nowhere.applied, idle.marginal) == (5, 0, 0, 0)
    assert (found.refused.count, found.refused.of) == (3, 5)
    assert (found.false_refusals.count, found.misses.count, found.misses.of) == (2, 0, 1)
    assert outcomes(found) == ["warned", "blocked", "blocked", "blocked", "warned"]


def test_a_rule_may_save_more_refusals_than_it_makes() -> None:
    # Version 2 lies far below, but its accuracy refuses it.  Without that rule it becomes the baseline
    # and 3 and 4 are refused for rising over it: sparing one refusal makes two.
    versions = [
        replace(one, run_metrics={"accuracy": accuracy})
        for one, accuracy in zip(series([3.0, 2.0, 3.0, 3.1]), [0.9, 0.5, 0.9, 0.9], strict=True)
    ]
    found = replayed(versions, RISE, "metric: run.metrics.accuracy, at_least: 0.8")
    assert outcomes(found) == ["passed", "blocked", "passed", "passed"]
    floor = found.rules[1]
    assert (floor.refused, floor.alone, floor.marginal) == (1, 1, -1)


def test_a_version_that_cannot_be_read_is_refused_and_named_and_no_baseline() -> None:
    versions = [version(1, None, error="truncated"), *series([3.0, 3.1])]
    versions = [replace(one, version=n, uri=f"models:/net/{n}") for n, one in enumerate(versions, 1)]
    result = backtest([policy(RISE, head=LENIENT)], versions, good_history(versions))
    assert outcomes(result.policies[0]) == ["error", "passed", "passed"]
    assert [(one.version, one.reason) for one in result.unreadable] == [("net/1", "truncated")]
    lenient = replayed(versions, RISE, head="baseline: {when_missing: pass}\non_error: warn")
    assert outcomes(lenient) == ["warned", "passed", "passed"]
    assert lenient.versions[1].against is None


def test_a_model_without_matrices_follows_the_policys_choice() -> None:
    trees = version(1, None, error="no weight matrix", empty=True)
    assert outcomes(replayed([trees], RISE)) == ["inconclusive"]
    lenient = "when_nothing_to_measure: pass"
    assert outcomes(replayed([trees], RISE, head=lenient)) == ["passed"]
    unsafe = replace(trees, unsafe_globals=("os.system",))
    assert outcomes(replayed([unsafe], "metric: file.unsafe_globals, at_most: 0", head=lenient)) == [
        "blocked"
    ]


def test_models_without_matrices_compare_their_runs() -> None:
    accuracy = [0.9, 0.7, 0.88]
    trees = [
        version(number, None, error="no weight matrix", empty=True, run_metrics={"accuracy": value})
        for number, value in enumerate(accuracy, 1)
    ]
    rule = "metric: run.metrics.accuracy, against: baseline, max_decrease: {absolute: 0.05}"
    head = "when_nothing_to_measure: pass\nbaseline: {use: [previous], when_missing: warn}"
    found = replayed(trees, rule, head=head)
    assert outcomes(found) == ["warned", "blocked", "passed"]
    assert found.versions[2].against == "models:/net/1"
    both = replayed([*series([3.0]), replace(trees[1], version=2)], rule, head=head)
    assert outcomes(both)[1] == "inconclusive"  # weights and none do not compare


def test_what_the_policy_does_not_govern_is_left_out_and_said() -> None:
    other = [replace(one, model="b", registered="b") for one in series([3.0])]
    found = replayed([*series([3.0, 3.1]), *other], RISE, head=f"{LENIENT}\nmatch: {{models: [net]}}")
    assert len(found.versions) == 2
    assert "1 of 3 versions" in found.notes[0]


def test_too_little_coverage_refuses_and_no_rule_is_blamed() -> None:
    from gate.analysis.interface import Coverage  # noqa: PLC0415

    rows = alphas(3.0, 3.0)
    thin = version(1, analysis(*rows, coverage=Coverage(100_000, 20_000, 9, 2, ())))
    found = replayed([thin], "metric: layer.alpha, within: [4, 6]")
    assert outcomes(found) == ["blocked"]
    assert found.rules[0].alone == 0


def test_a_numbered_version_before_the_history_begins_is_looked_up() -> None:
    asked = []

    def elsewhere(spec: str, one: PastVersion) -> Baseline:
        asked.append((spec, one.version))
        return Baseline(spec, spec, with_alpha(1, 3.0).analysis, "as given")

    versions = [with_alpha(8, 3.2), with_alpha(9, 3.9)]  # as with --last 2
    rule = "metric: model.alpha, against: 'version:1', max_increase: {absolute: 0.5}"
    found = backtest([policy(rule)], versions, good_history(versions), elsewhere=elsewhere).policies[0]
    assert asked == [("models:/net/1", 8), ("models:/net/1", 9)]
    assert outcomes(found) == ["passed", "blocked"]
    assert found.versions[1].baselines[0].spec == "version:1"
