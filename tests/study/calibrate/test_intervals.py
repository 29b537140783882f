"""Shares and their intervals against scipy's own, and against closed forms."""

from __future__ import annotations

import pytest
from scipy.stats import beta, binomtest

from gate.study.calibrate.intervals import beyond, needed, share


@pytest.mark.parametrize(("count", "of"), [(0, 7), (1, 7), (3, 7), (7, 7), (2, 40), (39, 40), (120, 1000)])
def test_a_share_has_the_exact_interval_of_a_binomial(count: int, of: int) -> None:
    found, other = share(count, of), binomtest(count, of).proportion_ci(0.95, method="exact")
    assert (found.count, found.of) == (count, of)
    assert found.rate == pytest.approx(count / of)
    assert [found.low, found.high] == pytest.approx([other.low, other.high])


def test_nothing_of_nothing_has_no_rate() -> None:
    assert share(0, 0).rate is share(0, 0).low is share(0, 0).high is None


@pytest.mark.parametrize(("blocks", "n"), [(1, 19), (1, 24), (3, 60), (10, 199)])
def test_beyond_a_limit_lies_a_beta_share(blocks: int, n: int) -> None:
    expected, low, high = beyond(blocks, n)
    law = beta(blocks, n + 1 - blocks)
    assert expected == pytest.approx(law.mean())
    assert [low, high] == pytest.approx(list(law.ppf([0.025, 0.975])))


def test_beyond_the_largest_of_n_in_closed_form() -> None:
    # P(share > s) = (1 - s)^n beyond the largest of n.
    _, low, high = beyond(1, 24)
    assert (1 - low) ** 24 == pytest.approx(0.975)
    assert (1 - high) ** 24 == pytest.approx(0.025)


@pytest.mark.parametrize(("target", "n"), [(0.05, 19), (0.1, 9), (0.01, 99), (0.5, 1), (0.9, 1), (0.3, 3)])
def test_a_target_needs_as_many_versions_as_one_over_it_less_one(target: float, n: int) -> None:
    assert needed(target) == n
    assert 1 / (n + 1) <= target
