"""Intervals of rates, against scipy's, and against cases where the number of trials is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.contest.intervals import over_pairs, wilson


@pytest.mark.parametrize(("failed", "trials"), [(0, 64), (1, 64), (7, 20), (20, 20)])
def test_wilson_is_scipys(failed: int, trials: int) -> None:
    expected = binomtest(failed, trials).proportion_ci(0.95, method="wilson")
    found = wilson(failed / trials, trials)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_without_any_failure_it_is_worth_the_disjoint_pairs() -> None:
    found = over_pairs(np.zeros((64, 64), dtype=bool))
    assert found.effective == 32
    assert found.high == pytest.approx(binomtest(0, 32).proportion_ci(0.95, method="wilson").high, abs=1e-6)


def test_where_the_candidate_alone_decides_it_is_worth_as_many_trials_as_models() -> None:
    alone = np.arange(200) % 5 == 0
    failed = np.repeat(alone[:, None], 200, axis=1)
    found = over_pairs(failed)
    assert found.rate == pytest.approx(0.2)
    assert found.effective == pytest.approx(200, rel=0.02)


def test_a_pair_with_itself_does_not_count() -> None:
    assert over_pairs(np.eye(10, dtype=bool)).rate == 0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Models with a figure each; a pair fails where the figure rose by more than 2 of √2 deviations."""
    generator = np.random.default_rng(3)
    truth = 0.07865  # P(N(0, 2) > 2)
    covered = 0
    for _ in range(400):
        figures = generator.standard_normal(64)
        found = over_pairs(figures[:, None] - figures[None, :] > 2)
        covered += found.low <= truth <= found.high
    assert covered / 400 > 0.95
