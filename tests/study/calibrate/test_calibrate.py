"""Limits from planted histories, where the true rate of false refusals is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gate.policy import PACKAGED, load_policy, packaged_policy, parse_policy, policy_digest
from gate.study.calibrate import calibrate, good_history
from gate.study.calibrate.policy_file import written
from gate.study.calibrate.readings import Reader, knobs_of, rounded_up
from gate.study.calibrate.tune import tune
from gate.workflow.measure import MeasureOptions
from gate.workflow.memory import measure_live
from tests.policy.build import alphas, analysis, policy
from tests.study.calibrate.histories import series, version, with_run

if TYPE_CHECKING:
    from gate.policy.rules import Policy
    from gate.study.calibrate.interface import Calibration, PastVersion

TWO = ("metric: run.metrics.a, at_most: 0", "metric: run.metrics.b, at_least: 0")


def proposed(versions: list[PastVersion], base: Policy, target: float = 0.05) -> Calibration:
    return calibrate(base, versions, good_history(versions), target, source=["models:/net"])


def limits(base: Policy) -> tuple[float, ...]:
    return tuple(next(iter(knobs_of(0, rule)[0])).setting(rule) for rule in base.rules)


def test_the_interval_holds_the_true_rate_as_often_as_it_says() -> None:
    # a is exponential and b minus an exponential, so the limits x and -y leave 1 - F(x)F(y) beyond.
    generator = np.random.default_rng(7)
    base, n, repeats = policy(*TWO), 60, 400
    inside, rates = 0, []
    for _ in range(repeats):
        drawn = generator.exponential(size=(n, 2))
        versions = [with_run(k, a=float(x), b=-float(y)) for k, (x, y) in enumerate(drawn, 1)]
        places = range(n)
        tuning = tune(base, Reader(base, versions, places), places, (), 0.05)
        x, y = limits(replace(base, rules=tuple(setting.rule for setting in tuning.settings)))
        rate = 1 - (1 - math.exp(-x)) * (1 - math.exp(-y))
        assert tuning.blocks == 3  # 5 % of 61 places
        low, high = 0.010318, 0.138043  # 2.5 % and 97.5 % quantiles of Beta(3, 58)
        inside += low <= rate <= high
        rates.append(rate)
    assert np.mean(rates) == pytest.approx(3 / 61, abs=4 * float(np.std(rates)) / math.sqrt(repeats))
    assert inside / repeats == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / repeats))


def test_measured_models_are_refused_as_rarely_as_the_interval_says() -> None:
    # One population of small heavy-tailed matrices: 20 of them set the limit, 400 others try it.
    generator = np.random.default_rng(11)
    settings = MeasureOptions(jobs=1).settings()

    def drawn(number: int) -> PastVersion:
        weights = {f"{k}.weight": generator.standard_t(1.5, (30, 24)).astype(np.float32) for k in range(2)}
        return version(number, measure_live(weights, settings))

    base = policy("metric: model.log_spectral_norm, at_most: 0")
    fresh = np.array([one.analysis.model.log_spectral_norm for one in map(drawn, range(400)) if one.analysis])
    inside, rates = 0, []
    for _ in range(40):
        found = proposed([drawn(number) for number in range(1, 21)], base)
        rule = found.rules[0]
        limit = limits(parse_policy(found.policy))[0]
        rate = float(np.mean(fresh > limit))
        assert rule.low is not None
        assert rule.high is not None
        inside += rule.low - 0.005 <= rate <= rule.high + 0.005  # 400 tries tell a rate to a quarter per cent
        rates.append(rate)
    assert found.expected == pytest.approx(1 / 21)
    assert np.mean(rates) == pytest.approx(1 / 21, abs=0.025)
    assert inside >= 35  # of 40 at 95 %: fewer has a probability of 0.5 %


def test_one_block_is_the_largest_good_value() -> None:
    values = list(np.random.default_rng(1).normal(10, 1, 30))
    versions = [with_run(n, a=float(value)) for n, value in enumerate(values, 1)]
    found = proposed(versions, policy("metric: run.metrics.a, at_most: 5"))
    assert found.enough
    assert limits(parse_policy(found.policy))[0] == rounded_up(max(values))
    assert found.rules[0].state == "tuned"
    assert found.expected == pytest.approx(1 / 31)
    assert found.refusals.count == 0
    assert found.base_refusals.count == 30
    assert found.rules[0].would_have_before.count == 30


def test_a_limit_above_is_tightened_and_more_blocks_cut_deeper() -> None:
    values = [float(value) for value in range(1, 100)]
    versions = [with_run(n, a=value) for n, value in enumerate(values, 1)]
    found = proposed(versions, policy("metric: run.metrics.a, at_most: 1000"))
    # 5 % of 100 places are five: the fifth largest of 1 to 99.
    assert limits(parse_policy(found.policy))[0] == 95
    assert found.refusals.count == 4
    assert found.rules[0].blocks == 5


def test_a_range_is_set_on_both_sides() -> None:
    values = [float(value) for value in range(101, 140)]
    versions = [with_run(n, a=value) for n, value in enumerate(values, 1)]
    found = proposed(versions, policy("metric: run.metrics.a, within: [0, 1000]"))
    (rule,) = parse_policy(found.policy).rules
    assert rule.operator.canonical() == [101, 139]
    assert found.rules[0].blocks == 2
    assert found.expected == pytest.approx(2 / 40)


def test_changes_are_measured_from_the_good_version_before() -> None:
    rises = [0.0, 0.1, -0.2, 0.3, -0.3] * 5
    alpha, values = 3.0, []
    for rise in rises:
        alpha += rise
        values.append(alpha)
    base = policy(
        "metric: model.alpha, against: baseline, max_increase: {sigmas: 3, absolute: 0.05}",
        head="baseline: {when_missing: pass}",
    )
    found = proposed(series(values), base)
    (rule,) = parse_policy(found.policy).rules
    assert rule.operator.canonical() == {"sigmas": 3, "absolute": pytest.approx(0.3, abs=0.001)}
    assert found.rules[0].n == 24  # the first has nothing before it
    assert found.base_refusals.count > found.refusals.count == 0
    assert any("net/1" in note for note in found.notes)


def test_what_may_fail_is_set_by_what_did() -> None:
    # Every fifth version has two of ten layers out of range, none has more.
    versions = [
        version(n, analysis(*alphas(*([7.0] * (2 if n % 5 == 0 else 0)), *([3.0] * (10 if n % 5 else 8)))))
        for n in range(1, 26)
    ]
    for by in ("layers", "parameters"):
        base = policy(f"metric: layer.alpha, within: [2, 6], allow: {{share: 0.5, by: {by}}}")
        found = proposed(versions, base)
        assert parse_policy(found.policy).rules[0].allow.share == pytest.approx(0.2)
    counted = policy("metric: layer.alpha, within: [2, 6], allow: {count: 1}")
    found = proposed(versions, counted)
    assert parse_policy(found.policy).rules[0].allow.count == 2
    assert (found.rules[0].would_have_before.count, found.rules[0].would_have.count) == (5, 0)


def test_power_is_what_is_refused_of_the_bad_ones() -> None:
    generator = np.random.default_rng(5)
    good = [with_run(n, a=float(generator.normal())) for n in range(1, 31)]
    bad = [replace(with_run(n, a=a), fate="rolled back") for n, a in ((31, 9.0), (32, 8.0), (33, 0.0))]
    found = proposed([*good, *bad], policy("metric: run.metrics.a, at_most: 100"))
    assert (found.power.count, found.power.of) == (2, 3)
    assert found.base_power.count == 0
    assert found.rules[0].caught.count == 2
    assert "Would have caught 2 of 3" in found.policy


def test_the_block_there_is_goes_to_the_rule_that_catches_more() -> None:
    generator = np.random.default_rng(6)
    good = [with_run(n, a=float(generator.random()), b=float(generator.random())) for n in range(1, 22)]
    bad = [replace(with_run(30, a=0.5, b=5.0), fate="rolled back")]
    rules = ("metric: run.metrics.a, at_most: 100", "metric: run.metrics.b, at_most: 100")
    found = proposed([*good, *bad], policy(*rules))
    assert [rule.state for rule in found.rules] == ["kept", "tuned"]
    assert found.rules[0].why.startswith("to tighten it")
    assert found.power.count == 1


def test_too_little_history_proposes_the_base_policy_and_says_why() -> None:
    base = load_policy(packaged_policy("default"))
    found = proposed(series([3.0 + 0.01 * n for n in range(12)]), base)
    assert not found.enough
    assert found.needed == 19
    assert "11 good versions that can be judged" in found.reason
    assert found.expected is found.low is found.high is None
    assert {rule.state for rule in found.rules} == {"kept"}
    assert policy_digest(parse_policy(found.policy), "gate-1") == policy_digest(base, "gate-1")


def test_what_no_limit_can_spare_is_counted_and_named() -> None:
    versions = [with_run(n, a=float(n % 7), b=float(n == 4)) for n in range(1, 40)]
    base = policy("metric: run.metrics.a, at_most: 100", "metric: run.metrics.b, equals: 0")
    found = proposed(versions, base)
    assert [rule.state for rule in found.rules] == ["tuned", "kept"]
    assert found.expected == pytest.approx(2 / 40)  # one block, and the version that is refused anyhow
    assert any("refused whatever the limits" in note and "net/4" in note for note in found.notes)


def test_a_target_that_cannot_be_held_is_said() -> None:
    versions = [with_run(n, a=float(n % 11), b=float(n % 13)) for n in range(1, 21)]
    base = policy("metric: run.metrics.a, at_most: 1", "metric: run.metrics.b, at_most: 1")
    found = proposed(versions, base)
    assert found.expected == pytest.approx(2 / 21)
    assert any("cannot be held" in note for note in found.notes)


def test_anchors_files_and_broken_layers_are_no_matter_of_habit() -> None:
    base = load_policy(packaged_policy("strict"))
    kept = {rule.id for place, rule in enumerate(base.rules) if not knobs_of(place, rule)[0]}
    assert kept == {"no-broken-layer", "no-slow-drift", "no-unsafe-files", "nothing-nested", "nothing-hidden"}


@pytest.mark.parametrize("name", PACKAGED)
def test_a_policy_that_is_written_reads_back_as_it_was(name: str) -> None:
    base = load_policy(packaged_policy(name))
    comments = {rule.id: ("several words", "a line\nbreak: [", "- x: 1") for rule in base.rules}
    read = parse_policy(written(base, ("head\nversion: 2",), comments))
    assert policy_digest(read, "gate-1") == policy_digest(base, "gate-1")
    assert replace(read, file="", rules=()) == replace(base, file="", rules=())
    assert [rule.description for rule in read.rules] == [rule.description for rule in base.rules]


@pytest.mark.parametrize(
    "words",
    [
        "yes",
        "# no comment: this",
        "quotes \" and ' and \\ back",
        "- a list? {no}",
        "ends with colon:",
        "2024-01-01",
        "Ünï ♥ " + "long " * 60,
        "'",
        "%TAG",
        "1e3",
    ],
)
def test_any_description_reads_back(words: str) -> None:
    base = policy("metric: run.metrics.a, at_most: 1", head='match: {models: ["a[*]b", "- x"]}')
    base = replace(base, rules=(replace(base.rules[0], description=" ".join(words.split())),))
    read = parse_policy(written(base, (), {}))
    assert read.rules[0].description == base.rules[0].description
    assert read.match == base.match


def test_the_proposal_governs_these_models_alone_even_with_globs_in_their_names() -> None:
    from gate.policy import governs  # noqa: PLC0415

    versions = [replace(with_run(n, a=float(n)), registered="net[1]*") for n in range(1, 21)]
    found = parse_policy(proposed(versions, policy("metric: run.metrics.a, at_most: 1")).policy)
    assert found.name == "test-calibrated"
    assert governs(found, model="net[1]*")
    assert not governs(found, model="net1x")
    assert not governs(found, model="net[1]x")


@pytest.mark.parametrize("value", [0.1234567, -0.1234567, 123456.0, 1e-9, 3.0, -17.0, 0.30000000000000004])
def test_rounding_never_tightens(value: float) -> None:
    assert rounded_up(value) >= value
    assert rounded_up(value) == pytest.approx(value, rel=0.011)
