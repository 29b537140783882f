"""A test of whether a matrix's entries hang together at all, from the second moment of its spectrum.

Σλ² = tr (WᵀW)² sums the products w_ij·w_kj·w_kl·w_il over all closed walks on rows i, k and columns
j, l.  Take away the walks that turn back on themselves (i = k or j = l) and what is left, the sum T
over true rectangles, has mean zero whenever the entries are independent with mean zero, whatever
the variance of each: rows, columns or slices of unequal scale, uniform or heavy-tailed entries
change nothing.  Different rectangles are uncorrelated, so 4·T(W²), the same sum over the squared
entries, estimates the variance without bias.  For entries of one variance the statistic is
equivalent to John's test of sphericity, the locally best invariant one (John 1971; Ledoit & Wolf
2002).  It needs no eigenvalues but those already there, and no second decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.spectra.lapack import blas_threads
from gate.spectra.randomness.stack import stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_VARIANCE_COLUMNS: Final = 256
"""Above this many columns the variance is estimated from that many, drawn by the seed."""

_BLOCK_ENTRIES: Final = 1 << 18
_LARGEST_SKEWNESS: Final = 3.0
_ROUNDING: Final = 1e-13
_NORMAL_SKEWNESS: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Correlation:
    """How far a layer's entries are from independent.

    Attributes
    ----------
    z:
        Sum over the matrices of T/√Var(T), divided by the root of their number.
    skewness:
        Skewness of ``z`` for independent entries.
    """

    z: float
    skewness: float

    @property
    def p_value(self) -> float:
        """Probability that independent entries give a ``z`` at least as large.

        From a shifted gamma law (Pearson's type III) of the right third moment.
        """
        from scipy.special import gammaincc, ndtr  # noqa: PLC0415  (scipy loads slowly)

        if self.skewness < _NORMAL_SKEWNESS:
            return float(ndtr(-self.z))
        shape = 4 / self.skewness**2
        return float(gammaincc(shape, max(shape + self.z * shape**0.5, 0.0)))

    @property
    def flatness_p_value(self) -> float:
        """Bound on the probability that independent entries give a ``z`` as small.

        A spectrum flatter than chance allows, as orthogonal initialisation and bottleneck layers
        have.  The true lower tail is shorter than the normal one taken here.
        """
        from scipy.special import ndtr  # noqa: PLC0415  (scipy loads slowly)

        return float(ndtr(self.z))


def pool(found: Sequence[Correlation]) -> Correlation:
    """Return the test over several independent sets of matrices together."""
    number = len(found)
    return Correlation(
        z=sum(one.z for one in found) / number**0.5,
        skewness=sum(one.skewness for one in found) / number**1.5,
    )


def correlation(
    matrices: tuple[NDArray[Any], ...], spectra: NDArray[np.float64], seed: int
) -> Correlation | None:
    """Test a layer's matrices together.

    Parameters
    ----------
    matrices:
        Each N×M, any float type.
    spectra:
        Their eigenvalues, shape (matrices, M), in any units.

    Returns
    -------
    Correlation or None
        None where no matrix has two rows and two columns that are not zero.
    """
    rows, columns = matrices[0].shape
    if rows < 2 or columns < 2:  # noqa: PLR2004
        return None
    sums = _Sums.of(stack(matrices), _chosen_columns(columns, seed))
    return _combine(sums, sums.rectangles(spectra), sums.variance())


def _chosen_columns(columns: int, seed: int) -> NDArray[np.intp]:
    if columns <= _VARIANCE_COLUMNS:
        return np.arange(columns)
    return np.sort(np.random.default_rng(seed).choice(columns, _VARIANCE_COLUMNS, replace=False))


def _row_blocks(stacked: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield blocks of rows in double precision, so that no whole copy is made."""
    matrices, rows, columns = stacked.shape
    step = max(1, _BLOCK_ENTRIES // (matrices * columns))
    for start in range(0, rows, step):
        yield stacked[:, start : start + step].astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over the squared entries; each entry of the arrays is one matrix's."""

    rows: NDArray[np.float64]  # (matrices, N): squared norms
    columns: NDArray[np.float64]  # (matrices, M)
    fourth: NDArray[np.float64]
    energy: NDArray[np.float64]
    squared_rectangles: NDArray[np.float64]  # T of the squared entries

    @classmethod
    def of(cls, stacked: NDArray[Any], chosen: NDArray[np.intp]) -> _Sums:
        """Sum in one pass over the rows; ``chosen`` are the columns of the variance estimate."""
        matrices, _, columns = stacked.shape
        # Entries are divided by the largest, so that fourth and eighth powers stay finite.
        largest = np.abs(stacked).max(axis=(1, 2)).astype(np.float64)
        unit = np.where(largest > 0, largest, 1.0)[:, None, None]
        row_sums, column_sums = [], np.zeros((matrices, columns))
        fourth, eighth = np.zeros(matrices), np.zeros(matrices)
        part = len(chosen)
        gram, part_rows = np.zeros((matrices, part, part)), np.zeros(matrices)
        part_columns = np.zeros((matrices, part))
        for rows in _row_blocks(stacked):
            block = np.square(rows / unit)
            row_sums.append(block.sum(axis=2))
            column_sums += block.sum(axis=1)
            fourth += np.einsum("kij,kij->k", block, block)
            few = block if part == columns else block[:, :, chosen]
            few_squared = few * few
            with blas_threads().one():
                gram += few.transpose(0, 2, 1) @ few
            part_rows += (few_squared.sum(axis=2) ** 2).sum(axis=1)
            part_columns += few_squared.sum(axis=1)
            eighth += (few_squared**2).sum(axis=(1, 2))
        squares = (gram**2).sum(axis=(1, 2))
        rectangles = squares - (part_columns**2).sum(axis=1) - part_rows + eighth
        rectangles[rectangles < _ROUNDING * squares] = 0.0  # one row or one column alone
        if part < columns:  # a rank-one profile of variances gives the ratio of all columns to these
            rectangles *= _pairs(column_sums**2) / np.maximum(_pairs(column_sums[:, chosen] ** 2), 1e-300)
        norms = np.concatenate(row_sums, axis=1)
        return cls(norms, column_sums, fourth, norms.sum(axis=1), rectangles)

    def rectangles(self, spectra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return T of each matrix, its spectrum brought to the units of the sums."""
        trace = spectra.sum(axis=1)
        unit = np.divide(self.energy, trace, out=np.zeros_like(trace), where=trace > 0)
        squares = ((spectra * unit[:, None]) ** 2).sum(axis=1)
        turning_back = (self.columns**2).sum(axis=1) + (self.rows**2).sum(axis=1) - self.fourth
        return np.asarray(squares - turning_back)

    def variance(self) -> NDArray[np.float64]:
        """Return the estimated variance of T of each matrix."""
        return 4 * self.squared_rectangles

    def skewness(self) -> NDArray[np.float64]:
        """Return the skewness of T for independent entries, by the effective numbers of rows and columns.

        Three rectangles multiply to squares only when they share two rows (or columns) and take
        their columns (rows) from one triple; counting those gives 4(n+m-4)/√(n(n-1)m(m-1)).
        """
        n, m = (
            np.maximum(sums.sum(axis=1) ** 2 / np.maximum((sums**2).sum(axis=1), 1e-300), 2.0)
            for sums in (self.rows, self.columns)
        )
        skewness = 4 * (n + m - 4) / np.sqrt(n * (n - 1) * m * (m - 1))
        return np.asarray(np.minimum(skewness, _LARGEST_SKEWNESS))


def _pairs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over pairs of different columns of the product of their values."""
    return np.asarray(values.sum(axis=1) ** 2 - (values**2).sum(axis=1))


def _combine(
    sums: _Sums, rectangles: NDArray[np.float64], variance: NDArray[np.float64]
) -> Correlation | None:
    usable = variance > 0
    z = rectangles[usable] / np.sqrt(variance[usable])
    skewness = sums.skewness()[usable]
    one_each = [Correlation(float(a), float(b)) for a, b in zip(z, skewness, strict=True)]
    return pool(one_each) if one_each else None
