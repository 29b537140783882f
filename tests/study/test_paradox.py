"""Simpson's paradox planted and found; its tests against enumeration, explicit regressions and the null."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from gate.study import StudySettings
from gate.study.correction import holm
from gate.study.paradox import covariance, permutation_p_values, simpson, simpson_test
from gate.study.trends import Points
from tests.study.build import QUICK, planted

RISING = (0.0, 1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("slopes", "expected"),
    [
        ((-1, -1, -1, -1, -1), "strict"),
        ((-2, -2, -2, 1, 1), "weak"),
        ((-1, -1, 1, 1, 1), "none"),
        ((1, 1, 1, 1, 1), "none"),
    ],
)
def test_a_planted_paradox_is_found(slopes: tuple[float, ...], expected: str) -> None:
    kind, test = simpson_test(planted(slopes, RISING), QUICK)
    assert kind == expected
    assert test.opposite == sum(slope < 0 for slope in slopes)
    assert test.pooled_slope is not None
    assert test.pooled_slope > 0
    assert (test.p_value is not None and test.p_value < 0.01) == (expected != "none")


def test_a_paradox_downwards_is_one_too() -> None:
    kind, test = simpson_test(planted((1, 1, 1), (2, 1, 0)), QUICK)
    assert kind == "strict"
    assert test.p_value is not None
    assert test.p_value < 0.01


@pytest.mark.parametrize(
    "sets", [[], planted((1,), (0,)), [*planted((1,), (0,)), Points(np.ones(6), np.arange(6.0))]]
)
def test_one_usable_sub_group_is_too_little(sets: list[Points]) -> None:
    assert simpson_test(sets, QUICK)[0] == "insufficient"


def test_half_of_the_slopes_opposite_is_not_most() -> None:
    assert simpson([-1.0, 1.0], 1.0) == "none"
    assert simpson([-1.0, 0.0], 1.0) == "none"
    assert simpson([-1.0, -1.0, 0.0], 1.0) == "weak"
    assert simpson([-1.0, -1.0], None) == "insufficient"


def test_noise_within_sub_groups_is_no_significant_paradox() -> None:
    generator = np.random.default_rng(2)
    found = []
    for _ in range(100):
        sets = [Points(place + generator.uniform(-0.4, 0.4, 10), place + generator.standard_normal(10))
                for place in range(3)]  # fmt: skip
        found.append(simpson_test(sets, QUICK)[1].p_value)
    assert sum(p is not None and p < 0.05 for p in found) <= 12  # 5 of 100 at most on average; 3 errors more


def test_permutation_p_values_are_uniform_under_the_null() -> None:
    generator = np.random.default_rng(3)
    settings = StudySettings(permutations=199)
    found = []
    for seed in range(400):
        sets = [Points(generator.standard_normal(n), generator.standard_normal(n)) for n in (6, 12, 9)]
        found.append(permutation_p_values(sets, 1.0, replace(settings, seed=seed))[0])
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.033)  # three standard errors


def test_permutation_p_values_are_those_of_all_orders() -> None:
    sets = [
        Points(np.array([0.0, 1, 2.5]), np.array([1.0, 3, 2])),
        Points(np.array([5.0, 7, 8, 9]), np.array([0.0, 2, 1, 4])),
    ]

    def statistic(orders: tuple[tuple[float, ...], ...]) -> float:
        return sum(
            float((data.x - data.x.mean()) @ np.array(order))
            for data, order in zip(sets, orders, strict=True)
        )

    seen = statistic(tuple(tuple(data.y) for data in sets)) - 0.0
    centre = sum(float((data.x - data.x.mean()).sum() * data.y.mean()) for data in sets)
    everything = [statistic(orders) - centre for orders in product(*(permutations(data.y) for data in sets))]
    two = np.mean([abs(value) >= abs(seen - centre) - 1e-9 for value in everything])
    one = np.mean([value >= seen - centre - 1e-9 for value in everything])
    found = permutation_p_values(sets, 1.0, StudySettings(permutations=20_000))
    assert found == pytest.approx((two, one), abs=0.01)


def test_analysis_of_covariance_is_that_of_explicit_regressions() -> None:
    sets = planted((1.0, 2.0, 0.5), (0, 3, 1), n=8, noise=0.4)
    x, y = np.concatenate([data.x for data in sets]), np.concatenate([data.y for data in sets])
    dummies = np.kron(np.eye(3), np.ones((8, 1)))

    def residual(*columns: np.ndarray) -> float:
        design = np.column_stack(columns)
        return float(((y - design @ np.linalg.pinv(design) @ y) ** 2).sum())

    metric, group = residual(np.ones(24), x), residual(dummies)
    both, apart = residual(dummies, x), residual(dummies, dummies * x[:, None])
    found = covariance(sets)
    slope_f, group_f, unequal_f = (
        (group - both) / (both / 20),
        (metric - both) / 2 / (both / 20),
        (both - apart) / 2 / (apart / 18),
    )
    assert (found.slope_f, found.group_f, found.unequal_f) == pytest.approx(
        (slope_f, group_f, unequal_f), rel=1e-8
    )
    assert found.slope_p_value == pytest.approx(stats.f.sf(slope_f, 1, 20))
    assert found.group_p_value == pytest.approx(stats.f.sf(group_f, 2, 20))
    assert found.unequal_p_value == pytest.approx(stats.f.sf(unequal_f, 2, 18))
    assert found.residual_degrees == 20
    coefficients = np.linalg.pinv(np.column_stack([dummies, x])) @ y
    assert found.slope == pytest.approx(coefficients[-1])


def test_analysis_of_covariance_without_degrees_of_freedom_claims_nothing() -> None:
    sets = [Points(np.array([0.0, 1]), np.array([0.0, 1])), Points(np.array([2.0, 3]), np.array([0.0, 3]))]
    found = covariance(sets)
    assert found.unequal_p_value is None
    assert found.residual_degrees == 1


def test_holm_adjusts_as_published() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, None, 0.9]) == (1.0, None, 1.0)
    assert holm([]) == ()


def test_holm_keeps_the_chance_of_any_false_finding() -> None:
    generator = np.random.default_rng(9)
    drawn = generator.uniform(size=(2000, 17))
    false = sum(
        min(value for value in holm(list(map(float, row))) if value is not None) < 0.05 for row in drawn
    )
    assert false / 2000 == pytest.approx(0.05, abs=0.015)
