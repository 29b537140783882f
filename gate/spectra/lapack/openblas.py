"""The fast backend: syrk and values-only eigensolvers of numpy's OpenBLAS, called through ctypes.

Above :data:`TWO_STAGE` rows the matrix is first reduced to a band (:mod:`.tiled`, nearly all of it
matrix products), then to tridiagonal form (``sytrd_sb2st``), which beats the one-stage
``syevd`` whose reduction is bound by memory.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import ResourceError
from gate.spectra.lapack.blas import Blas
from gate.spectra.lapack.crew import crew
from gate.spectra.lapack.library import ONE_CHARACTER, Library, address, character, integer
from gate.spectra.lapack.tiled import add_square, to_band

if TYPE_CHECKING:
    from numpy.typing import NDArray

TWO_STAGE: Final = 1900
"""Rows from which on the two-stage reduction is faster (measured on Zen 4)."""

_BAND_WIDTHS: Final = ((3000, 48), (5000, 64))
_WIDEST_BAND: Final = 96

_PANEL_BYTES: Final = 1 << 23
"""Size of the buffer through which storage of another precision is cast."""


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
        gram = np.zeros((size, size), dtype, order="F")
        blas = Blas(self._library, gram.dtype)
        if matrix.dtype == dtype and matrix.flags.c_contiguous and matrix.flags.aligned:
            add_square(blas, crew(), matrix.T, gram, turned=not tall)
            return gram
        depth = max(64, _PANEL_BYTES // (size * gram.itemsize))
        for first in range(0, max(rows, columns), depth):
            last = first + depth
            panel = matrix[first:last] if tall else matrix[:, first:last]
            add_square(blas, crew(), np.ascontiguousarray(panel, dtype).T, gram, turned=not tall)
        return gram

    def eigenvalues(self, gram: NDArray[Any]) -> NDArray[Any]:
        """Return the eigenvalues of the symmetric matrix in the lower triangle, ascending; destroys it."""
        size = len(gram)
        if size < TWO_STAGE:
            return self.one_stage(gram)
        return self.two_stage(
            gram, next((width for limit, width in _BAND_WIDTHS if size < limit), _WIDEST_BAND)
        )

    def one_stage(self, gram: NDArray[Any]) -> NDArray[Any]:
        """Reduce to tridiagonal form directly (``syevd`` without vectors)."""
        dtype, size = gram.dtype, len(gram)
        eigenvalues = np.empty(size, dtype)
        work, integers = np.zeros(2 * size + 1 + size * 64, dtype), np.zeros(1, np.int64)
        info = ctypes.c_int64(0)
        self._library[_letter(dtype) + "syevd"](
            character(b"N"),
            character(b"L"),
            integer(size),
            address(gram),
            integer(size),
            address(eigenvalues),
            address(work),
            integer(len(work)),
            address(integers),
            integer(len(integers)),
            ctypes.byref(info),
            ONE_CHARACTER,
            ONE_CHARACTER,
        )
        _check("syevd", info.value)
        return eigenvalues

    def two_stage(self, gram: NDArray[Any], width: int) -> NDArray[Any]:
        """Reduce to a band of ``width``, then to tridiagonal form, then solve (``sterf``)."""
        band = to_band(Blas(self._library, gram.dtype), crew(), gram, width)
        diagonal, off_diagonal = self._band_to_tridiagonal(band)
        info = ctypes.c_int64(0)
        self._library[_letter(gram.dtype) + "sterf"](
            integer(len(diagonal)), address(diagonal), address(off_diagonal), ctypes.byref(info)
        )
        _check("sterf", info.value)
        return diagonal

    def _band_to_tridiagonal(self, band: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Chase the bulges of a band."""
        width, size, dtype = len(band) - 1, band.shape[1], band.dtype
        diagonal, off_diagonal = np.zeros(size, dtype), np.zeros(size, dtype)
        routine = self._library[_letter(dtype) + "sytrd_sb2st"]

        def call(reflectors: NDArray[Any], many: int, work: NDArray[Any], length: int) -> None:
            info = ctypes.c_int64(0)
            routine(
                character(b"Y"),
                character(b"N"),
                character(b"L"),
                integer(size),
                integer(width),
                address(band),
                integer(width + 1),
                address(diagonal),
                address(off_diagonal),
                address(reflectors),
                integer(many),
                address(work),
                integer(length),
                ctypes.byref(info),
                ONE_CHARACTER,
                ONE_CHARACTER,
                ONE_CHARACTER,
            )
            _check("sytrd_sb2st", info.value)

        reflectors, work = np.zeros(1, dtype), np.zeros(1, dtype)
        call(reflectors, -1, work, -1)
        reflectors, work = np.zeros(_length(reflectors), dtype), np.zeros(_length(work), dtype)
        call(reflectors, len(reflectors), work, len(work))
        return diagonal, off_diagonal


def _letter(dtype: np.dtype[Any]) -> str:
    return "d" if dtype == np.float64 else "s"


def _length(query: NDArray[Any]) -> int:
    """Return the workspace length LAPACK asked for; float32 may have rounded it down."""
    return max(int(query[0] * (1 + 2 * np.finfo(query.dtype).eps)) + 1, 1)


def _check(routine: str, info: int) -> None:
    if info:
        raise ResourceError(
            f"LAPACK's {routine} failed (info {info})",
            hint="Set GATE_LAPACK=numpy to use numpy's own solver, and report this.",
        )
