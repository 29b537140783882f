"""Figures of one set of models, against counted pairs, the textbook's sums, and all permutations."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from gate.study.interface import Trend
from gate.study.trends import Points, average, constant, label, points, tau_variance, trend
from tests.study.contest_figures import line, tau_b


def _pairs(seed: int, n: int, *, ties: bool) -> list[tuple[float, float]]:
    generator = np.random.default_rng(seed)
    x, y = generator.standard_normal((2, n))
    if ties:
        x, y = np.round(x), np.round(x + y)
    return [(float(a), float(b)) for a, b in zip(x, 0.3 * x + y, strict=True)]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [3, 6, 12, 40, 150])
def test_figures_are_those_of_counted_pairs_and_sums(n: int, ties: bool) -> None:
    pairs = _pairs(n, n, ties=ties)
    found, (slope, r2, rmse) = trend(points(pairs)), line(pairs)
    assert (found.slope, found.r2, found.rmse) == pytest.approx((slope, r2, rmse), rel=1e-9)
    assert found.kendall_tau == pytest.approx(tau_b(pairs), abs=1e-12)
    assert found.intercept == pytest.approx(
        math.fsum(y for _, y in pairs) / n - slope * math.fsum(x for x, _ in pairs) / n, abs=1e-9
    )


def test_p_value_is_the_share_of_orders_at_least_as_far() -> None:
    pairs = _pairs(4, 6, ties=False)
    seen = abs(tau_b(pairs))
    orders = list(permutations([y for _, y in pairs]))
    taus = [abs(tau_b([(x, y) for (x, _), y in zip(pairs, order, strict=True)])) for order in orders]
    share = sum(tau >= seen - 1e-12 for tau in taus) / len(orders)
    assert trend(points(pairs)).p_value == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(
    ("r2", "tau", "expected"),
    [
        (0.6, 0.5, "strong"), (0.95, -0.9, "strong"), (0.599, 0.5, "modest"), (0.2, 0.3, "modest"),
        (0.2, 0.05, "modest"), (0.199, 0.3, "weak"), (0.1, -0.1, "weak"), (0.1, 0.099, "none"),
        (0.0, -0.05, "none"), (None, None, "none"),
    ],
)  # fmt: skip
def test_labels_part_at_the_papers_limits(r2: float | None, tau: float | None, expected: str) -> None:
    assert label(r2, tau) == expected


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1.0], [2.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([3.0, 3.0, 3.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 3.0], [0.1 + 0.2, 0.3, 0.3]),
        ([1e-60, 2e-60, 3e-60], [1.0, 2.0, 3.0]),
    ],
)
def test_nothing_is_claimed_where_nothing_is_defined(x: list[float], y: list[float]) -> None:
    assert trend(Points(np.array(x), np.array(y))) == Trend(len(x))


def test_largest_and_smallest_values_taken_in_have_finite_figures() -> None:
    for scale in (1e50, 1e-49):
        found = trend(points([(scale * x, x * x) for x in (0.1, 0.3, 0.4, 1.0)]))
        assert found.r2 == pytest.approx(trend(points([(x, x * x) for x in (0.1, 0.3, 0.4, 1.0)])).r2)


def test_values_alike_but_for_rounding_are_constant() -> None:
    assert constant(np.array([0.1 + 0.2, 0.3]))
    assert not constant(np.array([0.3, 0.3000001]))


@pytest.mark.parametrize("ties", [False, True])
def test_variance_of_tau_is_that_over_all_orders(ties: bool) -> None:
    x = [1.0, 2.0, 2.0, 3.0, 5.0] if ties else [1.0, 2.0, 4.0, 3.0, 5.0]
    y = [1.0, 1.0, 2.0, 2.0, 7.0] if ties else [1.0, 3.0, 2.0, 6.0, 7.0]
    taus = [tau_b(list(zip(x, order, strict=True))) for order in permutations(y)]
    assert np.mean(taus) == pytest.approx(0, abs=1e-12)
    assert tau_variance(Points(np.array(x), np.array(y))) == pytest.approx(float(np.var(taus)), rel=1e-12)


def test_average_is_the_plain_mean_and_leaves_out_what_is_not_defined() -> None:
    sets = [points(_pairs(seed, n, ties=False)) for seed, n in ((1, 24), (2, 6), (3, 12))]
    sets.append(points([(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]))
    trends = [trend(data) for data in sets]
    mean = average(trends, sets)
    assert mean.n == 42
    for name in ("r2", "rmse", "slope", "kendall_tau"):
        assert getattr(mean, name) == pytest.approx(sum(getattr(each, name) for each in trends[:3]) / 3)


def test_p_value_of_the_mean_tau_is_that_of_permuting_within_sub_groups() -> None:
    generator = np.random.default_rng(5)
    sets = [Points(*np.round(2 * generator.standard_normal((2, n)))) for n in (12, 8, 20)]
    trends = [trend(data) for data in sets]
    mean = average(trends, sets)
    drawn = [
        np.mean([stats.kendalltau(data.x, generator.permutation(data.y)).statistic for data in sets])
        for _ in range(2000)
    ]
    share = float(np.mean(np.abs(drawn) >= abs(mean.kendall_tau or 0) - 1e-12))
    assert mean.p_value == pytest.approx(share, abs=4 * math.sqrt(0.25 / 2000))
    assert 0.05 < share < 0.95


def test_one_sub_group_has_its_own_exact_p_value() -> None:
    data = points(_pairs(3, 7, ties=False))
    assert average([trend(data)], [data]).p_value == trend(data).p_value
