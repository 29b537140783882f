"""A layer's matrices against Marchenko-Pastur: variance, edge, spikes and distance, together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.spectra.randomness import marchenko_pastur, spikes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.spectrum import Spectrum

_EPSILON: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Bulk:
    """What the fit to the bulk of each matrix says of the layer.

    Attributes
    ----------
    sigma:
        Root mean square over the matrices of the fitted standard deviation of an entry.
    edge:
        λ₊ of the matrix that holds the largest eigenvalue, so that both are of one scale.
    soft_rank:
        ``edge``/λ_max.
    spikes:
        Eigenvalues beyond their matrix's edge by the Tracy-Widom margin.
    distance:
        KS distance of the pooled eigenvalues, each over its matrix's σ², to the law.
    bulk_distance:
        The same for the eigenvalues that are no spikes.
    """

    sigma: float
    edge: float
    soft_rank: float
    spikes: int
    distance: float
    bulk_distance: float


def measure(spectra: NDArray[np.float64], rows: int, columns: int, tested: int | None = None) -> Bulk | None:
    """Fit each matrix's bulk.

    Parameters
    ----------
    spectra:
        Eigenvalues of WᵀW, shape (matrices, M), each row ascending.
    tested:
        Number of matrices the level of a spike is shared by, if not those given.

    Returns
    -------
    Bulk or None
        None where there are fewer than two columns, or no matrix has a bulk above zero.
    """
    if columns < 2:  # noqa: PLR2004
        return None
    # What rounding leaves of a zero is no bulk, and nothing to find spikes beyond.
    spectra = np.where(spectra > spectra[:, -1:] * columns * _EPSILON, spectra, 0.0)
    fit = marchenko_pastur.fit(spectra, rows, columns)
    usable = fit.variances > 0
    if not usable.any():
        return None
    standard = np.divide(spectra, fit.variances[:, None], out=np.zeros_like(spectra), where=usable[:, None])[
        usable
    ]
    limit = spikes.threshold(rows, columns, tested or len(spectra), fit.relative_variance)
    is_spike = standard > limit
    top = int(np.argmax(spectra[:, -1] * usable))
    edge = float(fit.variances[top]) * marchenko_pastur.edges(rows, columns)[1]
    return Bulk(
        sigma=float(np.sqrt(fit.variances.mean())),
        edge=edge,
        soft_rank=edge / float(spectra[top, -1]),
        spikes=int(np.count_nonzero(is_spike)),
        distance=ks_distance(standard.ravel(), rows, columns),
        bulk_distance=ks_distance(standard[~is_spike], rows, columns),
    )


def of(spectrum: Spectrum) -> Bulk | None:
    """Measure a row; None where it has no bulk, or is a product of low rank, which has none."""
    spectra = spectrum.per_matrix
    rows, columns = spectrum.matrices[0].shape
    if spectra.shape[1] != columns or not np.isfinite(spectra).all():
        return None
    return measure(spectra, rows, columns)


def ks_distance(values: NDArray[np.float64], rows: int, columns: int) -> float:
    """Return the KS distance of eigenvalues, each over its matrix's σ², to Marchenko-Pastur."""
    ordered = marchenko_pastur.cumulative(np.sort(values), rows, columns)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.max(ordered - steps[:-1]), np.max(steps[1:] - ordered)))
