from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gate.policy.statistics import (
    fit_standard_error,
    holm,
    mean_difference_error,
    paired_standard_error,
    upper_tail,
)


def test_paired_standard_error_of_known_differences() -> None:
    # mean 3, squared deviations 4 + 1 + 0 + 1 + 4 = 10, s² = 10/4, SE = sqrt(2.5/5)
    assert paired_standard_error([1, 2, 3, 4, 5]) == pytest.approx(math.sqrt(0.5), rel=1e-15)


def test_the_fits_error_is_what_resampling_finds() -> None:
    errors = [0.1, 0.5, 0.2, 0.9, 0.3, 0.4]
    draws = np.random.default_rng(0).normal(0.0, errors, size=(200_000, len(errors))).mean(axis=1)
    assert fit_standard_error(errors) == pytest.approx(float(draws.std()), rel=0.01)


def test_the_larger_error_counts() -> None:
    differences = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert mean_difference_error(differences, [0.1] * 5) == pytest.approx(math.sqrt(0.5))
    assert mean_difference_error(differences, [5.0] * 5) == pytest.approx(math.sqrt(5.0))
    assert mean_difference_error(differences, []) == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("z", [-40.0, -3.0, 0.0, 1.0, 3.0, 8.0])
def test_upper_tail_is_scipys(z: float) -> None:
    assert upper_tail(z) == pytest.approx(stats.norm.sf(z), rel=1e-12)


def test_holm_steps_down() -> None:
    # Level Φ(−2) = 0.02275.  p = 0.005, 0.012, 0.03: 0.005 ≤ 0.02275/3, 0.012 > 0.02275/2 stops.
    scores = [float(stats.norm.isf(p)) for p in (0.012, 0.03, 0.005)]
    assert holm(scores, 2.0) == (False, False, True)
    # p = 0.011 ≤ 0.02275/2 goes on, and 0.02 ≤ 0.02275/1 too: Bonferroni would have rejected one only.
    scores = [float(stats.norm.isf(p)) for p in (0.011, 0.02, 0.005)]
    assert holm(scores, 2.0) == (True, True, True)


def test_holm_of_one_is_the_plain_test_and_of_none_is_nothing() -> None:
    assert holm([2.01], 2.0) == (True,)
    assert holm([1.99], 2.0) == (False,)
    assert holm([], 2.0) == ()


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.floats(0.5, 5))
def test_holm_rejects_between_bonferroni_and_the_plain_test(scores: list[float], sigmas: float) -> None:
    level = float(stats.norm.sf(sigmas))
    p_values = [float(stats.norm.sf(score)) for score in scores]
    for rejected, p_value in zip(holm(scores, sigmas), p_values, strict=True):
        assert not rejected or p_value <= level * (1 + 1e-9)
        assert rejected or p_value > level / len(scores) * (1 - 1e-9)
