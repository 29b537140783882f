"""p-values of the distance to Marchenko-Pastur: uniform for noise, which the textbook's are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gate.spectra.randomness import bulk, null_distance
from gate.spectra.randomness.wishart import spectra


def p_values(matrices: int, rows: int, columns: int, draws: int) -> list[float]:
    generator = np.random.default_rng([7, matrices, rows, columns])
    found = []
    for _ in range(draws):
        fit = bulk.measure(spectra(generator, rows, columns, matrices), rows, columns)
        assert fit is not None
        found.append(null_distance.p_value(fit.distance, rows, columns, matrices))
    return found


@pytest.mark.parametrize(
    ("matrices", "rows", "columns", "draws"),
    [
        (1, 64, 64, 600),
        (1, 90, 45, 600),
        (9, 32, 16, 600),
        (5, 100, 24, 600),
        (1, 200, 8, 600),
        (1, 900, 300, 200),
        (1, 1024, 1024, 60),
        (1, 1600, 1500, 30),
    ],
)
def test_uniform_for_gaussian_matrices(matrices: int, rows: int, columns: int, draws: int) -> None:
    found = np.array(p_values(matrices, rows, columns, draws))
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert np.mean(found < 0.05) < 0.05 + 3 * (0.05 / draws) ** 0.5


def test_the_textbook_p_value_never_rejects_noise_nor_much_else() -> None:
    drawn = spectra(np.random.default_rng(8), 200, 100, 1)
    fit = bulk.measure(drawn, 200, 100)
    assert fit is not None
    assert stats.kstwo.sf(fit.distance, 100) > 0.999


@pytest.mark.parametrize("level", [0.5, 0.05, 0.001])
@pytest.mark.parametrize(("rows", "columns", "matrices"), [(16, 3, 9), (64, 64, 1), (9000, 4096, 1)])
def test_critical_value_inverts_the_p_value(level: float, rows: int, columns: int, matrices: int) -> None:
    value = null_distance.critical_value(level, rows, columns, matrices)
    assert null_distance.p_value(value, rows, columns, matrices) == pytest.approx(level)
