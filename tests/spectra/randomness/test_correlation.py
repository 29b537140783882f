"""The rectangle test: against its definition, its null law, and structure it must see."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.spectra.randomness.correlation import Correlation, correlation
from tests.spectra.layers import gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray


def measured(stacked: NDArray[Any]) -> Correlation:
    values = stacked.astype(np.float64)
    spectra = np.asarray(np.linalg.eigvalsh(values.transpose(0, 2, 1) @ values), np.float64)
    found = correlation(tuple(stacked), spectra, 0)
    assert found is not None
    return found


def rectangles(matrix: NDArray[np.float64]) -> float:
    """Return the sum over all rectangles of the product of their corners, as defined."""
    rows, columns = (range(extent) for extent in matrix.shape)
    return sum(
        float(matrix[i, j] * matrix[k, j] * matrix[k, m] * matrix[i, m])
        for i, k, j, m in product(rows, rows, columns, columns)
        if i != k and j != m
    )


def test_is_the_sum_over_rectangles_in_units_of_its_deviation() -> None:
    matrix = gaussian(7, 5, seed=1) ** 3
    assert measured(matrix[None]).z == pytest.approx(rectangles(matrix) / (4 * rectangles(matrix**2)) ** 0.5)


def heteroscedastic(generator: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    rows = np.exp(0.7 * generator.standard_normal((1, shape[1], 1)))
    columns = np.exp(0.7 * generator.standard_normal((1, 1, shape[2])))
    return np.asarray(generator.standard_normal(shape) * rows * columns)


ENTRIES = {
    "gaussian": lambda generator, shape: generator.standard_normal(shape),
    "uniform": lambda generator, shape: generator.uniform(-1, 1, shape),
    "student-t": lambda generator, shape: generator.standard_t(3, shape),
    "rows and columns scaled": heteroscedastic,
}


@pytest.mark.parametrize("entries", ENTRIES)
@pytest.mark.parametrize("shape", [(9, 16, 3), (1, 64, 64), (1, 128, 8), (3, 40, 20)])
def test_independent_entries_are_rejected_as_often_as_stated(
    entries: str, shape: tuple[int, int, int]
) -> None:
    generator, draws = np.random.default_rng(2), 1500
    found = [measured(ENTRIES[entries](generator, shape)) for _ in range(draws)]
    z = np.array([one.z for one in found])
    assert abs(z.mean()) < 4 / draws**0.5
    assert z.std() == pytest.approx(1, abs=0.08)
    allowed = 0.01 + 3 * (0.01 / draws) ** 0.5
    assert np.mean([one.p_value < 0.01 for one in found]) < allowed
    assert np.mean([one.flatness_p_value < 0.01 for one in found]) < allowed


def test_the_variance_from_some_columns_is_that_from_all() -> None:
    generator = np.random.default_rng(3)
    z = np.array([measured(heteroscedastic(generator, (1, 340, 320))).z for _ in range(400)])
    assert z.std() == pytest.approx(1, abs=0.12)
    assert np.mean(z > 3) < 0.015


def test_sees_a_component_stronger_than_the_weakest_spike_and_an_orthogonal_matrix() -> None:
    noise = gaussian(100, 60, seed=4)
    component = np.outer(gaussian(100, seed=5), gaussian(60, seed=6))
    strength = 2 * (100 * 60) ** 0.25 / np.linalg.norm(component)
    assert measured((noise + strength * component)[None]).p_value < 1e-4
    assert measured(np.linalg.qr(noise)[0][None]).flatness_p_value < 1e-6


@given(st.floats(1e-100, 1e15), st.integers(0, 50))
def test_scale_changes_nothing(scale: float, seed: int) -> None:
    matrix = gaussian(20, 9, seed=seed)[None]
    assert measured(matrix * scale).z == pytest.approx(measured(matrix).z, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("matrix", [np.eye(9), np.zeros((9, 4)), np.ones((9, 1))])
def test_nothing_to_compare(matrix: NDArray[np.float64]) -> None:
    eigenvalues = np.asarray(np.linalg.eigvalsh(matrix.T @ matrix), np.float64)
    assert correlation((matrix,), eigenvalues[None], 0) is None
