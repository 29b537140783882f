"""The fast backend: syrk and values-only eigensolvers of numpy's OpenBLAS, called through ctypes.

Above :data:`TWO_STAGE` rows the matrix is first reduced to a band (:mod:`.tiled`, nearly all of it
matrix products), then to tridiagonal form (``sytrd_sb2st``), which beats the one-stage
``sytrd``, whose reduction is bound by memory.
"""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import ResourceError
from gate.spectra.lapack.blas import Blas, leading, spaced, spaced_zeros
from gate.spectra.lapack.crew import crew
from gate.spectra.lapack.tiled import add_square, to_band

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gate.spectra.lapack.library import Library

TWO_STAGE: Final = 1900
"""Rows from which on the two-stage reduction is faster (measured on Zen 4)."""

_BAND_WIDTHS: Final = ((3000, 48), (5000, 64))
_WIDEST_BAND: Final = 96

_COLUMNS: Final = 16
"""Columns that ``sytrd`` takes at a time: 5 % faster than the 32 of ``syevd`` up to 1000 rows (Zen 4)."""

_TURN_COLUMNS: Final = 64
_TURN_TRIANGLE: Final = 65 * 64
"""Workspace of ``ormtr`` that lets it work in blocks: per vector, and once."""

_SAFE_BITS: Final = {"d": 480, "s": 50}
"""Entries beyond 2 to this power, either way, are brought near 1 first, as ``syevd`` does."""

_PANEL_BYTES: Final = 1 << 23
"""Size of the buffer through which storage of another precision is cast."""

_PANEL_ROWS: Final = 384
"""Rows of a tall matrix cast at a time: more leave the cache before BLAS is through (measured on Zen 4)."""

_WHOLE: Final = 1 << 17
"""Elements up to which it is cast at once: calling BLAS again costs more than the cache saves."""

_ALIGNED_ROWS: Final = 8
_CONFLICTING_ROWS: Final = 256
"""Panels of a multiple of so many rows take BLAS 10 to 20 % longer."""


class OpenBlas:
    """numpy's OpenBLAS, through its private symbols, on one of its threads."""

    tiled = True

    def __init__(self, library: Library) -> None:
        self._library = library

    @property
    def name(self) -> str:
        """Name of the library file."""
        return self._library.path.replace("\\", "/").rsplit("/", 1)[-1]

    def threads(self) -> int:
        """Return how many threads BLAS uses now."""
        return int(self._library.get_threads())

    def set_threads(self, count: int) -> None:
        """Make BLAS use ``count`` threads from now on, in the whole process."""
        self._library.set_threads(ctypes.c_int(count))

    def gram(self, matrix: NDArray[Any], dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """Return the lower triangle of the small side's Gram matrix, in Fortran order.

        Storage of another precision is cast panel by panel, never as a whole copy.
        """
        if matrix.strides[0] < matrix.strides[1]:
            matrix = matrix.T  # panels are then cut across contiguous rows
        rows, columns = matrix.shape
        size, tall = min(rows, columns), rows >= columns
        gram = spaced_zeros(size, size, np.dtype(dtype))
        blas = Blas(self._library, gram.dtype)
        if matrix.dtype == dtype and matrix.flags.c_contiguous and matrix.flags.aligned:
            add_square(blas, crew(), matrix.T, gram, turned=not tall)
            return gram
        longest = _panel_rows(rows) if tall and matrix.size > _WHOLE else max(matrix.shape)
        depth = min(longest, max(64, _PANEL_BYTES // (size * gram.itemsize)))
        buffer = spaced(*((size, depth) if tall else (depth, size)), gram.dtype)
        for first in range(0, max(rows, columns), depth):
            panel = (matrix[first : first + depth] if tall else matrix[:, first : first + depth]).T
            factor = buffer[: panel.shape[0], : panel.shape[1]]
            factor[...] = panel
            add_square(blas, crew(), factor, gram, turned=not tall)
        return gram

    def eigenvalues(self, gram: NDArray[Any]) -> NDArray[Any]:
        """Return the eigenvalues of the symmetric matrix in the lower triangle, ascending; destroys it."""
        size, magnitude = len(gram), _far_from_one(gram)
        if magnitude:  # products of such entries leave the range
            values: NDArray[Any] = np.ldexp(self.eigenvalues(np.ldexp(gram, -magnitude)), magnitude)
            return values
        if size < TWO_STAGE:
            return self.one_stage(gram)
        return self.two_stage(
            gram, next((width for limit, width in _BAND_WIDTHS if size < limit), _WIDEST_BAND)
        )

    def eigenvalues_and_basis(
        self, gram: NDArray[Any], wanted: Callable[[NDArray[Any]], int]
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the eigenvalues, and a basis of those wanted where one stage was enough (``stemr``)."""
        if gram.dtype != np.float64 or len(gram) >= TWO_STAGE or _far_from_one(gram):
            return self.eigenvalues(gram), None
        diagonal, off_diagonal, factors = self._tridiagonal(gram)
        values = self._solve_tridiagonal(diagonal.copy(), off_diagonal.copy())
        count = wanted(values)
        vectors = self._lowest(diagonal, off_diagonal, count) if count else None
        if vectors is not None:
            self._turn_back(gram, factors, vectors)
        return values, vectors

    def singular_values(self, matrix: NDArray[Any]) -> NDArray[np.float64]:
        """Return the singular values, descending (``gesdd`` without vectors).

        numpy's own call keeps the interpreter's lock up to some hundred rows, and other threads waiting.
        """
        values = np.array(matrix, np.float64, order="F")
        rows, columns = values.shape
        singular, nothing = np.empty(min(rows, columns)), np.empty(1)
        integers = np.empty(8 * len(singular), np.int64)

        def call(work: NDArray[np.float64], length: int) -> None:
            none = (nothing, 1)
            factors = (b"N", rows, columns, values, rows, singular, *none, *none)
            _check("gesdd", self._library.solve("dgesdd", *factors, work, length, integers))

        query = np.zeros(1)
        call(query, -1)
        work = np.empty(_length(query))
        call(work, len(work))
        return singular

    def one_stage(self, gram: NDArray[Any]) -> NDArray[Any]:
        """Reduce to tridiagonal form directly (``sytrd``), then solve (``sterf``)."""
        return self._solve_tridiagonal(*self._tridiagonal(gram)[:2])

    def _tridiagonal(self, gram: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return both diagonals of T = QᵀAQ and the factors of Q's reflectors, which take A's place."""
        dtype, size = gram.dtype, len(gram)
        diagonal, off_diagonal, factors = (np.empty(size, dtype) for _ in range(3))
        work = np.empty(size * _COLUMNS, dtype)
        place, found = (gram, leading(gram)), (diagonal, off_diagonal, factors)
        routine = _letter(dtype) + "sytrd"
        _check("sytrd", self._library.solve(routine, b"L", size, *place, *found, work, len(work)))
        return diagonal, off_diagonal, factors

    def _lowest(self, diagonal: NDArray[Any], off_diagonal: NDArray[Any], count: int) -> NDArray[Any] | None:
        """Return the vectors of the smallest eigenvalues of a tridiagonal matrix; None where they fail."""
        size = len(diagonal)
        values, vectors = np.empty(size), np.empty((size, count), order="F")
        support, integers = np.empty(2 * count, np.int64), np.empty(10 * size, np.int64)
        work = np.empty(18 * size)
        found, unused = ctypes.c_int64(0), ctypes.byref(ctypes.c_double(0))
        info = self._library.solve(
            "dstemr",
            b"V",
            b"I",
            size,
            diagonal,
            off_diagonal,
            *(unused, unused),  # bounds of values
            *(1, count),  # bounds of places
            ctypes.byref(found),
            values,
            *(vectors, size),
            count,
            support,
            1,
            *(work, len(work)),
            *(integers, len(integers)),
        )
        return vectors if info == 0 and found.value == count else None

    def _turn_back(self, reflectors: NDArray[Any], factors: NDArray[Any], vectors: NDArray[Any]) -> None:
        """Multiply vectors of T by Q."""
        size, count = vectors.shape
        work = np.empty(_TURN_COLUMNS * count + _TURN_TRIANGLE)
        given = (reflectors, leading(reflectors), factors)
        info = self._library.solve(
            "dormtr", b"L", b"L", b"N", size, count, *given, vectors, size, work, len(work)
        )
        _check("ormtr", info)

    def _solve_tridiagonal(self, diagonal: NDArray[Any], off_diagonal: NDArray[Any]) -> NDArray[Any]:
        if not np.isfinite(diagonal).all():
            raise _failed("sytrd", "not finite")
        routine = _letter(diagonal.dtype) + "sterf"
        _check("sterf", self._library.solve(routine, len(diagonal), diagonal, off_diagonal))
        return diagonal

    def two_stage(self, gram: NDArray[Any], width: int) -> NDArray[Any]:
        """Reduce to a band of ``width``, then to tridiagonal form, then solve (``sterf``)."""
        band = to_band(Blas(self._library, gram.dtype), crew(), gram, width)
        return self._solve_tridiagonal(*self._band_to_tridiagonal(band))

    def _band_to_tridiagonal(self, band: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Chase the bulges of a band."""
        width, size, dtype = len(band) - 1, band.shape[1], band.dtype
        diagonal, off_diagonal = np.zeros(size, dtype), np.zeros(size, dtype)
        routine = _letter(dtype) + "sytrd_sb2st"

        def call(reflectors: NDArray[Any], many: int, work: NDArray[Any], length: int) -> None:
            given = (b"Y", b"N", b"L", size, width, band, width + 1)
            found = (diagonal, off_diagonal, reflectors, many)
            _check("sytrd_sb2st", self._library.solve(routine, *given, *found, work, length))

        reflectors, work = np.zeros(1, dtype), np.zeros(1, dtype)
        call(reflectors, -1, work, -1)
        reflectors, work = np.zeros(_length(reflectors), dtype), np.zeros(_length(work), dtype)
        call(reflectors, len(reflectors), work, len(work))
        return diagonal, off_diagonal


def _panel_rows(rows: int) -> int:
    """Return the height of panels of one size: a last one of a few rows would take BLAS as long as many."""
    count = -(-rows // _PANEL_ROWS)
    height = -(-rows // (count * _ALIGNED_ROWS)) * _ALIGNED_ROWS
    if height % _CONFLICTING_ROWS:
        return height
    return -(-rows // ((count + 1) * _ALIGNED_ROWS)) * _ALIGNED_ROWS


def _far_from_one(gram: NDArray[Any]) -> int:
    """Return the power of 2 that the entries are of, or 0 where it is a harmless one."""
    magnitude = math.frexp(float(gram.diagonal().max()))[1]
    return magnitude if abs(magnitude) > _SAFE_BITS[_letter(gram.dtype)] else 0


def _letter(dtype: np.dtype[Any]) -> str:
    return "d" if dtype == np.float64 else "s"


def _length(query: NDArray[Any]) -> int:
    """Return the workspace length LAPACK asked for; float32 may have rounded it down."""
    return max(int(query[0] * (1 + 2 * np.finfo(query.dtype).eps)) + 1, 1)


def _check(routine: str, info: int) -> None:
    if info:
        raise _failed(routine, f"info {info}")


def _failed(routine: str, how: str) -> ResourceError:
    return ResourceError(
        f"LAPACK's {routine} failed ({how})",
        hint="Set GATE_LAPACK=numpy to use numpy's own solver, and report this.",
    )
