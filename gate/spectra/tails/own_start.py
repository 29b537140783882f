"""Fits a distribution with an x_min of its own.

The power law's x_min favours the power law: it was chosen to make it fit.  How far down another
distribution describes the spectrum shows only from where it would itself begin.  Likelihoods at
different x_min do not compare; KS distances and tail sizes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.spectra.tails.compare import FEWEST_POINTS
from gate.spectra.tails.families import TailFit, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.tails.families import Family

MOST_STARTS: Final = 48


@dataclass(frozen=True, slots=True)
class OwnStart:
    """A fit at the x_min that suits its distribution best.

    Attributes
    ----------
    fit:
        The fit.
    x_min, tail_size:
        Where it begins and how many points it describes.
    ks_distance:
        Its KS distance, against the empirical distribution's left limit as for the power law.
    """

    fit: TailFit
    x_min: float
    tail_size: int
    ks_distance: float


def fit_own_start(family: Family, positive: NDArray[np.float64]) -> OwnStart | None:
    """Fit a distribution from the start with the smallest KS distance.

    Parameters
    ----------
    family:
        Which distribution.
    positive:
        The positive eigenvalues, ascending, shape (n,).  Up to :data:`MOST_STARTS` starts are
        tried, evenly spaced in rank.

    Returns
    -------
    OwnStart or None
        None where no start leaves enough unequal points.
    """
    last = len(positive) - FEWEST_POINTS
    if last < 0:
        return None
    starts = np.unique(np.linspace(0, last, min(MOST_STARTS, last + 1)).astype(np.int64))
    found = [_at(family, positive[start:]) for start in starts if positive[-1] > positive[start] * (1 + 1e-9)]
    return min(found, key=lambda one: one.ks_distance, default=None)


def _at(family: Family, tail: NDArray[np.float64]) -> OwnStart:
    fitted = fit(family, tail)
    empirical = np.arange(len(tail)) / len(tail)
    distance = float(np.abs(fitted.cumulative(tail) - empirical).max())
    return OwnStart(fitted, float(tail[0]), len(tail), distance)
