"""Which tail is best: planted ones are recovered at stated rates, the power law seldom given up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from scipy import stats

from gate.spectra.tails import compare, fit, fit_own_start
from tests.spectra.layers import layer_of, pareto, row_of, with_eigenvalues
from tests.spectra.tails.test_families import exponential, log_normal, truncated

if TYPE_CHECKING:
    from gate.spectra.interface import Group

GROUPS: Final[frozenset[Group]] = frozenset({"default", "tails"})
DRAWS: Final = 100


@pytest.mark.parametrize("alpha", [1.7, 3.0, 5.0])
@pytest.mark.parametrize("count", [20, 200])
def test_power_law_is_given_up_in_about_one_of_twelve(alpha: float, count: int) -> None:
    # Three tests at 5 %, which overlap.
    found = Counter(compare_best(pareto(count, alpha, seed)) for seed in range(DRAWS))
    assert found["power-law"] >= 83


def compare_best(tail: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    found = compare(tail)
    assert found is not None
    return found.best


def test_planted_tails_are_recovered() -> None:
    seeds = range(DRAWS)
    assert sum(compare_best(exponential(300, seed)) == "exponential" for seed in seeds) >= 75
    assert sum(compare_best(truncated(300, 1.5, 0.05, seed)) == "truncated-power-law" for seed in seeds) >= 80
    assert sum(compare_best(log_normal(300, 1.0, seed)) == "log-normal" for seed in seeds) >= 85


def test_nested_p_value_is_half_chi_squared() -> None:
    tail = truncated(200, 1.8, 0.02, seed=3)
    found = compare(tail)
    assert found is not None
    ratio = 2 * (found.fits["truncated-power-law"].log_likelihood - found.fits["power-law"].log_likelihood)
    assert found.p_values["truncated-power-law"] == pytest.approx(stats.chi2.sf(ratio, 1) / 2)


def test_nested_p_value_is_uniform_below_one_half_for_power_laws() -> None:
    found = [compare(pareto(400, 3.5, seed)) for seed in range(300)]
    p_values = np.array([one.p_values["truncated-power-law"] for one in found if one is not None])
    assert stats.kstest(2 * p_values[p_values < 0.5], "uniform").pvalue > 1e-3


def test_vuongs_statistic() -> None:
    tail = exponential(100)
    found = compare(tail)
    assert found is not None
    ratios = fit("exponential", tail).log_densities - fit("power-law", tail).log_densities
    statistic = ratios.sum() / (ratios.std() * 10)
    assert found.p_values["exponential"] == pytest.approx(stats.norm.sf(statistic))


def test_too_little_to_compare() -> None:
    assert compare(pareto(7, 3.0)) is None
    assert compare(np.full(20, 3.0)) is None


def test_group_of_a_row() -> None:
    row = row_of(layer_of(with_eigenvalues(pareto(300, 2.5), 400)), groups=GROUPS)
    assert row.best_tail == "power-law"
    assert row.best_tail_p_value is not None
    assert row.best_tail_p_value > 0.05
    # Of a uniform spectrum no power law is left standing.
    flat = row_of(layer_of(with_eigenvalues(np.linspace(1, 50, 300), 400)), groups=GROUPS)
    assert flat.best_tail != "power-law"
    assert row_of(layer_of(np.eye(30)), groups=GROUPS).best_tail is None


def test_a_start_of_its_own() -> None:
    # A log-normal is one from end to end; a power law describes no more than its far tail.
    spectrum = log_normal(1000, 1.0, seed=5)
    own = {family: fit_own_start(family, spectrum) for family in ("log-normal", "power-law")}
    log, plain = own["log-normal"], own["power-law"]
    assert log is not None
    assert plain is not None
    assert log.tail_size > 900
    assert plain.tail_size < 400
    assert log.ks_distance < 0.03
    assert fit_own_start("exponential", spectrum[:7]) is None
