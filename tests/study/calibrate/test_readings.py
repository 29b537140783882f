"""A reading is the tightest setting at which the judge lets a version pass: held against the judge."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest

from gate.policy import judge
from gate.study.calibrate.readings import Knob, Reader, knobs_of
from gate.study.calibrate.replay import baselines_of
from tests.policy.build import alphas, analysis, policy, row
from tests.study.calibrate.histories import version

if TYPE_CHECKING:
    from gate.policy.rules import Rule
    from gate.study.calibrate.interface import PastVersion

RULES = (
    "metric: layer.alpha, within: [2, 6], allow: {share: 0.3}",
    "metric: layer.alpha, within: [2, 6], allow: {share: 0.3, by: parameters}",
    "metric: layer.alpha, within: [2, 6], allow: {count: 2}",
    "metric: layer.phase, not_in: [random-like]",
    "metric: layer.phase, against: baseline, may_not_become: [random-like]",
    "metric: layer.alpha, against: baseline, max_increase: {sigmas: 2, absolute: 0.1}, allow: {share: 0.1}",
    "metric: model.alpha, at_most: 4",
    "metric: model.alpha, at_least: 3",
    "metric: model.alpha_weighted, against: baseline, max_increase: {sigmas: 1, absolute: 0.05}",
    "metric: model.alpha, against: baseline, max_decrease: {relative: 0.01}",
    "metric: model.alpha, against: baseline, max_change: {absolute: 0.02}",
    "metric: run.metrics.acc, at_least: 0.9",
    "metric: run.metrics.acc, against: baseline, max_decrease: {absolute: 0.01}",
)
_SLIGHTLY = 1e-6


def drawn(number: int, generator: np.random.Generator) -> PastVersion:
    """Return a version with ten layers of random alpha, size and phase."""
    layers = [
        row(
            f"l{place}",
            float(generator.uniform(1.5, 7.0)),
            parameters=int(generator.integers(1, 9)) * 1000,
            phase="random-like" if generator.random() < 0.2 else "heavy-tailed",
        )
        for place in range(10)
    ]
    found = analysis(*layers, digest=f"sha256:{number}")
    return version(number, found, run_metrics={"acc": float(generator.uniform(0.8, 1.0))})


@pytest.mark.parametrize("words", RULES)
def test_a_reading_is_where_the_judge_turns(words: str) -> None:
    generator = np.random.default_rng(len(words))
    versions = [drawn(number, generator) for number in range(1, 13)]
    base = policy(words, head="baseline: {when_missing: pass}")
    (rule,) = base.rules
    knobs, _ = knobs_of(0, rule)
    standing = range(len(versions))
    reader = Reader(base, versions, standing)
    turned = 0
    for place, one in enumerate(versions):
        assert one.analysis is not None
        resolve = baselines_of(versions, place, standing)
        for knob in knobs:
            reading = reader.reading(place, rule, knob)
            if reading is None:
                assert place == 0
                continue
            loose = replace(base, rules=(knob.turned(rule, reading),))
            said = judge(one.analysis, [loose], resolve=resolve, run_metrics=one.run_metrics)
            assert said.rules[0].outcome == "passed"
            if reading == 0 and knob.part in {"share", "count", "absolute", "relative"}:
                continue  # nothing is tighter than nothing
            tight = replace(base, rules=(_below(knob, rule, reading),))
            said = judge(one.analysis, [tight], resolve=resolve, run_metrics=one.run_metrics)
            assert said.rules[0].outcome == "failed"
            turned += 1
    assert turned >= 3


def _below(knob: Knob, rule: Rule, reading: float) -> Rule:
    """Return the rule set a little tighter than the reading, without the rounding of a proposal."""
    if knob.part == "count":
        return knob.turned(rule, reading - 1)
    with patch("gate.study.calibrate.readings.rounded_up", lambda value: value):
        return knob.turned(rule, reading - abs(reading) * _SLIGHTLY)


def test_what_no_setting_lets_pass_reads_infinite() -> None:
    before = version(1, analysis(*alphas(3.0, 3.0, 3.0), digest="sha256:1"))
    # A layer whose alpha reached 8 leaves the mean, which is a failure whatever the tolerance.
    after = version(2, analysis(*alphas(3.0, 3.0, 9.0), digest="sha256:2"))
    base = policy("metric: model.alpha, against: baseline, max_increase: {absolute: 0.5}")
    reader = Reader(base, [before, after], {0, 1})
    (knob,) = knobs_of(0, base.rules[0])[0]
    assert reader.reading(1, base.rules[0], knob) == math.inf
    missing = policy("metric: run.metrics.acc, at_least: 0.5")
    reader = Reader(missing, [before, after], {0, 1})
    assert reader.reading(0, missing.rules[0], knobs_of(0, missing.rules[0])[0][0]) == math.inf
