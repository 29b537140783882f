"""Spectra of Gaussian matrices, drawn without building the matrices.

The eigenvalues of WᵀW for a Gaussian W (N×M) have the same law as those of a random tridiagonal
matrix with χ² entries (Dumitriu & Edelman 2002, β = 1), which takes M² operations instead of
N·M² + M³.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spectra(generator: np.random.Generator, rows: int, columns: int, count: int) -> NDArray[np.float64]:
    """Draw ``count`` spectra of WᵀW, W Gaussian of variance 1 and shape ``rows`` × ``columns``.

    Returns
    -------
    array of shape (count, columns)
        Each row ascending.
    """
    from scipy.linalg.lapack import dsterf  # noqa: PLC0415  (scipy loads slowly)

    diagonal = generator.chisquare(rows - np.arange(columns), size=(count, columns))
    below = generator.chisquare(np.arange(columns - 1, 0, -1), size=(count, columns - 1))
    off_diagonal = np.sqrt(diagonal[:, :-1] * below)
    diagonal[:, 1:] += below
    drawn = np.empty((count, columns))
    for index in range(count):
        drawn[index] = dsterf(diagonal[index], off_diagonal[index])[0] if columns > 1 else diagonal[index]
    return np.maximum(drawn, 0.0)
