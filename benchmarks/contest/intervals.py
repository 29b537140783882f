"""How sure a rate over pairs of models is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NORMAL_95: Final = 1.959964
"""Two-sided 95 % point of the standard normal law."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate between its 95 % limits, with the number of independent trials that it is worth."""

    rate: float
    low: float
    high: float
    effective: float


def wilson(rate: float, trials: float) -> Interval:
    """Return Wilson's score interval (J. Am. Stat. Assoc. 22, 1927); ``trials`` need not be whole."""
    spread = NORMAL_95**2 / trials
    centre = (rate + spread / 2) / (1 + spread)
    half = NORMAL_95 / (1 + spread) * math.sqrt((rate * (1 - rate) + spread / 4) / trials)
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half), trials)


def over_pairs(failed: NDArray[np.bool_]) -> Interval:
    """Return the rate over all ordered pairs of different models, ``failed[i, j]``, and its interval.

    Pairs share models, so n models are not n(n − 1) trials.  The mean over pairs is a U-statistic: its
    variance is no larger than that over n/2 disjoint pairs, which are independent (Hoeffding, Ann.
    Math. Stat. 19, 1948).  Between n/2 and n trials, as many as the variance estimated by leaving out
    each model in turn amounts to; not more than n, because rare events leave that estimate no ground.
    """
    n = len(failed)
    apart = failed & ~np.eye(n, dtype=bool)
    rate = float(apart.sum() / (n * (n - 1)))
    involved = apart.sum(0) + apart.sum(1)
    without = (apart.sum() - involved) / ((n - 1) * (n - 2))
    variance = float((n - 1) / n * ((without - without.mean()) ** 2).sum())
    worth = rate * (1 - rate) / variance if variance > 0 else 0.0
    return wilson(rate, min(max(worth, n // 2), n))
