"""How sure a difference between two versions is (engine, section 8)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_PAIRS: Final = 5
"""Below this many common layers a paired standard error says nothing."""


def mean(values: Sequence[float]) -> float:
    """Return the plain mean of at least one value."""
    return math.fsum(values) / len(values)


def paired_standard_error(differences: Sequence[float]) -> float:
    """Return s/√L of the differences of L ≥ 2 paired layers (s with L − 1)."""
    centre = mean(differences)
    variance = math.fsum((value - centre) ** 2 for value in differences) / (len(differences) - 1)
    return math.sqrt(variance / len(differences))


def fit_standard_error(errors: Sequence[float]) -> float:
    r"""Return the standard error that the fits alone give a mean over layers.

    ``errors`` are the standard errors of each layer's difference.  Resampling every layer's
    difference from a normal law with its own error gives a mean over L layers whose standard
    deviation is √(Σ error²)/L: the root mean square error over √L.  The closed form is used in
    place of the resampling, as it is its limit and needs no seed.
    """
    return math.sqrt(math.fsum(error * error for error in errors)) / len(errors)


def mean_difference_error(differences: Sequence[float], errors: Sequence[float]) -> float:
    """Return the larger of the paired and the fits' standard error of a mean difference."""
    paired = paired_standard_error(differences)
    return max(paired, fit_standard_error(errors)) if errors else paired


def upper_tail(z: float) -> float:
    """Return P(Z > z) of the standard normal law."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def holm(scores: Sequence[float], sigmas: float) -> tuple[bool, ...]:
    """Tell which one-sided z scores are rejected by Holm's step-down at level Φ(−sigmas).

    Holm (1979), Scand. J. Statist. 6, 65: the i-th smallest of m p-values is held against
    level/(m − i), i from 0, and the first one that stands lets all later ones stand.
    """
    level = upper_tail(sigmas)
    rejected = [False] * len(scores)
    for rank, index in enumerate(sorted(range(len(scores)), key=lambda position: -scores[position])):
        if upper_tail(scores[index]) > level / (len(scores) - rank):
            break
        rejected[index] = True
    return tuple(rejected)
