"""The tridiagonal model against dense Gaussian matrices and closed-form moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gate.spectra.randomness.wishart import spectra


@pytest.mark.parametrize(("rows", "columns"), [(3, 1), (2, 2), (16, 3), (40, 20)])
def test_moments(rows: int, columns: int) -> None:
    # E tr X = NM and E tr X² = NM(N + M + 1).
    drawn = spectra(np.random.default_rng(0), rows, columns, 20_000)
    traces, squares = drawn.sum(axis=1), (drawn**2).sum(axis=1)
    for sample, expected in ((traces, rows * columns), (squares, rows * columns * (rows + columns + 1))):
        assert abs(sample.mean() - expected) < 4 * sample.std() / len(sample) ** 0.5
    assert (np.diff(drawn, axis=1) >= 0).all()


def test_same_law_as_dense_matrices() -> None:
    dense = np.random.default_rng(1).standard_normal((3000, 24, 10))
    expected = np.linalg.eigvalsh(dense.transpose(0, 2, 1) @ dense)
    drawn = spectra(np.random.default_rng(2), 24, 10, 3000)
    for place in (0, 4, 9):
        assert stats.ks_2samp(drawn[:, place], expected[:, place]).pvalue > 1e-3
