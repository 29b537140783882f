"""Eigenvalues against closed forms and numpy's singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gate.spectra import eigenvalues as solving
from gate.spectra.eigenvalues import eigenvalues, of_product
from gate.spectra.lapack import backend
from tests.spectra.layers import gaussian, with_eigenvalues


def squared_singular_values(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.square(np.linalg.svd(np.asarray(matrix, np.float64), compute_uv=False))[::-1]


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (300, 200), (200, 300), (40, 1), (1, 40), (1, 1)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_matrix(shape: tuple[int, int], dtype: type[np.floating[Any]], order: str) -> None:
    matrix = np.array(gaussian(*shape), dtype, order="F" if order == "F" else "C")
    found = eigenvalues(matrix)
    assert found.values.dtype == np.float64
    np.testing.assert_allclose(found.values[0], squared_singular_values(matrix), rtol=1e-9)


def test_a_known_spectrum_turned_by_random_rotations_comes_back() -> None:
    planted = np.linspace(0.5, 90, 250)
    np.testing.assert_allclose(eigenvalues(with_eigenvalues(planted, 400)).values[0], planted, rtol=1e-11)


@pytest.mark.parametrize("shape", [(24, 16), (16, 24), (160, 140)])
def test_slices_of_a_kernel(shape: tuple[int, int]) -> None:
    kernel = gaussian(*shape, 3, 2).astype(np.float32)
    found = eigenvalues(np.moveaxis(kernel, (0, 1), (-2, -1)))
    expected = [squared_singular_values(kernel[:, :, i, j]) for i in range(3) for j in range(2)]
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)


def test_the_two_stage_solver_gives_the_same_spectrum() -> None:
    matrix = gaussian(1950, 1910)
    expected = np.linalg.eigvalsh(matrix.T @ matrix)
    np.testing.assert_allclose(eigenvalues(matrix).values[0], expected, rtol=1e-9)


def test_near_singular_matrices_get_their_small_end_from_singular_values() -> None:
    planted = np.geomspace(1e-22, 1.0, 60)
    found = eigenvalues(with_eigenvalues(planted, 80))
    assert found.near_singular
    assert found.resolved
    gram_only = np.linalg.eigvalsh(with_eigenvalues(planted, 80).T @ with_eigenvalues(planted, 80))
    assert abs(gram_only[0] / planted[0] - 1) > 1  # the Gram matrix alone has lost it
    np.testing.assert_allclose(found.values[0], planted, rtol=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(200, 200), (240, 200), (200, 240)])
@pytest.mark.parametrize("size", [0, 1e-30, 1e-7])
def test_dead_channels(
    shape: tuple[int, int], axis: int, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = gaussian(*shape)
    matrix[(slice(None), [3, 50]) if axis else [3, 50]] *= size
    solved: list[int] = []
    solve = type(backend()).eigenvalues

    def counted(solver: Any, gram: Any) -> Any:
        solved.append(len(gram))
        return solve(solver, gram)

    monkeypatch.setattr(type(backend()), "eigenvalues", counted)
    found = eigenvalues(matrix)
    expected = squared_singular_values(matrix)
    proven = shape[axis] == min(shape)  # without it the matrix only lost two of its many samples
    assert found.near_singular is proven
    assert bool(solved) is not proven  # what would be thrown away is not computed
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-9, atol=1e-12 * expected[-1])


@pytest.fixture
def decomposed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Return the shapes of the matrices that are decomposed from here on."""
    if not backend().tiled:
        pytest.skip("numpy brings another BLAS here, and gives no vectors of the smallest eigenvalues alone")
    asked: list[tuple[int, ...]] = []
    solver = type(backend())
    decompose = solver.singular_values

    def counted(self: Any, matrix: Any) -> Any:
        asked.append(matrix.shape)
        return decompose(self, matrix)

    monkeypatch.setattr(solver, "singular_values", counted)
    return asked


def test_what_the_caller_takes_for_zero_costs_no_decomposition(decomposed: list[tuple[int, ...]]) -> None:
    zero_below = 200 * 2.0**-52
    dead = with_eigenvalues(np.append(np.zeros(5), np.geomspace(1e-9, 1, 195)), 300)
    found = eigenvalues(dead, zero_below=zero_below)
    assert not decomposed
    assert found.near_singular
    np.testing.assert_array_equal(found.values[0, :5], 0)
    np.testing.assert_allclose(found.values[0, 5:], np.geomspace(1e-9, 1, 195), rtol=1e-5)
    # one that is just above what counts as zero has to be known well, so there it is worth it
    close = with_eigenvalues(np.append(2 * zero_below, np.geomspace(1e-9, 1, 199)), 300)
    found = eigenvalues(close, zero_below=zero_below)
    assert len(decomposed) == 1
    assert found.values[0, 0] == pytest.approx(2 * zero_below, rel=1e-2)


@pytest.mark.parametrize("lost", [(2.0,), (0.8, 1.1, 5.0, 5.0, 15.0)])
@pytest.mark.parametrize("zeros", [0, 7])
@pytest.mark.parametrize(("rows", "order"), [(200, "C"), (200, "F"), (260, "C"), (260, "F")])
@pytest.mark.parametrize("turned", [False, True])
def test_the_few_lost_eigenvalues_are_found_in_their_own_space(
    rows: int,
    order: Any,
    turned: bool,
    zeros: int,
    lost: tuple[float, ...],
    decomposed: list[tuple[int, ...]],
) -> None:
    zero_below = 200 * 2.0**-52
    rest = np.geomspace(1e-11, 1, 200 - zeros - len(lost))
    planted = np.concatenate([np.zeros(zeros), np.multiply(lost, zero_below), rest])
    matrix = np.asarray(with_eigenvalues(planted, rows), order=order)
    found = eigenvalues(matrix.T if turned else matrix, zero_below=zero_below)
    assert found.near_singular
    assert found.resolved
    assert [min(shape) < 70 for shape in decomposed] == [True]
    expected = squared_singular_values(matrix)
    np.testing.assert_allclose(found.values[0, zeros:], expected[zeros:], rtol=1e-5)
    assert (found.values[0, :zeros] < zero_below / 2).all()
    assert (np.diff(found.values[0]) >= 0).all()


def test_a_tall_matrix_is_projected_some_rows_at_a_time(
    monkeypatch: pytest.MonkeyPatch, decomposed: list[tuple[int, ...]]
) -> None:
    monkeypatch.setattr(solving, "_PRODUCT_ROWS", 70)
    zero_below = 200 * 2.0**-52
    matrix = with_eigenvalues(np.append(2 * zero_below, np.geomspace(1e-9, 1, 199)), 300)
    found = eigenvalues(matrix, zero_below=zero_below)
    assert [shape[0] for shape in decomposed] == [300]
    np.testing.assert_allclose(found.values[0], squared_singular_values(matrix), rtol=1e-5)


def test_many_small_eigenvalues_are_left_to_the_decomposition(decomposed: list[tuple[int, ...]]) -> None:
    planted = np.geomspace(1e-14, 1, 200)
    matrix = with_eigenvalues(planted, 220)
    found = eigenvalues(matrix, zero_below=200 * 2.0**-52)
    assert decomposed == [matrix.shape]
    np.testing.assert_allclose(found.values[0], squared_singular_values(matrix), rtol=1e-9)


def test_scale_does_not_matter_to_lost_eigenvalues() -> None:
    zero_below = 200 * 2.0**-52
    matrix = with_eigenvalues(np.append(2 * zero_below, np.geomspace(1e-9, 1, 199)), 300)
    expected = eigenvalues(matrix, zero_below=zero_below).values
    for power in (-600, -40, 40, 300):
        found = eigenvalues(np.ldexp(matrix, power // 2), zero_below=zero_below)
        np.testing.assert_allclose(np.ldexp(found.values, -power), expected, rtol=1e-6)


def test_a_slice_that_is_near_singular_does_not_touch_the_others() -> None:
    stack = gaussian(4, 30, 20)
    stack[2, :, 10:] = stack[2, :, :10]
    found = eigenvalues(stack)
    assert found.near_singular
    for index in range(4):
        expected = squared_singular_values(stack[index])
        np.testing.assert_allclose(found.values[index], expected, rtol=1e-9, atol=1e-25)


def test_a_large_near_singular_matrix_says_that_its_small_end_is_lost() -> None:
    matrix = np.zeros((40_000, 800), np.float32)
    matrix[:800] = np.eye(800, dtype=np.float32)
    matrix[0, 0] = 1e-12
    found = eigenvalues(matrix)
    assert found.near_singular
    assert not found.resolved
    assert found.values[0, -1] == pytest.approx(1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [20, 200])
def test_a_matrix_with_nan_or_infinity_has_no_eigenvalues(bad: float, size: int) -> None:
    stack = gaussian(2, size, size)
    stack[1, 3, 4] = bad
    found = eigenvalues(stack).values
    np.testing.assert_allclose(found[0], squared_singular_values(stack[0]), rtol=1e-6)
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize("size", [40, 300])
def test_single_precision_is_close_and_turns_to_double_where_squares_overflow(size: int) -> None:
    matrix = gaussian(size + 50, size)
    np.testing.assert_allclose(
        eigenvalues(matrix, float32=True).values[0], squared_singular_values(matrix), rtol=1e-3
    )
    large = (matrix * 1e25).astype(np.float32)
    np.testing.assert_allclose(
        eigenvalues(large, float32=True).values[0], squared_singular_values(large), rtol=1e-9
    )


def test_a_low_rank_product_is_solved_without_being_formed() -> None:
    left, right = gaussian(300, 8), gaussian(8, 200, seed=1)
    expected = squared_singular_values(left @ right)[-8:]
    np.testing.assert_allclose(of_product(left, right).values[0], expected, rtol=1e-10)


def test_a_product_wider_than_its_rank_keeps_only_what_the_sides_allow() -> None:
    left, right = gaussian(5, 8), gaussian(8, 200, seed=1)
    np.testing.assert_allclose(
        of_product(left, right).values[0], squared_singular_values(left @ right), rtol=1e-9
    )


def test_a_product_with_nan_has_no_eigenvalues() -> None:
    left = gaussian(30, 4)
    left[0, 0] = np.nan
    assert np.isnan(of_product(left, gaussian(4, 20)).values).all()
