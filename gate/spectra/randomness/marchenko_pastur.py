"""The Marchenko-Pastur law, and its fit to the bulk of a spectrum.

Source: Marchenko & Pastur 1967; in the notation of arXiv:1810.01075, for X = WᵀW with W of shape
N×M and entries of variance σ²: edges λ± = N·σ²·(1 ± Q^(-1/2))², Q = N/M.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BULK_SHARE: Final = 0.75
"""Share of the smallest eigenvalues that the variance is fitted to: what a tail cannot reach."""

_GRID: Final = 4097


def edges(rows: int, columns: int) -> tuple[float, float]:
    """Return λ₋ and λ₊ of WᵀW for entries of variance 1."""
    return (rows**0.5 - columns**0.5) ** 2, (rows**0.5 + columns**0.5) ** 2


def cumulative(values: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the Marchenko-Pastur distribution function at eigenvalues of WᵀW, for variance 1.

    Closed form of the integral of √((b-x)(x-a))/(2πyx), y = M/N, between the edges a and b.
    """
    ratio = columns / rows
    low, high = (edge / rows for edge in edges(rows, columns))
    x = np.clip(values / rows, low, high)
    root = np.sqrt(np.maximum((high - x) * (x - low), 0.0))
    terms = root + (1 + ratio) * np.arcsin(np.clip((2 * x - low - high) / (high - low), -1, 1))
    if rows != columns:  # else the last term vanishes with 1 - ratio
        inverse = np.clip(((low + high) * x - 2 * low * high) / (x * (high - low)), -1, 1)
        terms -= (1 - ratio) * np.arcsin(inverse)
    return np.clip(0.5 + terms / (2 * np.pi * ratio), 0.0, 1.0)


@lru_cache(maxsize=64)
def _inverse(rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = edges(rows, columns)
    # The cosine spacing is dense at both edges, where the density behaves like a square root.
    values = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, _GRID))) / 2
    return cumulative(values, rows, columns), values


def quantiles(probabilities: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the eigenvalues of WᵀW (variance 1) below which lie the given shares of the law."""
    shares, values = _inverse(rows, columns)
    return np.asarray(np.interp(probabilities, shares, values))


@dataclass(frozen=True, slots=True)
class BulkFit:
    """The variance of an entry, fitted per matrix to the bulk of its spectrum.

    Attributes
    ----------
    variances:
        σ² of each matrix; 0 for a matrix whose bulk is zero.
    relative_variance:
        Variance of the estimate of σ² over σ⁴, for Gaussian matrices.
    """

    variances: NDArray[np.float64]
    relative_variance: float


def fit(spectra: NDArray[np.float64], rows: int, columns: int) -> BulkFit:
    """Fit σ² by matching the mean of the smallest three quarters of the eigenvalues.

    The estimate is linear in the sorted eigenvalues, so continuous in the weights, and eigenvalues
    of the upper quarter do not move it.  Its small bias and its variance come from seeded
    Gaussian matrices (``benchmarks/randomness.py``); both are within a few percent of what
    :func:`gate.spectra.randomness.wishart.spectra` gives for M from 2 to 512 and Q from 1 to 64.

    Parameters
    ----------
    spectra:
        Eigenvalues of WᵀW, shape (matrices, M), each row ascending.
    rows, columns:
        N and M.
    """
    kept, reference = _bulk_reference(rows, columns)
    noise = (3.4 if columns >= _SMALL else 2.4 + 25 / (rows * columns)) / (rows * columns)
    return BulkFit(spectra[:, :kept].sum(axis=1) / reference, noise)


_SMALL: Final = 8


@lru_cache(maxsize=512)
def _bulk_reference(rows: int, columns: int) -> tuple[int, float]:
    """Return how many eigenvalues the bulk keeps and their expected sum for variance 1."""
    kept = max(1, min(columns - 1, int(np.ceil(BULK_SHARE * columns))))
    shares = (np.arange(kept) + 0.5) / columns
    bias = 0.42 * max(0.0, 1 - 5 / columns) * (columns / rows) ** 0.75 / columns
    return kept, float(quantiles(shares, rows, columns).sum()) * (1 - bias)
