"""The law against numerical integration, and the fit against matrices of known variance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from gate.spectra.randomness import marchenko_pastur
from gate.spectra.randomness.wishart import spectra


@pytest.mark.parametrize(("rows", "columns"), [(100, 100), (200, 100), (1000, 10)])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_distribution_is_the_integral_of_the_density(rows: int, columns: int, share: float) -> None:
    low, high = marchenko_pastur.edges(rows, columns)
    value = low + share * (high - low)
    # In λ of WᵀW with σ = 1 the density is √((λ₊-λ)(λ-λ₋))/(2πMλ).
    integral = integrate.quad(
        lambda x: np.sqrt((high - x) * (x - low)) / (2 * np.pi * columns * x), low, value, limit=400
    )[0]
    assert marchenko_pastur.cumulative(np.array([value]), rows, columns)[0] == pytest.approx(
        integral, abs=1e-6
    )


@given(st.integers(1, 400), st.floats(1, 50))
def test_distribution_rises_from_0_to_1_and_quantiles_invert_it(columns: int, aspect: float) -> None:
    rows = int(columns * aspect)
    low, high = marchenko_pastur.edges(rows, columns)
    values = np.linspace(low * 0.9, high * 1.1, 50)
    shares = marchenko_pastur.cumulative(values, rows, columns)
    assert shares[0] == pytest.approx(0, abs=1e-6)
    assert shares[-1] == pytest.approx(1, abs=1e-6)
    assert (np.diff(shares) >= -1e-9).all()
    inner = np.linspace(0.01, 0.99, 9)
    found = marchenko_pastur.quantiles(inner, rows, columns)
    assert marchenko_pastur.cumulative(found, rows, columns) == pytest.approx(inner, abs=2e-4)


@pytest.mark.parametrize("columns", [4, 8, 16, 64, 128])
@pytest.mark.parametrize("aspect", [1, 2, 8])
def test_bias_and_noise_of_the_fitted_variance(columns: int, aspect: int) -> None:
    rows, draws = columns * aspect, 2000
    drawn = spectra(np.random.default_rng(3), rows, columns, draws)
    fit = marchenko_pastur.fit(drawn, rows, columns)
    noise = float(fit.variances.var())
    assert fit.variances.mean() == pytest.approx(1, abs=0.02)
    assert 0.9 * noise < fit.relative_variance < 1.8 * noise  # never too small a margin by much


def test_recovers_the_variance_of_dense_matrices_beneath_spikes() -> None:
    generator = np.random.default_rng(4)
    matrix = 0.3 * generator.standard_normal((600, 300))
    for strength in range(20):
        left, right = generator.standard_normal(600), generator.standard_normal(300)
        matrix += (20 + strength) * np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    eigenvalues = np.asarray(np.linalg.eigvalsh(matrix.T @ matrix), np.float64)
    fit = marchenko_pastur.fit(eigenvalues[None], 600, 300)
    assert np.sqrt(fit.variances[0]) == pytest.approx(0.3, rel=0.06)


@given(st.floats(1e-6, 1e6), st.integers(0, 100))
def test_scales_with_the_weights_and_never_jumps(scale: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    spectrum = np.sort(generator.pareto(1.5, 60))[None]
    before = marchenko_pastur.fit(spectrum, 90, 60).variances[0]
    assert marchenko_pastur.fit(spectrum * scale, 90, 60).variances[0] == pytest.approx(before * scale)
    shifted = spectrum * (1 + 1e-9 * generator.standard_normal(60))
    assert marchenko_pastur.fit(np.sort(shifted), 90, 60).variances[0] == pytest.approx(before, rel=1e-8)
