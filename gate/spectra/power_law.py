"""The Clauset fit of a power law to the tail of a spectrum, over every candidate x_min.

Source: Clauset, Shalizi & Newman 2009, as used by arXiv:2106.00734, equation 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PowerLawFit:
    """The best power law ρ(λ) ~ λ^(-alpha) on x_min ≤ λ ≤ x_max.

    Attributes
    ----------
    alpha, x_min, x_max, ks_distance, sigma:
        Exponent, start and end of the tail, KS distance D, and sigma = (alpha - 1)/√tail_size;
        None where the fit failed, ``reason`` then says why.
    tail_size:
        Number of eigenvalues from x_min on; 0 where the fit failed.
    start:
        Index of x_min among the ascending positive eigenvalues.
    reason:
        Why there is no fit, or None.
    """

    alpha: float | None
    x_min: float | None
    x_max: float | None
    ks_distance: float | None
    sigma: float | None
    tail_size: int
    start: int
    reason: str | None = None
