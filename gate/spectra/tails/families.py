"""Distributions of a tail, fitted by maximum likelihood.

With u = ln(x/x_min) every one of them is a density exp(-a·u - b·h(u))/Z on u ≥ 0 (the factor dx/du
= x is common to all and left out of the likelihoods):

=========================  ============  =====================================================
power law x^(-α)           b = 0         a = α - 1
truncated power law        h = e^u - 1   a = α - 1, b = β·x_min, from x^(-α)·e^(-βx)
log-normal                 h = u²        a = -(μ - ln x_min)/s², b = 1/2s²
exponential e^(-βx)        h = e^u - 1   a = -1, b = β·x_min
=========================  ============  =====================================================

So the power law is the edge b = 0 of both two-parameter families, the exponential lies within the
truncated power law, the likelihoods are concave, and one Newton iteration serves them all.

Source: Clauset, Shalizi & Newman 2009, table 2.1; Yang et al., arXiv:2202.02842.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from gate.spectra.lapack import blas_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

Family = Literal["power-law", "truncated-power-law", "exponential", "log-normal"]

FAMILIES: Final[tuple[Family, ...]] = ("power-law", "truncated-power-law", "exponential", "log-normal")

PARAMETERS: Final[Mapping[Family, int]] = {
    "power-law": 1,
    "truncated-power-law": 2,
    "exponential": 1,
    "log-normal": 2,
}

_ITERATIONS: Final = 60
_HALVINGS: Final = 40
_TOLERANCE: Final = 1e-11
_NODES: Final = 128
_GRID: Final = 4096
_NEGLIGIBLE: Final = 45.0  # nats below the peak
_LONGEST: Final = 650.0  # e^u stays finite


@dataclass(frozen=True, slots=True)
class TailFit:
    """One distribution fitted to a tail.

    Attributes
    ----------
    family:
        Which.
    a, b:
        Its parameters in u, see the module.
    log_densities:
        ln of the density in u at every point, ascending in x.
    """

    family: Family
    a: float
    b: float
    log_densities: NDArray[np.float64]

    @property
    def log_likelihood(self) -> float:
        """Sum of the log densities."""
        return float(self.log_densities.sum())

    def cumulative(self, tail: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distribution function at the points of the tail it was fitted to."""
        u = np.log(tail / tail[0])
        if self.family == "power-law" or self.b == 0:
            return np.asarray(-np.expm1(-self.a * u))
        if self.family == "exponential":
            return np.asarray(-np.expm1(-self.b * np.expm1(u)))
        h = _second_statistic(self.family)
        reach = max(_reach(h, self.a, self.b), float(u[-1]))
        grid = np.linspace(0, reach, _GRID)
        exponent = -self.a * grid - self.b * h(grid)
        density = np.exp(exponent - exponent.max())
        mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
        return np.asarray(np.interp(u, grid, mass / mass[-1]))

    @property
    def criterion(self) -> float:
        """Akaike's information criterion; the smaller the better."""
        return 2 * PARAMETERS[self.family] - 2 * self.log_likelihood


def fit(family: Family, tail: NDArray[np.float64]) -> TailFit:
    """Fit a distribution to a tail by maximum likelihood, x_min being its first point.

    Parameters
    ----------
    family:
        Which distribution.
    tail:
        The eigenvalues from x_min on, ascending, positive, not all equal.
    """
    u = np.log(tail / tail[0])
    plain = 1 / float(u.mean())
    if family == "power-law":
        return TailFit(family, plain, 0.0, np.log(plain) - plain * u)
    if family == "exponential":
        excess = np.expm1(u)
        rate = 1 / float(excess.mean())
        return TailFit(family, -1.0, rate, np.log(rate) + u - rate * excess)
    h = _second_statistic(family)
    second = h(u)
    with blas_threads().one():
        a, b, log_z = _maximise(h, float(u.mean()), float(second.mean()))
    found = TailFit(family, a, b, -log_z - a * u - b * second)
    edge = TailFit(family, plain, 0.0, np.log(plain) - plain * u)
    return found if found.log_likelihood > edge.log_likelihood else edge  # b too small to tell from 0


def _second_statistic(family: Family) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return np.square if family == "log-normal" else np.expm1


@dataclass(frozen=True, slots=True)
class _Moments:
    """ln Z, the means of u and h(u), and their covariance, at one (a, b)."""

    log_z: float
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def _maximise(
    h: Callable[[NDArray[np.float64]], NDArray[np.float64]], first: float, second: float
) -> tuple[float, float, float]:
    """Return the (a, b), b ≥ 0, of greatest likelihood and its ln Z, from the means of u and h(u).

    Newton's step on the concave likelihood, halved until it climbs; b is kept positive by never
    letting it shrink more than tenfold.
    """
    plain = 1 / first
    if _edge_is_best(h, plain, second):
        return plain, 0.0, -float(np.log(plain))
    target = np.array([first, second])
    at = np.array([plain, 0.1 / second])
    moments = _moments(h, at)
    value = -moments.log_z - float(at @ target)
    for _ in range(_ITERATIONS):
        slope = moments.mean - target
        step = _solve(moments.covariance, slope)
        if float(slope @ step) < _TOLERANCE:
            break
        for _ in range(_HALVINGS):
            trial = at + step
            trial[1] = max(trial[1], at[1] / 10)
            moments_there = _moments(h, trial)
            value_there = -moments_there.log_z - float(trial @ target)
            if value_there > value:
                break
            step /= 2
        else:
            break
        at, moments, value = trial, moments_there, value_there
    return float(at[0]), float(at[1]), moments.log_z


def _solve(covariance: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve the two equations, in units of each statistic's spread: h may be 1e10 times u."""
    spread = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = min(float(covariance[0, 1] / (spread[0] * spread[1])), 1 - 1e-14)
    first, second = slope / spread
    step = np.array([first - correlation * second, second - correlation * first])
    return np.asarray(step / (1 - correlation**2) / spread)


def _edge_is_best(
    h: Callable[[NDArray[np.float64]], NDArray[np.float64]], plain: float, second: float
) -> bool:
    """Say whether b = 0, the power law, is the best of the family: its mean of h is not above the data's."""
    if h is np.square:
        return second >= 2 / plain**2
    return plain > 1 and second >= 1 / (plain - 1)


def _moments(h: Callable[[NDArray[np.float64]], NDArray[np.float64]], at: NDArray[np.float64]) -> _Moments:
    a, b = at
    nodes, weights = _quadrature()
    reach = _reach(h, float(a), float(b))
    u = nodes * reach
    values = h(u)
    exponent = -a * u - b * values
    peak = float(exponent.max())
    density = np.exp(exponent - peak) * weights * reach
    z = float(density.sum())
    density /= z
    both = np.stack([u, values])
    mean = both @ density
    centred = both - mean[:, None]
    return _Moments(float(np.log(z)) + peak, mean, (centred * density) @ centred.T)


def _reach(h: Callable[[NDArray[np.float64]], NDArray[np.float64]], a: float, b: float) -> float:
    """Return the u beyond which nothing of the integral is left."""
    u = _reaches()
    exponent = -a * u - b * h(u)
    beyond = np.flatnonzero(exponent < max(0.0, float(exponent.max())) - _NEGLIGIBLE)
    peak = int(np.argmax(exponent))
    beyond = beyond[beyond > peak]
    return float(u[beyond[0]]) if len(beyond) else _LONGEST


@lru_cache(maxsize=1)
def _reaches() -> NDArray[np.float64]:
    return np.geomspace(1e-8, _LONGEST, 120)


@lru_cache(maxsize=1)
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2
