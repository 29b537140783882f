"""The few BLAS routines of the blocked reduction, on views of Fortran-ordered arrays.

Each works on one BLAS thread, outside the interpreter's lock.  ``lower`` in a name means that only
the lower triangle of a symmetric matrix is read or written.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from gate.errors import ResourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.lapack.library import Library

Matrix: TypeAlias = "NDArray[Any]"
"""Two axes, the first contiguous: an array in Fortran order, or rows and columns cut from one."""


_CONFLICT: Final = 1024
"""Columns that begin at multiples of so many bytes compete for the same few places of the cache."""

_LINE: Final = 64
"""Bytes of a cache line."""


def spaced(rows: int, columns: int, dtype: np.dtype[Any]) -> Matrix:
    """Return an array in Fortran order, of which no two neighbouring columns are in each other's way.

    It is not filled.  One line of cache more between columns makes the two-stage reduction of 2048 and
    4096 rows 15 % faster (measured on Zen 4).
    """
    return np.empty((_apart(rows, dtype), columns), dtype, order="F")[:rows]


def spaced_zeros(rows: int, columns: int, dtype: np.dtype[Any]) -> Matrix:
    """Return zeros, likewise, in memory of which the system gives what is written to."""
    return np.zeros((_apart(rows, dtype), columns), dtype, order="F")[:rows]


def _apart(rows: int, dtype: np.dtype[Any]) -> int:
    """Return how many rows there must be in memory."""
    return rows if rows * dtype.itemsize % _CONFLICT else rows + _LINE // dtype.itemsize


class Blas:
    """Routines of one precision."""

    def __init__(self, library: Library, dtype: np.dtype[Any]) -> None:
        self._library = library
        self._letter = "d" if dtype == np.float64 else "s"
        self._scalar: Any = ctypes.c_double if dtype == np.float64 else ctypes.c_float

    def multiply(
        self,
        left: Matrix,
        right: Matrix,
        out: Matrix,
        *,
        scale: float = 1.0,
        keep: bool = False,
        turn_left: bool = False,
        turn_right: bool = False,
    ) -> None:
        """Write ``scale``·left·right, added to ``out`` if ``keep``; a turned factor is transposed."""
        rows, columns = out.shape
        depth = left.shape[0 if turn_left else 1]
        self._library.call(
            f"{self._letter}gemm",
            b"T" if turn_left else b"N",
            b"T" if turn_right else b"N",
            rows,
            columns,
            depth,
            self._number(scale),
            *_place(left),
            *_place(right),
            self._number(keep),
            *_place(out),
        )

    def multiply_lower(self, symmetric: Matrix, right: Matrix, out: Matrix) -> None:
        """Write symmetric·right."""
        rows, columns = out.shape
        self._library.call(
            f"{self._letter}symm",
            b"L",
            b"L",
            rows,
            columns,
            self._number(1),
            *_place(symmetric),
            *_place(right),
            self._number(0),
            *_place(out),
        )

    def square_lower(self, factor: Matrix, out: Matrix, *, turned: bool) -> None:
        """Add factor·factorᵀ, or factorᵀ·factor if ``turned``."""
        self._library.call(
            f"{self._letter}syrk",
            b"L",
            b"T" if turned else b"N",
            len(out),
            factor.shape[0 if turned else 1],
            self._number(1),
            *_place(factor),
            self._number(1),
            *_place(out),
        )

    def subtract_products_lower(self, left: Matrix, right: Matrix, out: Matrix) -> None:
        """Subtract left·rightᵀ + right·leftᵀ."""
        self._library.call(
            f"{self._letter}syr2k",
            b"L",
            b"N",
            len(out),
            left.shape[1],
            self._number(-1),
            *_place(left),
            *_place(right),
            self._number(1),
            *_place(out),
        )

    def factor(self, panel: Matrix, triangle: Matrix) -> None:
        """Write the QR factors of a tall panel over it, and T of Q = I - V·T·Vᵀ.

        R takes the upper triangle, V stands below it, its unit diagonal left out.

        Raises
        ------
        gate.errors.ResourceError
            LAPACK refused.
        """
        info = self._library.solve(f"{self._letter}geqrt3", *panel.shape, *_place(panel), *_place(triangle))
        if info:
            raise ResourceError(f"LAPACK's geqrt3 reports {info}")

    def _number(self, value: float) -> Any:
        return ctypes.byref(self._scalar(value))


def _place(matrix: Matrix) -> tuple[Matrix, int]:
    """Return the two arguments that a matrix is."""
    return matrix, leading(matrix)


def leading(matrix: Matrix) -> int:
    """Return the leading dimension: from the start of one column to the next, in elements.

    Where there is one column its stride says nothing.
    """
    return max(matrix.strides[1] // matrix.itemsize, len(matrix), 1)
