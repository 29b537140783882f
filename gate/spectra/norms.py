"""Norms, ranks and entropy of a spectrum (arXiv:2106.00734, section 3; arXiv:2002.06716, table 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.spectra.zero import least_alive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.interface import Convention
    from gate.spectra.spectrum import Spectrum

_MACHINE: Final = 2.0**-52
_LN_10: Final = math.log(10)


def norms(spectrum: Spectrum, convention: Convention) -> dict[str, float | int | None]:
    """Return every default figure of a spectrum that needs no fit or only its exponent.

    ``spectrum`` has at least one eigenvalue above 0.
    """
    eigenvalues = spectrum.eigenvalues
    largest = float(eigenvalues[-1])
    relative = eigenvalues / largest  # squares of 1e-77 would underflow
    total, sum_of_all = float(relative.sum()), float(eigenvalues.sum())
    alpha = spectrum.fit.alpha if spectrum.fit else None
    log_largest = math.log10(largest)
    rank, loss = _rank(spectrum, convention)
    second = float(relative[-2]) if len(relative) > 1 else 0.0
    return {
        "log_spectral_norm": log_largest,
        "log_frobenius_norm": math.log10(sum_of_all),
        "log_alpha_schatten_norm": None if alpha is None else _log_power_sum(eigenvalues, alpha),
        "alpha_weighted": None if alpha is None else alpha * log_largest,
        "stable_rank": total,
        "matrix_rank": rank,
        "rank_loss": loss,
        "largest_singular_value": math.sqrt(largest),
        "entropy": _entropy(spectrum, sum_of_all, rank, convention.entropy_epsilon),
        "spectral_gap": 1 / second if second > 0 else None,
        "participation_ratio": total**2 / float(np.square(relative).sum()),
        "scale_spread": _scale_spread(spectrum.per_matrix),
    }


def smallest_singular_value(spectrum: Spectrum) -> float:
    """Return √λ_min, or 0 where it is below what a singular value decomposition resolves."""
    smallest = math.sqrt(spectrum.eigenvalues[0])
    lost = smallest <= math.sqrt(spectrum.eigenvalues[-1]) * spectrum.rows * _MACHINE
    return 0.0 if lost else smallest


def _log_power_sum(eigenvalues: NDArray[np.float64], alpha: float) -> float:
    """Return log10 Σ λ^alpha, of ascending λ, without overflow; zeros contribute nothing."""
    logs = alpha * np.log(eigenvalues[eigenvalues.searchsorted(0.0, side="right") :])
    largest = float(logs[-1])
    return (largest + math.log(float(np.exp(logs - largest).sum()))) / _LN_10


def _rank(spectrum: Spectrum, convention: Convention) -> tuple[int, int]:
    """Return the rank, and how much it falls short of full rank over the matrices."""
    total = len(spectrum.eigenvalues)
    if convention.rank == "zero":
        return len(spectrum.positive), total - len(spectrum.positive)
    longest = spectrum.rows
    missing = sum(len(values) - _machine_rank(values, longest) for values in spectrum.per_matrix)
    return _machine_rank(spectrum.eigenvalues, longest), missing


def _machine_rank(eigenvalues: NDArray[np.float64], longest: int) -> int:
    """Count singular values above s_max·N·eps, as ``numpy.linalg.matrix_rank`` does."""
    singular = np.sqrt(eigenvalues)
    return int(np.count_nonzero(singular > singular[-1] * longest * _MACHINE))


def _entropy(spectrum: Spectrum, total: float, rank: int, epsilon: float) -> float | None:
    """Return -Σ p ln p / ln rank of p = λ/Σλ; None for rank 1 and below, where it is 0/0."""
    if rank <= 1:
        return None
    shares = spectrum.eigenvalues if epsilon else spectrum.positive
    shares = shares / total + epsilon
    return float(-(shares * np.log(shares)).sum() / math.log(rank + epsilon))


def _scale_spread(per_matrix: NDArray[np.float64]) -> float | None:
    """Return the standard deviation, in decades, of the squared Frobenius norms of slices not dead."""
    if len(per_matrix) == 1:
        return None
    sums = per_matrix.sum(axis=1)
    alive = np.log10(sums[sums >= least_alive(float(sums.max()))])
    if len(alive) < 2:  # noqa: PLR2004 - one value has no spread
        return None
    alive -= alive.sum() / len(alive)
    return math.sqrt(float(np.square(alive, out=alive).sum()) / len(alive))
