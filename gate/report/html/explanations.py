"""What each figure of the report means and how far it can be trusted, two sentences and a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explanation:
    """One figure in words."""

    figure: str
    meaning: str
    trust: str
    source: str


_POSTMORTEM: Final = "Martin & Mahoney, arXiv:2106.00734"
_TRENDS: Final = "Martin, Peng & Mahoney, Nature Communications 2021, arXiv:2002.06716"
_IMPLICIT: Final = "Martin & Mahoney, arXiv:1810.01075"
_CLAUSET: Final = "Clauset, Shalizi & Newman 2009"

EXPLANATIONS: Final[tuple[Explanation, ...]] = (
    Explanation(
        "alpha",
        "The exponent of the power law fitted to the upper tail of a layer's eigenvalues: 2 to 6 is where"
        " well-trained layers lie, above it little was learned, below it the layer is very heavy-tailed.",
        "It does not depend on the scale of the weights, but small random matrices often fall into the"
        " range too, so read it with the phase, the tail size and its standard error.",
        f"{_POSTMORTEM}, eq. 1; {_CLAUSET}",
    ),
    Explanation(
        "AlphaHat",
        "The mean over layers of alpha times the logarithm of the largest eigenvalue; among models of one"
        " architecture the smaller one tends to generalise better.",
        "It follows the scale of the weights: halving a matrix that feeds a batch norm changes nothing the"
        " model computes and still lowers it, so compare only versions trained alike.",
        _TRENDS,
    ),
    Explanation(
        "log norms",
        "Base-10 logarithms of the largest eigenvalue (spectral), of their sum (Frobenius) and of the sum of"
        " their alpha-th powers (alpha-Schatten), all of the squared matrix.",
        "They measure size, not shape: useful across architectures of one family, misleading across training"
        " settings of one architecture.",
        f"{_POSTMORTEM}, section 3; {_TRENDS}",
    ),
    Explanation(
        "D and x_min",
        "D is the largest gap between the fitted tail and the eigenvalues, x_min the start of the tail that"
        " makes D smallest.",
        "A flat curve of D, a short tail or a narrow range from x_min to x_max means that another start would"
        " have given another alpha; the standard error carries the mean effect of that choice.",
        f"{_CLAUSET}; {_POSTMORTEM}, fig. 1d",
    ),
    Explanation(
        "stable rank",
        "The sum of the eigenvalues over the largest one: how many directions carry the layer.",
        "It falls when one direction dominates, whether by learning or by damage: look at the spectrum to"
        " tell which.",
        _IMPLICIT,
    ),
    Explanation(
        "phase",
        "Where the spectrum stands between noise and a heavy tail: random-like, bleeding-out, bulk+spikes,"
        " bulk-decay, heavy-tailed or rank-collapse.",
        "It is decided by thresholds on the figures above, so layers near a boundary change phase for"
        " little; a layer that turns random-like between two versions of a model lost what it had learned.",
        f"{_IMPLICIT}, the 5+1 phases",
    ),
)
