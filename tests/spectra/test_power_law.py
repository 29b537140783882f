"""The pruned fit against a plain scan written from the paper's formula, and against planted exponents."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gate.spectra.conventions import GATE_1, WEIGHTWATCHER_0_2, WEIGHTWATCHER_0_7
from gate.spectra.power_law import FULL_SCAN, Candidates, fit, fit_and_curve
from tests.spectra.layers import pareto

if TYPE_CHECKING:
    from numpy.typing import NDArray


def full_scan(x: NDArray[np.float64], *, truncated: bool = False) -> tuple[int, float, float]:
    """Return start, alpha and D of the best candidate, each evaluated as the formula reads."""
    best = (math.inf, -1, math.nan)
    for start in range(len(x) - 1):
        tail = x[start:]
        n = len(tail)
        alpha = 1 + n / np.log(tail / tail[0]).sum()
        fitted = 1 - (tail / tail[0]) ** (1 - alpha)
        if truncated:
            fitted = fitted / fitted[-1]
        distance = float(np.abs(fitted - np.arange(n) / n).max())
        if distance < best[0]:
            best = (distance, start, float(alpha))
    return best[1], best[2], best[0]


def random_spectrum(generator: np.random.Generator, size: int) -> NDArray[np.float64]:
    kind = generator.integers(5)
    if kind == 0:
        return np.sort(generator.pareto(generator.uniform(0.5, 4), size) + 1)
    if kind == 1:
        return np.sort(generator.gamma(2, 1, size))
    if kind == 2:
        return np.sort(np.exp(generator.normal(0, generator.uniform(0.1, 4), size)))
    if kind == 3:
        tail = generator.pareto(2, size // 4 + 1) * 2 + 2
        return np.sort(np.concatenate([generator.random(size - len(tail)), tail]))
    matrix = generator.standard_normal((size + int(generator.integers(size)), size))
    values: NDArray[np.float64] = np.linalg.eigvalsh(matrix.T @ matrix).clip(1e-9)
    return values


def test_the_pruned_argmin_is_the_full_scans() -> None:
    generator = np.random.default_rng(1)
    for _ in range(150):
        x = random_spectrum(generator, int(generator.integers(20, 400)))
        start, alpha, distance = full_scan(x)
        found = fit(x, GATE_1)
        assert found.start == start
        assert found.alpha == pytest.approx(alpha, rel=1e-10)
        assert found.ks_distance == pytest.approx(distance, abs=1e-12)
        assert found.tail_size == len(x) - start
        assert found.sigma == pytest.approx((alpha - 1) / math.sqrt(len(x) - start), rel=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_the_pruned_argmin_holds_for_large_spectra(seed: int) -> None:
    x = random_spectrum(np.random.default_rng(seed), 1500)
    candidates = Candidates.of(x, GATE_1)
    every = candidates.distances(np.flatnonzero(np.isfinite(candidates.alpha)))
    assert candidates.best()[0] == int(np.argmin(every))


def test_the_truncated_form_divides_by_the_fitted_distribution_at_x_max() -> None:
    generator = np.random.default_rng(2)
    convention = replace(WEIGHTWATCHER_0_2, size_limits=None)
    for _ in range(60):
        x = random_spectrum(generator, int(generator.integers(20, FULL_SCAN * 2)))
        start, alpha, distance = full_scan(x, truncated=True)
        found = fit(x, convention)
        assert found.start == start
        assert found.alpha == pytest.approx(alpha, rel=1e-10)
        assert found.ks_distance == pytest.approx(distance, abs=1e-12)


@pytest.mark.parametrize("alpha", [1.7, 2.5, 3.0, 4.5])
def test_a_planted_exponent_is_found_within_three_sigmas(alpha: float) -> None:
    misses = 0
    for seed in range(40):
        found = fit(pareto(600, alpha, seed), GATE_1)
        assert found.alpha is not None
        assert found.sigma is not None
        misses += abs(found.alpha - alpha) > 3 * found.sigma
    assert misses <= 2  # 0.3 % a fit, were x_min given; choosing it scatters alpha 1.1 to 1.2 times more


def test_quantiles_of_a_power_law_are_fitted_from_the_first_on() -> None:
    x = (1 - np.arange(1000) / 1000) ** (-1 / 2.0)  # F(x_j) = j/n: D against the left limit is 0 for alpha 3
    found = fit(x, GATE_1)
    assert found.alpha == pytest.approx(3, abs=0.1)
    assert found.ks_distance is not None
    assert found.ks_distance < 0.005


def test_ties_go_to_the_longest_tail() -> None:
    x = np.repeat([1.0, 2.0], 20)
    candidates = Candidates.of(x, GATE_1)
    starts = np.flatnonzero(np.isfinite(candidates.alpha))
    distances = candidates.distances(starts)
    assert fit(x, GATE_1).start == starts[np.argmin(distances)]


@pytest.mark.parametrize(
    ("count", "log", "last"),
    [(3839, 10.900053681588927, 1.6952815940639632e-09), (5111, 162.60224454155832, 1.286505388868098e-10)],
)
def test_a_tail_whose_spread_rounding_loses_is_never_the_best(count: int, log: float, last: float) -> None:
    x = np.append(np.full(count, np.exp(log)), np.exp(log) * (1 + last))
    logs = np.log(x)
    spread = np.cumsum(logs[::-1])[::-1][:-1] - np.arange(len(x), 1, -1.0) * logs[:-1]
    assert (spread == 0).any()
    candidates = Candidates.of(x, GATE_1)
    assert np.isfinite(candidates.alpha).all()
    found = fit(x, GATE_1)
    assert found.ks_distance is not None
    assert np.isfinite(found.ks_distance)
    assert spread[found.start] != 0


def test_few_points_take_the_corrected_estimator_and_tails_of_eight() -> None:
    x = np.array([1.0, 1.3, 1.9, 2.0, 2.6, 3.5, 4.1, 6.0, 9.0, 15.0])
    found = fit(x, GATE_1)
    assert found.tail_size >= 8
    tail = x[found.start :]
    assert found.alpha == pytest.approx(1 + (len(tail) - 1) / np.log(tail / tail[0]).sum())


def test_fewer_than_eight_points_have_no_tail_unless_the_convention_says_so() -> None:
    x = np.array([1.0, 2.0, 4.0])
    refused = fit(x, GATE_1)
    assert refused.alpha is None
    assert refused.reason is not None
    assert "at least 8" in refused.reason
    whole = fit(x, WEIGHTWATCHER_0_7)
    assert whole.alpha == pytest.approx(1 + 2 / math.log(8))
    assert whole.start == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no positive"),
        ([3.0], "1 positive"),
        ([2.0] * 40, "equal"),
        ([0.0] + [1.0, 2.0] * 15, "not all positive"),
        ([1.0, 2.0] * 15 + [math.inf], "not all positive and finite"),
    ],
)
def test_what_cannot_be_fitted_has_a_reason_and_no_figure(values: list[float], reason: str) -> None:
    found = fit(np.sort(np.array(values)), GATE_1)
    assert (found.alpha, found.x_min, found.ks_distance, found.sigma) == (None, None, None, None)
    assert found.tail_size == 0
    assert found.reason is not None
    assert reason in found.reason


def test_the_whole_curve_is_every_candidate() -> None:
    x = pareto(200, 2.5)
    found, curve = fit_and_curve(x, GATE_1, len(x))
    assert curve is not None
    assert len(curve.starts) == len(x) - 1
    assert curve.ks_distance.min() == pytest.approx(found.ks_distance)
    start, _, distance = full_scan(x)
    assert curve.ks_distance[start] == pytest.approx(distance)


def test_a_sampled_curve_holds_the_minimum_and_keeps_to_its_size() -> None:
    x = random_spectrum(np.random.default_rng(5), 900)
    found, curve = fit_and_curve(x, GATE_1, 48)
    assert curve is not None
    assert len(curve.starts) <= 48
    assert found.start in curve.starts
    assert curve.ks_distance.min() == pytest.approx(found.ks_distance)
