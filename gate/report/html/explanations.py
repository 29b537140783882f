"""What each figure and view of the report means and how far to trust it: two sentences and a source."""

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

FIGURES: Final[tuple[Explanation, ...]] = (
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
    Explanation(
        "soft rank and traps",
        "The Marchenko-Pastur soft rank is the edge of the noise bulk over the largest eigenvalue: near 1"
        " nothing rises above noise; correlation traps are eigenvalues that stay above it when the entries"
        " of the matrix are shuffled.",
        "Both follow from where the edge is put, which is uncertain where bulk and tail run into each other;"
        " a trap means a few very large entries, by training or by damage.",
        _IMPLICIT,
    ),
)

VIEWS: Final[tuple[Explanation, ...]] = (
    Explanation(
        "Spectrum, log-log",
        "The density of the eigenvalues with both axes logarithmic: a power law is a straight line of slope"
        " -alpha, drawn dashed from x_min to x_max.",
        "Dots on the right stand for one or two eigenvalues each and scatter by chance; a dashed line that"
        " the dots bend away from is a poor fit, whatever its alpha.",
        f"{_POSTMORTEM}, fig. 1a and eq. 1",
    ),
    Explanation(
        "Survival function, log-log",
        "The share of eigenvalues at or above each value: sums smooth the noise of the density out, and a"
        " power law is a straight line of slope 1 - alpha.",
        "Trust this view of the tail before the other; a steady bend downwards means a tail that ends"
        " sooner than a power law's, such as an exponentially truncated one.",
        f"{_CLAUSET}, section 2; {_POSTMORTEM}, fig. 1a",
    ),
    Explanation(
        "Spectrum, linear",
        "The density with plain axes: where most eigenvalues lie, and whether there is a bulk with an edge,"
        " as noise has, or a mass at zero with a long tail.",
        "It shows the bulk well and the tail not at all, and its bins were made from logarithmic ones, so"
        " steps near zero are smoothed; eigenvalues beyond the panel are counted at its edge.",
        f"{_POSTMORTEM}, fig. 1b",
    ),
    Explanation(
        "Spectrum, log-linear",
        "The density over the logarithm of the eigenvalue, height linear: equal areas are equal shares of"
        " the eigenvalues, so the bulk, the tail and a gap between them show together.",
        "A second hump on the right is a group of spikes rather than a tail, and a fit across both says"
        " little; heights depend on the number of bins.",
        f"{_POSTMORTEM}, fig. 1c",
    ),
    Explanation(
        "KS distance over x_min",
        "For every possible start of the tail, how far the best power law from there on is from the"
        " eigenvalues; the ringed minimum is the fit that is reported.",
        "One clear minimum means that alpha hardly depends on the choice; a flat or jagged floor means that"
        " it does, and the layer is then flagged.",
        f"{_CLAUSET}, section 3.3; {_POSTMORTEM}, fig. 1d",
    ),
    Explanation(
        "Shuffled (grey) and Marchenko-Pastur (dotted)",
        "The same entries in random order, and the law that the eigenvalues of pure noise follow, its edge"
        " fitted to this layer's bulk: what rises above them was learned or damaged, not chance.",
        "The law assumes independent entries with finite variance, so heavy-tailed entries shift it; both"
        " are drawn only where the engine measured them (a policy that needs them, or --full).",
        _IMPLICIT,
    ),
)
