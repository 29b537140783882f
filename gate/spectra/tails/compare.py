"""Which distribution describes a tail best, by likelihood ratio against the power law.

The truncated power law contains the plain one at the edge of its parameters: twice the log ratio
then follows half a χ² law with one degree of freedom (Self & Liang 1987).  The others do not
contain it: Vuong's test (Vuong 1989), which compares two fits of the same points, so at the same
x_min only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from gate.spectra.tails.families import FAMILIES, fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gate.spectra.tails.families import Family, TailFit

LEVEL: Final = 0.05
"""An alternative is better than the power law when its ratio is this improbable otherwise."""

FEWEST_POINTS: Final = 8

Alternative = Literal["truncated-power-law", "exponential", "log-normal"]

ALTERNATIVES: Final[tuple[Alternative, ...]] = ("truncated-power-law", "exponential", "log-normal")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Four distributions fitted to one tail.

    Attributes
    ----------
    fits:
        Every fit, at the same x_min.
    p_values:
        Per alternative, the probability of a likelihood ratio as much in its favour if the power
        law described the tail as well.
    best:
        Of the alternatives better than the power law at :data:`LEVEL` the one with the smallest
        Akaike criterion, else the power law.
    p_value:
        That of ``best``; for the power law the smallest of all, as what comes nearest to
        replacing it.
    """

    fits: Mapping[Family, TailFit]
    p_values: Mapping[Alternative, float]
    best: Family
    p_value: float


def compare(tail: NDArray[np.float64]) -> Comparison | None:
    """Fit and compare the distributions.

    Parameters
    ----------
    tail:
        The eigenvalues from x_min on, ascending and positive.

    Returns
    -------
    Comparison or None
        None for fewer than :data:`FEWEST_POINTS` points, or equal ones.
    """
    if len(tail) < FEWEST_POINTS or not tail[-1] > tail[0] * (1 + 1e-9):
        return None
    fits = {family: fit(family, tail) for family in FAMILIES}
    plain = fits["power-law"]
    p_values = {family: _p_value(fits[family], plain) for family in ALTERNATIVES}
    better = [family for family, p_value in p_values.items() if p_value < LEVEL]
    if not better:
        return Comparison(fits, p_values, "power-law", min(p_values.values()))
    best = min(better, key=lambda family: fits[family].criterion)
    return Comparison(fits, p_values, best, p_values[best])


def _p_value(alternative: TailFit, plain: TailFit) -> float:
    from scipy.special import ndtr  # noqa: PLC0415  (scipy loads slowly)

    ratios = alternative.log_densities - plain.log_densities
    total = float(ratios.sum())
    if alternative.b == 0:  # the alternative's best fit is the power law itself
        return 1.0
    if alternative.family == "truncated-power-law":
        # Half of P(χ² ≥ 2R) with one degree of freedom is P(Z ≥ √2R).
        return float(ndtr(-np.sqrt(2 * total))) if total > 0 else 1.0
    spread = float(ratios.std()) * len(ratios) ** 0.5
    return float(ndtr(-total / spread)) if spread > 0 else 1.0
