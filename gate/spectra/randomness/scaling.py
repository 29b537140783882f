"""Takes the scales of rows and columns out of a matrix.

Folded batch norms and per-channel scales stretch rows and columns of a random matrix; its spectrum
then has a longer tail than Marchenko-Pastur, yet no entry knows of another.  Dividing by the scales
(Sinkhorn & Knopp 1967, on the squared entries) brings such a matrix back to the law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.spectra.lapack import blas_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDS: Final = 8


def equalise(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Return the matrix with rows, and columns, of equal norm; zero rows and columns are left out.

    Parameters
    ----------
    matrix:
        N×M, any float type; not changed.

    Returns
    -------
    array
        At most N×M, turned if need be so that it has at least as many rows as columns.
    """
    values = matrix.astype(np.float64)
    values = values[np.any(values, axis=1)][:, np.any(values, axis=0)]
    if values.size == 0:
        return values
    values /= np.abs(values).max()
    squares = values**2
    row_scale, column_scale = np.ones(values.shape[0]), np.ones(values.shape[1])
    with blas_threads().one():
        for _ in range(_ROUNDS):
            row_scale = values.shape[1] / (squares @ column_scale)
            column_scale = values.shape[0] / (row_scale @ squares)
    values *= np.sqrt(row_scale)[:, None]
    values *= np.sqrt(column_scale)
    return values if values.shape[0] >= values.shape[1] else values.T
