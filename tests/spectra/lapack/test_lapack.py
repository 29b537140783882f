"""The private solver against numpy's public one, and the ways it has to step aside."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from gate.errors import ResourceError
from gate.spectra import lapack
from gate.spectra.lapack import OpenBlas, Portable, library
from gate.spectra.lapack import openblas as openblas_module
from gate.spectra.lapack.threads import LARGE, BlasThreads
from tests.spectra.layers import gaussian


def openblas() -> OpenBlas:
    found = library.find()
    if found is None:
        pytest.skip("numpy brings another BLAS here")
    return OpenBlas(found)


@pytest.fixture
def fresh_choice(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Choose the backend anew in this test, and again after it."""
    monkeypatch.setattr(lapack, "_backend", lapack._backend.__wrapped__)
    return monkeypatch


@pytest.mark.parametrize("shape", [(50, 30), (30, 50), (700, 20), (131, 130)])
@pytest.mark.parametrize("storage", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True])
def test_gram(
    shape: tuple[int, int],
    storage: type[np.floating[Any]],
    precision: type[np.floating[Any]],
    transposed: bool,
) -> None:
    matrix = gaussian(*shape).astype(storage)
    matrix = matrix.T if transposed else matrix
    values = matrix.astype(np.float64)
    expected = values.T @ values if values.shape[0] >= values.shape[1] else values @ values.T
    tolerance = 1e-4 if precision is np.float32 else 1e-11
    for backend in (openblas(), Portable()):
        found = np.tril(backend.gram(matrix, precision))
        assert found.dtype == precision
        np.testing.assert_allclose(found, np.tril(expected), rtol=tolerance, atol=tolerance * 100)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("size", [100, 128, 384, 512])
def test_columns_of_a_gram_matrix_do_not_begin_at_conflicting_addresses(
    size: int, precision: type[np.floating[Any]]
) -> None:
    backend = openblas()
    matrix = gaussian(size + 9, size).astype(np.float32)
    gram = backend.gram(matrix, precision)
    assert gram.shape == (size, size)
    assert gram.strides[0] == gram.itemsize
    assert gram.strides[1] % 1024
    assert gram.strides[1] - size * gram.itemsize in {0, 64}
    expected = np.linalg.eigvalsh(matrix.astype(np.float64).T @ matrix.astype(np.float64))
    tolerance = 1e-11 if precision is np.float64 else 1e-4
    for solve in (backend.one_stage, lambda square: backend.two_stage(square, 16)):
        found = solve(backend.gram(matrix, precision))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * expected[-1])


def test_gram_of_a_strided_view_in_many_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.spectra.lapack.openblas._PANEL_BYTES", 1)
    matrix = gaussian(400, 30, 2).astype(np.float32)[:, :, 1]
    for view in (matrix, matrix.T):
        expected = matrix.astype(np.float64).T @ matrix.astype(np.float64)
        np.testing.assert_allclose(np.tril(openblas().gram(view, np.float64)), np.tril(expected), rtol=1e-10)


@pytest.mark.parametrize("rows", [1, 2, 7, 64, 255, 256, 257, 384, 385, 512, 768, 1024, 1153, 4096, 30522])
def test_panels_of_a_tall_matrix_are_of_one_height(rows: int) -> None:
    height = openblas_module._panel_rows(rows)
    count = -(-rows // height)
    assert height <= 384
    assert height % 256  # BLAS takes longer over those
    assert count * height - rows < 8 * count  # no panel of a few rows is left over
    matrix = gaussian(rows, 3).astype(np.float32)
    expected = matrix.astype(np.float64).T @ matrix.astype(np.float64)
    if rows >= 3:
        found = np.tril(openblas().gram(matrix, np.float64))
        np.testing.assert_allclose(found, np.tril(expected), rtol=1e-9, atol=1e-9)


def test_gram_of_bytes_that_are_swapped_or_lie_askew() -> None:
    matrix = gaussian(60, 40)
    expected = np.tril(matrix.T @ matrix)
    askew = np.frombuffer(b"\0" + matrix.tobytes(), np.float64, matrix.size, 1).reshape(matrix.shape)
    for stored in (matrix.astype(">f8"), askew):
        np.testing.assert_allclose(np.tril(openblas().gram(stored, np.float64)), expected, rtol=1e-10)


@pytest.mark.parametrize("width", [8, 48, 96])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_both_reductions_find_numpys_eigenvalues(width: int, precision: type[np.floating[Any]]) -> None:
    matrix = gaussian(500, 300)
    expected = np.linalg.eigvalsh(matrix.T @ matrix)
    tolerance = 2e-3 if precision is np.float32 else 1e-10
    backend = openblas()
    np.testing.assert_allclose(backend.one_stage(backend.gram(matrix, precision)), expected, rtol=tolerance)
    two = backend.two_stage(backend.gram(matrix, precision), width)
    np.testing.assert_allclose(two, expected, rtol=tolerance)


@pytest.mark.parametrize("shape", [(50, 30), (30, 50), (40, 40), (700, 20), (20, 700), (1, 7), (7, 1)])
@pytest.mark.parametrize("transposed", [False, True])
def test_singular_values_are_those_of_numpy_however_the_matrix_lies(
    shape: tuple[int, int], transposed: bool
) -> None:
    matrix = gaussian(*shape).astype(np.float32)
    matrix = matrix.T if transposed else matrix
    kept = matrix.copy()
    expected = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    for backend in (openblas(), Portable()):
        np.testing.assert_allclose(backend.singular_values(matrix), expected, rtol=1e-12)
    np.testing.assert_array_equal(matrix, kept)


def test_small_singular_values_come_out_as_they_are() -> None:
    left, right = (np.linalg.qr(gaussian(60, 60, 2)[:, :, axis])[0] for axis in (0, 1))
    planted = np.logspace(0, -13, 60)
    found = openblas().singular_values(left * planted @ right)
    np.testing.assert_allclose(found, planted, rtol=1e-2, atol=1e-16)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_entries_near_the_ends_of_the_range_lose_nothing(precision: type[np.floating[Any]]) -> None:
    gram = openblas().gram(gaussian(90, 70), precision)
    expected = openblas().eigenvalues(gram.copy(order="F"))
    far = 100 if precision is np.float32 else 900
    for power in (-far, far):
        found = openblas().eigenvalues(np.ldexp(gram, power))
        np.testing.assert_allclose(np.ldexp(found, -power), expected, rtol=1e-3 if far == 100 else 1e-12)


def test_the_fallback_finds_the_same_eigenvalues() -> None:
    matrix = gaussian(90, 70)
    np.testing.assert_allclose(
        Portable().eigenvalues(Portable().gram(matrix, np.float64)),
        openblas().eigenvalues(openblas().gram(matrix, np.float64)),
        rtol=1e-10,
    )


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [150, 90])
def test_the_basis_spans_the_space_of_the_smallest_eigenvalues(
    rows: int, precision: type[np.floating[Any]]
) -> None:
    matrix = gaussian(rows, 90)
    solver = openblas()
    told: list[int] = []

    def wanted(values: Any) -> int:
        told.append(len(values))
        return 7

    values, basis = solver.eigenvalues_and_basis(solver.gram(matrix, precision), wanted)
    np.testing.assert_allclose(values, solver.eigenvalues(solver.gram(matrix, precision)), rtol=1e-6)
    if precision is np.float32:  # nothing to gain from: single precision is never mended
        assert basis is None
        return
    assert told == [90]
    assert basis is not None
    np.testing.assert_allclose(basis.T @ basis, np.eye(7), atol=1e-13)
    gram = matrix.T @ matrix
    np.testing.assert_allclose(gram @ basis, basis * values[:7], atol=1e-11 * values[-1])
    portable = Portable()
    assert portable.eigenvalues_and_basis(portable.gram(matrix, precision), wanted)[1] is None
    assert solver.eigenvalues_and_basis(solver.gram(matrix, precision), lambda _: 0)[1] is None


@pytest.mark.parametrize("missing", ["sytrd_sb2st", "stemr", "ormtr", "gesdd", "openblas_set_num_threads"])
def test_a_missing_symbol_leads_to_the_fallback(fresh_choice: pytest.MonkeyPatch, missing: str) -> None:
    openblas()
    present = library._symbol
    fresh_choice.setattr(
        library, "_symbol", lambda handle, name: None if missing in name else present(handle, name)
    )
    assert library.find() is None
    assert isinstance(lapack.backend(), Portable)


def test_a_library_that_computes_nonsense_leads_to_the_fallback(fresh_choice: pytest.MonkeyPatch) -> None:
    openblas()
    fresh_choice.setattr(OpenBlas, "two_stage", lambda self, gram, width: np.zeros(len(gram)))
    assert isinstance(lapack.backend(), Portable)


def test_the_fallback_can_be_asked_for(fresh_choice: pytest.MonkeyPatch) -> None:
    fresh_choice.setenv("GATE_LAPACK", "numpy")
    assert isinstance(lapack.backend(), Portable)


def test_where_numpy_ships_no_openblas_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_PLACES", (("nowhere", "lib*"),))
    assert library.find() is None


def test_a_failing_routine_is_an_error_with_a_hint() -> None:
    gram = np.full((5, 5), np.nan, order="F")
    with pytest.raises(ResourceError) as caught:
        openblas().one_stage(gram)
    assert caught.value.hint is not None


def test_the_fallback_reports_and_limits_threads() -> None:
    backend = Portable()
    before = backend.threads()
    backend.set_threads(1)
    assert backend.threads() == 1
    backend.set_threads(before)
    assert backend.threads() == before


def test_every_thread_may_set_the_number_of_blas_threads_of_the_fallback() -> None:
    backend = Portable()
    before = backend.threads()
    found: list[int] = []

    def elsewhere() -> None:
        backend.set_threads(1)
        found.append(backend.threads())

    backend.set_threads(2)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [1]
    backend.set_threads(before)
    assert backend.threads() == before


class Recorded:
    """A backend that only counts its threads."""

    name = "recorded"
    tiled = False

    def __init__(self) -> None:
        self.count = 4

    def threads(self) -> int:
        return self.count

    def set_threads(self, count: int) -> None:
        self.count = count

    def gram(self, matrix: Any, dtype: Any) -> Any:
        raise NotImplementedError

    def eigenvalues(self, gram: Any) -> Any:
        raise NotImplementedError

    def eigenvalues_and_basis(self, gram: Any, wanted: Any) -> Any:
        raise NotImplementedError

    def singular_values(self, matrix: Any) -> Any:
        raise NotImplementedError


def test_small_matrices_share_one_blas_thread_each_and_give_the_rest_back() -> None:
    backend = Recorded()
    threads = BlasThreads(backend)
    with threads.sized(LARGE - 1):
        assert backend.count == 1
        with threads.one():
            assert backend.count == 1
        assert backend.count == 1
    assert backend.count == 4


def test_a_large_matrix_has_all_threads_and_is_alone() -> None:
    backend = Recorded()
    threads = BlasThreads(backend)
    seen: list[str] = []

    def large() -> None:
        with threads.sized(LARGE):
            seen.append(f"large {backend.count}")
            time.sleep(0.05)
            seen.append("large ends")

    def small() -> None:
        with threads.sized(10):
            seen.append(f"small {backend.count}")

    with threads.one():
        first = threading.Thread(target=large)
        first.start()
        while not threads._waiting:
            time.sleep(0.001)
        second = threading.Thread(target=small)  # must not slip in before the one that waits
        second.start()
        time.sleep(0.02)
        assert seen == []
    first.join()
    second.join()
    assert seen == ["large 4", "large ends", "small 1"]
