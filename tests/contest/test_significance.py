"""False refusals are counted right: on models whose differences are planted, so that counts are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.contest.drift import version
from benchmarks.contest.significance import TOLERANCES, WHOLE, Rate, rates
from gate.api import analyze

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis

COUNT = 5
STEP = 0.12


@pytest.fixture(scope="module")
def copies() -> list[Analysis]:
    return [analyze(version(number, STEP), groups=("randomness",)) for number in range(1, COUNT + 1)]


@pytest.fixture(scope="module")
def found(copies: list[Analysis]) -> tuple[Rate, ...]:
    return rates("planted", copies)


def one(found: tuple[Rate, ...], rule: str, tolerance: float | None = None, policy: str = "default") -> Rate:
    (rate,) = [
        rate for rate in found if (rate.policy, rate.rule, rate.tolerance) == (policy, rule, tolerance)
    ]
    return rate


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_an_absolute_tolerance_is_exceeded_by_the_pairs_that_differ_by_more(
    found: tuple[Rate, ...], copies: list[Analysis], tolerance: float
) -> None:
    """The anchor rule has no other condition, so the pairs can be counted from the figures."""
    figures = np.array([np.mean([row.alpha_weighted for row in analysis.layers]) for analysis in copies])
    beyond = int((figures[:, None] - figures[None, :] > tolerance).sum())
    rate = one(found, "no-slow-drift", tolerance)
    assert (rate.failed, rate.trials) == (beyond, COUNT * (COUNT - 1))
    assert rate.rate == pytest.approx(beyond / (COUNT * (COUNT - 1)))
    assert rate.low <= rate.rate <= rate.high


def test_the_planted_differences_are_those_planted(copies: list[Analysis]) -> None:
    figures = np.array([analysis.model.alpha_weighted for analysis in copies], dtype=float)
    np.testing.assert_allclose(np.diff(figures), STEP, rtol=0.02)


def test_rules_that_compare_nothing_are_asked_of_every_copy_once(found: tuple[Rate, ...]) -> None:
    rate = one(found, "layer-alpha-in-range")
    assert (rate.compares, rate.trials, rate.failed) == (False, COUNT, 0)


def test_trying_tolerances_changes_nothing_about_the_policy_as_a_whole(found: tuple[Rate, ...]) -> None:
    """At a tolerance of 0 half of the pairs fail; the policy itself refuses what its own rules do."""
    assert one(found, "no-slow-drift", 0.0).failed == 10
    assert one(found, WHOLE).failed == one(found, "alphahat-not-worse").failed <= 1


def test_every_rule_of_both_policies_is_there(found: tuple[Rate, ...]) -> None:
    from gate.policy import load_policy, packaged_policy  # noqa: PLC0415 - beside its only use

    for name in ("default", "strict"):
        stands = {rate.rule for rate in found if rate.policy == name and rate.tolerance is None}
        assert stands == {WHOLE, *[rule.id for rule in load_policy(packaged_policy(name)).rules]}
