"""The law of the largest eigenvalue of a random matrix.

Sources: Tracy & Widom 1996 (the law for real matrices, TW1); Ferrari & Spohn 2005 (TW1 as one
Fredholm determinant); Bornemann 2010 (such determinants by Gauss-Legendre quadrature, to machine
precision); Johnstone 2001 (centring and scaling), with the half shifts of Ma 2012, whose error
is of order M^(-2/3).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEAN: Final = -1.2065335745820
VARIANCE: Final = 1.607781034581
"""First two moments of TW1 (Bornemann 2010, table 10)."""

_NODES: Final = 32
_LENGTH: Final = 16.0  # the kernel is below 1e-16 beyond it
_LOWEST_LEVEL, _HIGHEST_LEVEL = 1e-10, 0.99
_TOLERANCE: Final = 1e-5  # of the level, relative; a value is then exact to about 5e-6


def survival(value: float) -> float:
    """Return the probability that a TW1 variable exceeds ``value``; exact to about 1e-13."""
    from scipy.special import airy  # noqa: PLC0415  (scipy loads slowly)

    nodes, weights = _quadrature()
    points = value + nodes
    root = np.sqrt(weights)
    kernel = 0.5 * airy((points[:, None] + points[None, :]) / 2)[0]
    return float(1.0 - np.linalg.det(np.eye(_NODES) - root[:, None] * kernel * root[None, :]))


@lru_cache(maxsize=256)
def quantile(level: float) -> float:
    """Return the value that a TW1 variable exceeds with probability ``level``.

    Raises
    ------
    ValueError
        ``level`` is not between 1e-10 and 0.99.
    """
    from scipy.special import gammainccinv  # noqa: PLC0415  (scipy loads slowly)

    if not _LOWEST_LEVEL <= level <= _HIGHEST_LEVEL:
        raise ValueError(f"level {level} is outside {_LOWEST_LEVEL} to {_HIGHEST_LEVEL}")
    # Chiani 2014 approximates TW1 by a shifted gamma law, within 0.1: the secant rule starts there.
    previous = float(gammainccinv(46.446, level)) * 0.186054 - 9.84801
    value = previous + 0.01
    error_before, error = (np.log(survival(point) / level) for point in (previous, value))
    while abs(error) > _TOLERANCE and error != error_before:
        previous, value = value, value - error * (value - previous) / (error - error_before)
        error_before, error = error, np.log(survival(value) / level)
    return float(value)


def centre_and_scale(rows: int, columns: int) -> tuple[float, float]:
    """Return μ and s such that (λ_max/σ² - μ)/s follows TW1.

    λ_max is the largest eigenvalue of WᵀW, W being ``rows`` × ``columns`` with independent
    entries of variance σ².
    """
    first, second = np.sqrt(rows - 0.5), np.sqrt(columns - 0.5)
    centre = (first + second) ** 2
    scale = (first + second) * (1 / first + 1 / second) ** (1 / 3)
    return float(centre), float(scale)


@lru_cache(maxsize=1)
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) * _LENGTH / 2, weights * _LENGTH / 2
