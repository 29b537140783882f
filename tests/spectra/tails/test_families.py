"""The fits against closed forms, scipy's own estimators and a general optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from gate.spectra.tails import FAMILIES, Family, fit
from tests.spectra.layers import pareto

if TYPE_CHECKING:
    from numpy.typing import NDArray


def log_normal(count: int, deviation: float, seed: int = 0) -> NDArray[np.float64]:
    return np.sort(np.exp(deviation * np.random.default_rng(seed).standard_normal(count)))


def truncated(count: int, alpha: float, rate: float, seed: int = 0) -> NDArray[np.float64]:
    """Return draws of x^(-alpha)·e^(-rate·x) above 1: Pareto draws, kept with probability e^(-rate(x-1))."""
    generator, kept = np.random.default_rng(seed), np.empty(0)
    while len(kept) < count:
        drawn = (1 - generator.random(4 * count)) ** (-1 / (alpha - 1))
        kept = np.append(kept, drawn[generator.random(4 * count) < np.exp(-rate * (drawn - 1))])
    return np.sort(kept[:count])


def exponential(count: int, seed: int = 0) -> NDArray[np.float64]:
    return np.sort(np.random.default_rng(seed).exponential(2.0, count) + 0.3)


SAMPLES = {
    "pareto": pareto(300, 2.7),
    "exponential": exponential(300),
    "log-normal": log_normal(300, 1.0),
    "narrow log-normal": log_normal(300, 0.1),
    "truncated": truncated(300, 1.6, 0.05),
    "few": pareto(8, 4.0),
    "fifteen decades": np.sort(np.random.default_rng(1).gamma(0.3, 1.0, 300)),
}


def test_power_law_is_hills_estimator() -> None:
    tail = pareto(500, 3.0)
    found = fit("power-law", tail)
    shape = stats.pareto.fit(tail, floc=0, fscale=tail[0])[0]
    assert found.a == pytest.approx(shape)
    # The density in u = ln x is that in x, times x.
    assert found.log_likelihood == pytest.approx(
        stats.pareto.logpdf(tail, shape, scale=tail[0]).sum() + np.log(tail).sum()
    )


def test_exponential_is_one_over_the_mean_excess() -> None:
    tail = exponential(400)
    found = fit("exponential", tail)
    location, scale = stats.expon.fit(tail, floc=tail[0])
    assert found.b == pytest.approx(tail[0] / scale)
    assert found.log_likelihood == pytest.approx(
        stats.expon.logpdf(tail, location, scale).sum() + np.log(tail).sum()
    )


@pytest.mark.parametrize("family", ["truncated-power-law", "log-normal"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_two_parameters_against_a_general_optimiser(family: Family, sample: str) -> None:
    tail = SAMPLES[sample]
    u = np.log(tail / tail[0])

    def second(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.square(values) if family == "log-normal" else np.expm1(values)

    def negative(parameters: NDArray[np.float64]) -> float:
        a, b = float(parameters[0]), float(np.exp(parameters[1]))
        grid = np.geomspace(1e-9, 650, 8_001)
        exponent = -a * grid - b * second(grid)
        peak = max(0.0, float(exponent.max()))
        mass = float(integrate.simpson(np.exp(exponent - peak) * grid, x=np.log(grid))) + 1e-9 * np.exp(-peak)
        return float(np.log(mass)) + peak + a * float(u.mean()) + b * float(second(u).mean())

    start = np.array([1 / u.mean(), np.log(0.1 / second(u).mean())])
    best = optimize.fmin(negative, start, xtol=1e-8, ftol=1e-12, maxiter=2000, maxfun=2000, disp=False)
    assert fit(family, tail).log_likelihood == pytest.approx(-negative(best) * len(tail), abs=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_density_is_one_in_all(family: Family) -> None:
    tail = SAMPLES["truncated"]
    found = fit(family, tail)
    u = np.log(tail / tail[0])
    inside = integrate.trapezoid(np.exp(found.log_densities), u)
    cumulative = found.cumulative(tail)
    assert inside == pytest.approx(cumulative[-1], abs=0.02)
    assert cumulative[0] == pytest.approx(0, abs=1e-9)
    assert (np.diff(cumulative) >= 0).all()
    slopes = np.diff(cumulative) / np.diff(u)
    middle = np.exp((found.log_densities[1:] + found.log_densities[:-1]) / 2)
    neither_rounding_nor_gap = (np.diff(u) > 1e-3) & (np.diff(u) < 0.1)
    assert slopes[neither_rounding_nor_gap] == pytest.approx(middle[neither_rounding_nor_gap], rel=0.05)


@pytest.mark.parametrize(("alpha", "rate"), [(1.5, 0.05), (2.5, 0.2)])
def test_planted_truncated_power_law_is_recovered(alpha: float, rate: float) -> None:
    found = [fit("truncated-power-law", truncated(2000, alpha, rate, seed)) for seed in range(20)]
    exponents = np.array([one.a + 1 for one in found])
    rates = np.array([one.b for one in found])
    for values, planted in ((exponents, alpha), (rates, rate)):
        assert abs(values.mean() - planted) < 4 * values.std() / len(found) ** 0.5


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 200), st.floats(0.01, 20))
def test_contains_the_power_law_whatever_the_tail(seed: int, count: int, spread: float) -> None:
    tail = np.sort(np.exp(spread * np.random.default_rng(seed).standard_normal(count)))
    likelihoods = {family: fit(family, tail).log_likelihood for family in FAMILIES}
    assert np.isfinite(list(likelihoods.values())).all()
    slack = 1e-6 * (1 + abs(likelihoods["power-law"]))
    assert likelihoods["truncated-power-law"] >= likelihoods["power-law"] - slack
    assert likelihoods["log-normal"] >= likelihoods["power-law"] - slack
