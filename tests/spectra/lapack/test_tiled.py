"""The tiled products and reduction against numpy, whatever the tiles and whoever computes them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import ResourceError
from gate.spectra.lapack import OpenBlas, library, tiled
from gate.spectra.lapack.blas import Blas
from gate.spectra.lapack.crew import Crew
from tests.spectra.layers import gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture
def blas() -> Blas:
    found = library.find()
    if found is None:
        pytest.skip("numpy brings another BLAS here")
    OpenBlas(found).set_threads(1)
    return Blas(found, np.dtype(np.float64))


def symmetric(size: int) -> NDArray[np.float64]:
    matrix = gaussian(size, size)
    return np.asfortranarray(matrix + matrix.T)


def dense(band: NDArray[Any]) -> NDArray[Any]:
    """Return the symmetric matrix whose lower diagonals are the rows of ``band``."""
    size = band.shape[1]
    below = sum(
        np.diag(band[distance, : size - distance], -distance) for distance in range(1, min(len(band), size))
    )
    whole: NDArray[Any] = np.diag(band[0]) + below + np.transpose(below)
    return whole


@pytest.mark.parametrize("size", [2, 7, 16, 17, 31, 32, 33, 48, 65, 100, 131])
@pytest.mark.parametrize("rows", [5, 16, 512])
def test_the_band_has_the_eigenvalues_of_the_matrix(
    blas: Blas, monkeypatch: pytest.MonkeyPatch, size: int, rows: int
) -> None:
    monkeypatch.setattr(tiled, "ROWS", rows)
    matrix = symmetric(size)
    expected = np.linalg.eigvalsh(matrix)
    band = tiled.to_band(blas, Crew(), matrix, 16)
    assert band.shape == (17, size)
    np.testing.assert_allclose(np.linalg.eigvalsh(dense(band)), expected, atol=1e-12 * np.abs(expected).max())


def test_only_the_lower_triangle_is_read(blas: Blas) -> None:
    matrix = symmetric(90)
    expected = np.linalg.eigvalsh(matrix)
    matrix[np.triu_indices(90, 1)] = np.nan
    band = tiled.to_band(blas, Crew(), matrix, 12)
    np.testing.assert_allclose(np.linalg.eigvalsh(dense(band)), expected, atol=1e-12 * expected.max())


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", [(40, 23), (23, 40), (1, 5), (64, 64)])
def test_squares(blas: Blas, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], turned: bool) -> None:
    monkeypatch.setattr(tiled, "SQUARE_ROWS", 9)
    factor = np.asfortranarray(gaussian(*shape))
    expected = factor.T @ factor if turned else factor @ factor.T
    out = np.zeros_like(expected, order="F")
    tiled.add_square(blas, Crew(), factor, out, turned=turned)
    np.testing.assert_allclose(np.tril(out), np.tril(expected), atol=1e-12)


def test_helpers_change_no_bit(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "ROWS", 64)
    crew, over = Crew(), threading.Event()
    alone = tiled.to_band(blas, crew, symmetric(500), 24)
    threads = [threading.Thread(target=crew.help, args=(over.is_set,), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    while crew._idle < len(threads):
        time.sleep(0.001)
    try:
        for _ in range(5):
            np.testing.assert_array_equal(tiled.to_band(blas, crew, symmetric(500), 24), alone)
    finally:
        over.set()
        crew.wake()
        for thread in threads:
            thread.join(5)


def test_a_refused_factorisation_is_an_error(blas: Blas) -> None:
    wide = np.zeros((3, 5), order="F")
    with pytest.raises(ResourceError, match="geqrt3"):
        blas.factor(wide, np.zeros((5, 5), order="F"))
