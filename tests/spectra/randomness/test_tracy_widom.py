"""Tracy-Widom against published tables and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from gate.spectra.randomness import tracy_widom
from gate.spectra.randomness.wishart import spectra


@pytest.mark.parametrize(
    ("level", "value"),
    [(0.95, -3.1804), (0.9, -2.7824), (0.5, -1.2686), (0.1, 0.4501), (0.05, 0.9793), (0.01, 2.0234)],
)
def test_published_quantiles(level: float, value: float) -> None:
    # Bejan 2005, table 1; Johnstone 2001, table 1.
    assert tracy_widom.quantile(level) == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize("level", [0.5, 0.01, 0.01 / 9, 1e-5, 1e-9])
def test_quantile_inverts_survival(level: float) -> None:
    assert tracy_widom.survival(tracy_widom.quantile(level)) == pytest.approx(level, rel=2e-5)


def test_moments() -> None:
    # E X = ∫ P(X > x) over x > 0 less ∫ P(X ≤ x) over x < 0, and likewise E X².
    def above(power: int) -> float:
        return float(integrate.quad(lambda x: power * x ** (power - 1) * tracy_widom.survival(x), 0, 8)[0])

    def below(power: int) -> float:
        return float(
            integrate.quad(lambda x: power * x ** (power - 1) * (1 - tracy_widom.survival(x)), -8, 0)[0]
        )

    mean, square = above(1) - below(1), above(2) - below(2)
    assert mean == pytest.approx(tracy_widom.MEAN, abs=1e-6)
    assert square - mean**2 == pytest.approx(tracy_widom.VARIANCE, abs=1e-5)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, float("nan")])
def test_refuses_what_is_no_level(level: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        tracy_widom.quantile(level)


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (128, 16), (300, 100)])
def test_largest_eigenvalue_exceeds_the_quantile_as_often_as_it_should(rows: int, columns: int) -> None:
    draws = 4000
    largest = spectra(np.random.default_rng(1), rows, columns, draws)[:, -1]
    centre, scale = tracy_widom.centre_and_scale(rows, columns)
    exceeding = np.mean(largest > centre + scale * tracy_widom.quantile(0.05))
    assert exceeding == pytest.approx(0.05, abs=0.012)  # 3.5 standard errors
