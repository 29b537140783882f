"""Gram product and reduction to a band, cut into tiles that the crew shares.

The reduction is that of LAPACK's ``sytrd_sy2sb`` (Bischof, Lang & Sun 2000): panel by panel, QR below
the band, then both sides of the rest are multiplied by Q = I - VTVᵀ::

    P = A·V·T,   X = P - V·(Tᵀ·Vᵀ·P)/2,   A ← A - V·Xᵀ - X·Vᵀ

The next panel is updated and factored beside the rest of the update, which it does not touch.  Tiles
are the same whatever the number of threads, and so are the results.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.spectra.lapack.blas import spaced_zeros

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.spectra.lapack.blas import Blas, Matrix
    from gate.spectra.lapack.crew import Crew, Tile

ROWS: Final = 512
"""Rows of the reduction's tiles: enough for BLAS to work at its speed, few enough to share out."""

SQUARE_ROWS: Final = 1024
"""Rows of the Gram product's tiles, which cost more to cut (measured: 8 % at 1024, 19 % at 512)."""


def add_square(blas: Blas, crew: Crew, factor: Matrix, out: Matrix, *, turned: bool) -> None:
    """Add factor·factorᵀ, or factorᵀ·factor if ``turned``, to the lower triangle of ``out``."""

    def tile(first: int, last: int) -> None:
        here = factor[:, first:last] if turned else factor[first:last]
        blas.square_lower(here, out[first:last, first:last], turned=turned)
        if first:
            above = factor[:, :first] if turned else factor[:first]
            beside = out[first:last, :first]
            blas.multiply(here, above, beside, keep=True, turn_left=turned, turn_right=not turned)

    crew.run(partial(tile, *place) for place in _longest_first(0, len(out), SQUARE_ROWS))


def to_band(blas: Blas, crew: Crew, matrix: Matrix, width: int) -> Matrix:
    """Reduce the symmetric matrix in the lower triangle to a band; destroys it.

    Returns
    -------
    ndarray of shape (width + 1, n)
        Fortran order; row d holds the d-th diagonal below the main one.
    """
    size = len(matrix)
    _Reduction(blas, crew, matrix, width).run()
    band = np.zeros((width + 1, size), matrix.dtype, order="F")
    for distance in range(min(width + 1, size)):
        band[distance, : size - distance] = matrix.diagonal(-distance)
    return band


class _Reduction:
    """One reduction; V and X stand side by side in both orders, so that one product makes both terms."""

    def __init__(self, blas: Blas, crew: Crew, matrix: Matrix, width: int) -> None:
        self._blas, self._crew = blas, crew
        self._matrix, self._width = matrix, width
        size = len(matrix)
        self._reflectors_first = spaced_zeros(size, 2 * width, matrix.dtype)
        self._reflectors_last = spaced_zeros(size, 2 * width, matrix.dtype)
        self._product = spaced_zeros(size, width, matrix.dtype)
        self._triangle = np.zeros((width, width), matrix.dtype, order="F")

    def run(self) -> None:
        """Bring every panel into the band."""
        size, width = len(self._matrix), self._width
        column = 0
        if size - width >= width:
            self._blas.factor(self._matrix[width:, :width], self._triangle)
        while size - column - width >= width:
            self._take_reflectors(column)
            self._multiply(column + width)
            self._update(column + width)
            column += width
        _finish(self._matrix[column:, column:], width)

    def _take_reflectors(self, column: int) -> None:
        """Copy V out of the panel at ``column``, its unit diagonal filled in."""
        first, width = column + self._width, self._width
        reflectors = self._reflectors_first[first:, :width]
        reflectors[:] = self._matrix[first:, column:first]
        head = reflectors[:width]
        head[np.triu_indices(width, 1)] = 0
        np.fill_diagonal(head, 1)
        self._reflectors_last[first:, width:] = reflectors

    def _multiply(self, first: int) -> None:
        """Compute X from V and the rows and columns from ``first`` on."""
        width = self._width
        rest, product = self._matrix[first:, first:], self._product[first:]
        reflectors = self._reflectors_first[first:, :width]
        parts: dict[int, Matrix] = {}

        def tile(start: int, stop: int) -> None:
            here = np.empty((stop - start, width), rest.dtype, order="F")
            self._blas.multiply_lower(rest[start:stop, start:stop], reflectors[start:stop], here)
            if start:
                self._blas.multiply(rest[start:stop, :start], reflectors[:start], here, keep=True)
            if stop < len(rest):
                below = rest[stop:, start:stop]
                self._blas.multiply(below, reflectors[stop:], here, keep=True, turn_left=True)
            self._blas.multiply(here, self._triangle, product[start:stop])
            part = np.empty((width, width), rest.dtype, order="F")
            self._blas.multiply(reflectors[start:stop], product[start:stop], part, turn_left=True)
            parts[start] = part

        self._crew.run(partial(tile, *rows) for rows in _longest_first(0, len(rest), ROWS))
        inner = np.asfortranarray(self._triangle.T @ sum(parts[start] for start in sorted(parts)))
        self._blas.multiply(reflectors, inner, product, scale=-0.5, keep=True)
        self._reflectors_last[first:, :width] = product
        self._reflectors_first[first:, width:] = product

    def _update(self, first: int) -> None:
        """Subtract V·Xᵀ + X·Vᵀ from the rest, and factor the panel that comes next meanwhile."""
        width = self._width
        rest = self._matrix[first:, first:]
        left, right = self._reflectors_first[first:], self._reflectors_last[first:]

        def tile(start: int, stop: int, after: int) -> None:
            """Update rows of the triangle, in columns from ``after`` on."""
            rows = left[start:stop]
            self._blas.subtract_products_lower(rows[:, :width], rows[:, width:], rest[start:stop, start:stop])
            if start > after:
                self._blas.multiply(
                    rows,
                    right[after:start],
                    rest[start:stop, after:start],
                    scale=-1,
                    keep=True,
                    turn_right=True,
                )

        def next_panel() -> None:
            tile(0, width, 0)
            below = rest[width:, :width]
            if len(below):
                self._blas.multiply(left[width:], right[:width], below, scale=-1, keep=True, turn_right=True)
            if len(below) >= width:
                self._blas.factor(below, self._triangle)

        tiles: list[Tile] = [next_panel]
        tiles += [partial(tile, *rows, width) for rows in _longest_first(width, len(rest), ROWS)]
        self._crew.run(tiles)


def _finish(matrix: Matrix, width: int) -> None:
    """Bring the last corner, of fewer than two band widths, into the band."""
    below = len(matrix) - width
    if below < 2:  # noqa: PLR2004 - what is left lies within the band
        return
    left, matrix[width:, :width] = np.linalg.qr(matrix[width:, :width], mode="complete")
    lower = np.tril(matrix[width:, width:])
    whole: Any = lower + np.tril(lower, -1).T
    matrix[width:, width:] = left.T @ whole @ left


def _longest_first(first: int, end: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield where each tile of a lower triangle begins and ends, the one with the longest rows first."""
    for start in reversed(range(first, end, rows)):
        yield start, min(start + rows, end)
