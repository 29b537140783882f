"""What is left of a spectrum when the entries are shuffled.

Shuffling destroys every correlation and keeps the entries.  A shuffled matrix should follow
Marchenko-Pastur; eigenvalues it still has beyond the edge are "correlation traps" (Prakash &
Martin, arXiv:2506.04434).  A few very large entries alone make them as well: entries distributed
like Student's t with 3 degrees of freedom give about five.  The largest entry is therefore
reported beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.spectra.eigenvalues import eigenvalues
from gate.spectra.randomness import bulk
from gate.spectra.randomness.stack import stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.interface import Settings
    from gate.spectra.spectrum import Spectrum

_CACHED: Final = 1 << 17
"""Entries that fit the processor's cache: beyond it a plain shuffle waits for memory."""

_BUCKETS: Final = 256
_FEWEST_BINS, _MOST_BINS = 8, 48


def shuffle(spectrum: Spectrum, settings: Settings) -> dict[str, Any]:
    """Shuffle the entries within each matrix, by the row's seed, and measure what is left.

    Returns
    -------
    dict
        ``correlation_traps``, ``shuffled_largest``, ``shuffle_distance``, ``largest_entry`` and
        the array ``shuffled_eigenvalues`` (pooled, ascending).
    """
    entries = stack(spectrum.matrices)
    mixed = shuffled(entries, np.random.default_rng(spectrum.seed))
    spectra = eigenvalues(mixed, float32=settings.float32).values * spectrum.scale
    fit = bulk.measure(spectra, *entries.shape[1:])
    pooled = np.sort(spectra, axis=None)
    return {
        "correlation_traps": None if fit is None else fit.spikes,
        "shuffled_largest": float(pooled[-1]),
        "shuffle_distance": jensen_shannon(spectrum.eigenvalues, pooled, spectrum.zero),
        "largest_entry": largest_entry(entries),
        "shuffled_eigenvalues": pooled,
    }


def shuffled(stacked: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
    """Return a copy with each matrix's entries in random order, every order being equally likely.

    Large matrices are first dealt at random into buckets that fit the cache, which are then
    shuffled one by one (Rao 1961, Sandelius 1962): the same law, four times sooner.

    Parameters
    ----------
    stacked:
        Shape (matrices, N, M).
    """
    entries = stacked.reshape(len(stacked), -1)
    if entries.shape[1] <= _CACHED:
        return generator.permuted(entries, axis=1).reshape(stacked.shape)
    return np.stack([_dealt(row, generator) for row in entries]).reshape(stacked.shape)


def _dealt(entries: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
    bucket = generator.integers(0, _BUCKETS, entries.size, dtype=np.uint8)
    dealt: NDArray[Any] = entries[np.argsort(bucket, kind="stable")]  # a radix sort, for bytes
    ends = np.cumsum(np.bincount(bucket, minlength=_BUCKETS))
    for part in np.split(dealt, ends[:-1]):
        part[:] = generator.permutation(part)
    return dealt


def largest_entry(stacked: NDArray[Any]) -> float | None:
    """Return the largest |w| in standard deviations of its matrix's entries."""
    deviation = stacked.std(axis=(1, 2), dtype=np.float64)
    largest = np.maximum(stacked.max(axis=(1, 2)), -stacked.min(axis=(1, 2)))
    scaled = largest[deviation > 0] / deviation[deviation > 0]
    return float(scaled.max()) if len(scaled) else None


def jensen_shannon(first: NDArray[np.float64], second: NDArray[np.float64], zero: float) -> float:
    """Return the Jensen-Shannon distance between two spectra of equal size.

    The square root of the divergence in bits (Endres & Schindelin 2003), so between 0 and 1, over
    bins equally wide in ln λ, by Rice's rule, with eigenvalues up to ``zero`` in a bin of their
    own.  Small spectra of one law are some distance apart by chance alone.
    """
    positive = np.concatenate([first[first > zero], second[second > zero]])
    if len(positive) == 0:
        return 0.0
    bins = min(_MOST_BINS, max(_FEWEST_BINS, int(2 * np.cbrt(len(first)))))
    edges = np.geomspace(positive.min(), positive.max(), bins + 1)[1:-1]
    shares = np.stack([_shares(values, edges, zero) for values in (first, second)])
    middle = shares.mean(axis=0)
    ratios = np.divide(shares, middle, out=np.ones_like(shares), where=shares > 0)
    divergence = (shares * np.log2(ratios)).sum(axis=1).mean()
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64], zero: float) -> NDArray[np.float64]:
    places = np.where(values > zero, np.searchsorted(edges, values, side="right") + 1, 0)
    return np.bincount(places, minlength=len(edges) + 2) / len(values)
