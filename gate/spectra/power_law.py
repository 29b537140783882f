"""The Clauset fit of a power law to the tail of a spectrum, over every candidate x_min.

Source: Clauset, Shalizi & Newman 2009, as used by arXiv:2106.00734, equation 1.  The KS distance
compares the fitted distribution with the empirical one's left limit only, as the reference tool
(WeightWatcher, ``WW_powerlaw.py``) does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.interface import Convention

FULL_SCAN: Final = 192
"""Up to this many eigenvalues one dense evaluation is faster than pruning."""

_POSITIONS: Final = (24, 160)
"""Tail positions per candidate at which the two rounds of lower bounds look."""

_SAME: Final = 1e-10
"""A tail whose ends agree to this relative precision holds one eigenvalue, repeated."""

_LOST: Final = 1e-300
"""In place of a sum of logarithms that rounding lost in a long tail of equal values: never the best."""

_MARGIN: Final = 1e-12
"""Slack between a bound and the value it bounds: exp may round differently by position."""

_AT_ONCE: Final = 1 << 14
"""Elements below which all candidates left are evaluated at once, rather than bounded more tightly."""

_REMEMBERED: Final = 1024
"""Sizes of spectra up to which the positions of the first round are kept (0.4 MB at most)."""

_BLOCK: Final = 1 << 14
"""Elements evaluated at once: temporaries of 128 KB stay in the cache, and the allocator keeps them."""


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


@dataclass(frozen=True, slots=True)
class Curve:
    """D over x_min: start index, exponent and KS distance of some or all candidates, ascending."""

    starts: NDArray[np.intp]
    x_min: NDArray[np.float64]
    alpha: NDArray[np.float64]
    ks_distance: NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Every start i = 0 … that may be chosen, with its maximum-likelihood exponent; distances on demand.

    Attributes
    ----------
    logs:
        ln λ, ascending, shape (n,).
    alpha:
        Shape (starts,).  The starts left out are the last ones: their tails are too small for the
        small-sample rule, or hold a single value.
    truncated:
        Whether F is divided by F(x_max).
    """

    logs: NDArray[np.float64]
    alpha: NDArray[np.float64]
    truncated: bool

    @classmethod
    def of(cls, x: NDArray[np.float64], convention: Convention) -> Candidates:
        """Estimate the exponent of every candidate's tail, in one pass over suffix sums."""
        logs = np.log(x)
        count = int(np.count_nonzero(logs[-1] - logs[:-1] > _SAME))  # ascending: the first ones
        points = np.arange(len(x), len(x) - count, -1.0)
        excess = np.cumsum(logs[::-1])[: -count - 1 : -1] - points * logs[:count]
        if len(x) < convention.small_sample:
            long_enough = len(x) - convention.small_sample_tail + 1
            if convention.small_sample_fallback:
                long_enough = max(long_enough, 1)
            count = min(count, max(long_enough, 0))
            points, excess = points[:count] - 1, excess[:count]
        excess[excess == 0] = _LOST
        alpha: NDArray[np.float64] = 1 + points / excess
        return cls(logs, alpha, convention.ks == "truncated")

    @cached_property
    def every(self) -> NDArray[np.float64] | None:
        """D of every start; None where they are too many to compute."""
        return self._distances(self.starts) if len(self.logs) <= FULL_SCAN else None

    def distance(self, start: int) -> float:
        """Return D of one candidate, exactly."""
        tail = len(self.logs) - start
        gap = self._beyond(self.logs[start:] - self.logs[start], start)
        gap -= np.arange(tail, 0, -1.0) / tail
        return float(np.abs(gap, out=gap).max())

    def distances(self, starts: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return D of several candidates, ascending."""
        return self._distances(starts) if self.every is None else self.every[starts]

    def _distances(self, starts: NDArray[np.intp]) -> NDArray[np.float64]:
        result = np.empty(len(starts))
        size, first = len(self.logs), 0
        while first < len(starts):
            low = int(starts[first])
            some = starts[first : first + max(1, _BLOCK // (size - low))]
            gap = self.logs[low:] - self.logs[some][:, None]
            self._beyond(np.maximum(gap, 0, out=gap).T, some)
            gap -= _shares(size, some, low)  # before a tail's start both are 1
            np.abs(gap, out=gap).max(axis=1, out=result[first : first + len(some)])
            first += len(some)
        return result

    def bounds(self, starts: NDArray[np.intp], positions: int) -> NDArray[np.float64]:
        """Return lower bounds of D: the largest gap at some positions of each tail."""
        result = np.empty(len(starts))
        size, columns = len(self.logs), max(1, _BLOCK // positions)
        for first in range(0, len(starts), columns):
            some = starts[first : first + columns]
            if positions == _POSITIONS[0] and size <= _REMEMBERED and _is_range(some):
                places, share = _range_grid(size, int(some[0]), int(some[-1]) + 1, positions)
            else:
                places, share = _grid(size, some, positions)
            excess = self.logs[places]
            excess -= self.logs[some]
            gap = self._beyond(excess, some)
            gap -= share
            np.abs(gap, out=gap).max(axis=0, out=result[first : first + columns])
        return result

    def _beyond(self, excess: NDArray[np.float64], starts: NDArray[np.intp] | int) -> NDArray[np.float64]:
        """Return 1 - F, the fitted share beyond some positions of the tails from ``starts``.

        ``excess`` holds log λ - log x_min there, shape (positions, starts), and is overwritten.
        """
        exponent = 1 - self.alpha[starts]
        excess *= exponent
        beyond = np.exp(excess, out=excess)
        if self.truncated:
            beyond -= 1
            beyond /= 1 - np.exp(exponent * (self.logs[-1] - self.logs[starts]))
            beyond += 1
        return beyond

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """The starts that may be chosen."""
        return np.arange(len(self.alpha))

    def best(self) -> tuple[int, float]:
        """Return the start with the smallest D, the first one on ties, and that D.

        Every candidate is considered.  Those whose lower bound exceeds the best D found so far
        are left unevaluated, because their own D can only be larger still.
        """
        if self.every is not None:
            first = int(self.every.argmin())
            return first, float(self.every[first])
        starts = self.starts
        bounds = self.bounds(starts, _POSITIONS[0])
        likely = int(bounds.argmin())
        best = (self.distance(likely), likely)
        starts = np.flatnonzero(bounds <= best[0] + _MARGIN)
        if len(starts) * len(self.logs) <= _AT_ONCE:
            found = self._distances(starts)
            return int(starts[found.argmin()]), float(found.min())
        bounds = np.maximum(bounds[starts], self.bounds(starts, _POSITIONS[1]))
        for at in np.argsort(bounds, kind="stable"):
            if bounds[at] > best[0] + _MARGIN:
                break
            best = min(best, (self.distance(int(starts[at])), int(starts[at])))
        return best[1], best[0]


def _is_range(starts: NDArray[np.intp]) -> bool:
    return int(starts[-1]) - int(starts[0]) == len(starts) - 1


def _grid(
    size: int, starts: NDArray[np.intp], positions: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return places evenly spaced over each tail and the share beyond them, shape (positions, starts)."""
    tails = (size - starts).astype(np.float64)
    offsets = np.multiply.outer((np.arange(positions) + 0.5) / positions, tails).astype(np.intp)
    return starts + offsets, 1 - offsets / tails


@lru_cache(maxsize=4)
def _range_grid(
    size: int, first: int, end: int, positions: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Remember the grid of successive starts: layers of a model often have the same size."""
    places, share = _grid(size, np.arange(first, end), positions)
    places.flags.writeable = share.flags.writeable = False
    return places, share


def _shares(size: int, starts: NDArray[np.intp], first: int) -> NDArray[np.float64]:
    """Return the share of each tail at or beyond each position from ``first`` on; 1 before it.

    Shape (starts, size - first).
    """
    if size <= FULL_SCAN and _is_range(starts):
        return _all_shares(size)[starts[0] : starts[-1] + 1, first:]
    share = np.arange(size - first, 0, -1.0) / (size - starts).astype(np.float64)[:, None]
    return np.minimum(share, 1, out=share)


@lru_cache(maxsize=24)
def _all_shares(size: int) -> NDArray[np.float64]:
    """Remember the shares of every start of a small spectrum (0.3 MB at most)."""
    share = np.arange(size, 0, -1.0) / np.arange(size, 1, -1.0)[:, None]
    np.minimum(share, 1, out=share)
    share.flags.writeable = False
    return share


def fit(eigenvalues: NDArray[np.float64], convention: Convention) -> PowerLawFit:
    """Fit a power law to the tail of a spectrum.

    Parameters
    ----------
    eigenvalues:
        The positive eigenvalues, ascending, shape (n,).
    convention:
        Says the KS form and the small-sample rule.

    Returns
    -------
    PowerLawFit
        The candidate with the smallest KS distance; the one with the longest tail on ties.
        Where no candidate is usable, a fit without figures and with a reason.

    References
    ----------
    Clauset, Shalizi & Newman 2009, sections 3.1 and 3.3; arXiv:2106.00734, equation 1.
    """
    return fit_and_curve(eigenvalues, convention, 0)[0]


def fit_and_curve(
    eigenvalues: NDArray[np.float64], convention: Convention, points: int
) -> tuple[PowerLawFit, Curve | None]:
    """Fit as :func:`fit` does and sample D over x_min at up to ``points`` starts, the best among them.

    ``points`` of at least n - 1 give the whole curve (arXiv:2106.00734, figure 1d); 0 gives None.
    """
    x = np.asarray(eigenvalues, np.float64)
    reason = _unfit(x)
    if reason is not None:
        return _failed(reason), None
    candidates = Candidates.of(x, convention)
    if not len(candidates.alpha):
        return _failed(_no_candidate(x, convention)), None
    start, distance = candidates.best()
    curve = _sample(x, candidates, start, points) if points else None
    alpha, tail = float(candidates.alpha[start]), len(x) - start
    sigma = (alpha - 1) / math.sqrt(tail)
    return PowerLawFit(alpha, float(x[start]), float(x[-1]), distance, sigma, tail, start), curve


def _unfit(x: NDArray[np.float64]) -> str | None:
    if len(x) < 2:  # noqa: PLR2004 - a slope needs two points
        return f"{len(x) or 'no'} positive eigenvalue{'' if len(x) else 's'}: a power law needs at least 2"
    if not (x[0] > 0 and x[-1] < math.inf):  # ascending, and NaN would stand last
        return "the eigenvalues are not all positive and finite"
    return None


def _no_candidate(x: NDArray[np.float64], convention: Convention) -> str:
    if not math.log(x[-1] / x[0]) > _SAME:
        return "all eigenvalues are equal"
    return (
        f"{len(x)} positive eigenvalues hold no tail of at least {convention.small_sample_tail} distinct ones"
    )


def _failed(reason: str) -> PowerLawFit:
    return PowerLawFit(None, None, None, None, None, 0, 0, reason)


def _sample(x: NDArray[np.float64], candidates: Candidates, start: int, points: int) -> Curve:
    """Return D at starts evenly spaced in log x_min and in rank, half of each, and at ``start``."""
    starts, count = candidates.starts, len(candidates.alpha)
    if count > points:
        half = points // 2
        logs = candidates.logs[:count]
        levels = logs[0] + (logs[-1] - logs[0]) / half * np.arange(half)
        ranks = np.arange(points - half - 1) * (count - 1) // (points - half - 2)
        chosen = np.zeros(count, np.bool_)
        chosen[logs.searchsorted(levels)] = True
        chosen[ranks] = True
        chosen[start] = True
        starts = np.flatnonzero(chosen)
    return Curve(starts, x[starts], candidates.alpha[starts], candidates.distances(starts))
