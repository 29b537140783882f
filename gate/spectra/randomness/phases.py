"""Which of the "5+1" phases of training a layer is in, with the figures that decided.

Source: arXiv:1810.01075, section 4, which tells the phases apart by eye; the conditions here put
numbers to its words.  What a random layer shows is known exactly, so "random-like" is a test at a
stated level; what lies between the others is a convention, and is written as data.

What rows, columns or slices of unequal scale do to a spectrum is not training: a layer that is
random once these are taken out is random-like.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.spectra.eigenvalues import eigenvalues
from gate.spectra.randomness import bulk, null_distance
from gate.spectra.randomness.correlation import correlation, pool
from gate.spectra.randomness.scaling import equalise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.spectra.interface import Phase
    from gate.spectra.randomness.bulk import Bulk
    from gate.spectra.randomness.correlation import Correlation
    from gate.spectra.spectrum import Spectrum

Figures = dict[str, float | int | None]

LEVEL: Final = 0.0025
"""Share of random layers in which either side of the correlation test may err.

With spikes at 0.01 per layer at most 1.5 % of random layers are called something else.
"""

FEWEST_EIGENVALUES: Final = 8

VISIBLE_DISTANCE: Final = 0.05
"""A bulk this close to Marchenko-Pastur looks like it, however many eigenvalues resolve the difference."""

BLEEDING_SOFT_RANK: Final = 8 / 9
"""λ₊/λ_max at Q = 1 of a component twice as strong as the weakest that leaves the bulk.

A component of strength θ² = x·σ²√(NM) stands at λ = σ²(x√M + √N)(x√N + √M)/x (Benaych-Georges &
Nadakuditi 2012), so for Q = 1 at (x+1)²/4x edges: 9/8 for x = 2; elongated matrices are closer.
"""

RANK_COLLAPSE_SHARE: Final = 0.1
FEWEST_ZEROS: Final = 2
"""Rounding to half precision makes one of eight eigenvalues zero in 0.2 % of random square matrices."""

HEAVY_ALPHA: Final = 6.0
"""Upper end of the range of alpha that counts as a heavy tail (arXiv:2002.06716)."""

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """``figure operator bound``, the bound a number or another figure; unknown figures fail it."""

    figure: str
    compare: str
    bound: float | str

    def holds(self, figures: Figures) -> bool:
        """Say whether the figures satisfy the condition."""
        value = figures.get(self.figure)
        bound = figures.get(self.bound) if isinstance(self.bound, str) else self.bound
        return value is not None and bound is not None and _OPERATORS[self.compare](value, bound)

    def __str__(self) -> str:
        """Return the condition as it reads in the evidence."""
        bound = self.bound if isinstance(self.bound, str) else f"{self.bound:.4g}"
        return f"{self.figure} {self.compare} {bound}"


CONDITIONS: Final[tuple[tuple[Phase, tuple[Condition, ...]], ...]] = (
    (
        "rank-collapse",
        (Condition("zero_share", ">=", RANK_COLLAPSE_SHARE), Condition("zeros", ">=", FEWEST_ZEROS)),
    ),
    (
        "random-like",
        (
            Condition("correlation_p_value", ">=", LEVEL),
            Condition("flatness_p_value", ">=", LEVEL),
            Condition("spikes", "==", 0),
        ),
    ),
    (
        "random-like",
        (
            Condition("equalised_correlation_p_value", ">=", LEVEL),
            Condition("equalised_flatness_p_value", ">=", LEVEL),
            Condition("equalised_spikes", "==", 0),
            Condition("equalised_largest_entry", "<=", "largest_noise_entry"),
        ),
    ),
    (
        "bleeding-out",
        (
            Condition("bulk_distance", "<=", "bulk_tolerance"),
            Condition("mp_soft_rank", ">=", BLEEDING_SOFT_RANK),
        ),
    ),
    (
        "bulk+spikes",
        (Condition("bulk_distance", "<=", "bulk_tolerance"), Condition("spikes", ">=", 1)),
    ),
    (
        "heavy-tailed",
        (Condition("alpha", "<=", HEAVY_ALPHA), Condition("tail_start_over_edge", "<", 1)),
    ),
    ("bulk-decay", ()),  # not random, its bulk bent out of shape, and no heavy tail through it
)
"""The first row whose conditions all hold names the phase."""


def phase(spectrum: Spectrum) -> dict[str, Any]:
    """Decide the phase of a row.

    Returns
    -------
    dict
        ``phase``, None where there is too little to decide from, and ``phase_evidence``: every
        figure looked at, and ``decided_by`` or ``undecided``.
    """
    return decide(spectrum, bulk.of(spectrum))


def decide(spectrum: Spectrum, fit: Bulk | None) -> dict[str, Any]:
    """Decide the phase as :func:`phase` does, the fit to the bulk being known."""
    why = _undecidable(spectrum)
    if why is not None:
        return _undecided(why, {"eigenvalues": len(spectrum.eigenvalues)})
    found = correlation(spectrum.matrices, spectrum.per_matrix, spectrum.seed)
    figures = _figures(spectrum, fit, found)
    collapsed = all(condition.holds(figures) for condition in CONDITIONS[0][1])
    if collapsed:
        return _first_that_holds(figures)
    if found is None or fit is None:
        return _undecided(
            "the weights that are not zero form no rectangle, or too few of them a bulk", figures
        )
    if fit.spikes and min(found.p_value, found.flatness_p_value) >= LEVEL:
        figures |= _equalised_figures(spectrum)
    return _first_that_holds(figures)


def _undecidable(spectrum: Spectrum) -> str | None:
    if spectrum.matrices[0].shape[1] < 2:  # noqa: PLR2004
        return "one column per matrix has no spectrum"
    if len(spectrum.eigenvalues) < FEWEST_EIGENVALUES:
        return f"fewer than {FEWEST_EIGENVALUES} eigenvalues"
    if spectrum.per_matrix.shape[1] != spectrum.matrices[0].shape[1]:
        return "a product of low rank"
    if not np.isfinite(spectrum.eigenvalues).all():
        return "not all eigenvalues are finite"
    if not len(spectrum.positive):
        return "no eigenvalue above zero"
    return None


def _figures(spectrum: Spectrum, fit: Bulk | None, found: Correlation | None) -> Figures:
    zeros = len(spectrum.eigenvalues) - len(spectrum.positive)
    figures: Figures = {
        "eigenvalues": len(spectrum.eigenvalues),
        "zeros": zeros,
        "zero_share": zeros / len(spectrum.eigenvalues),
    }
    if found is not None:
        figures |= _correlation_figures(found)
    if fit is not None:
        shape = (*spectrum.matrices[0].shape, len(spectrum.matrices))
        figures |= {
            "spikes": fit.spikes,
            "mp_soft_rank": fit.soft_rank,
            "bulk_distance": fit.bulk_distance,
            "bulk_tolerance": max(VISIBLE_DISTANCE, null_distance.critical_value(0.01, *shape)),
        }
    law = spectrum.fit
    if law is not None and law.alpha is not None and law.x_min is not None:
        figures["alpha"] = law.alpha
        if fit is not None:
            figures["tail_start_over_edge"] = law.x_min / fit.edge
    return figures


def _correlation_figures(found: Correlation, prefix: str = "") -> Figures:
    return {
        f"{prefix}correlation_z": found.z,
        f"{prefix}correlation_p_value": found.p_value,
        f"{prefix}flatness_p_value": found.flatness_p_value,
    }


def _equalised_figures(spectrum: Spectrum) -> Figures:
    """Return the test and the spikes of the matrices once rows and columns have equal norms.

    Only computed where the entries look independent but eigenvalues stand beyond the edge, since
    it costs a second set of eigenvalues.  A few huge entries are no scale of rows or columns, but
    would pass for one: hence the largest entry, beside the largest that as many Gaussian ones have
    but for a share :data:`LEVEL` of layers.
    """
    from scipy.special import ndtri  # noqa: PLC0415  (scipy loads slowly)

    matrices = tuple(equalise(matrix) for matrix in spectrum.matrices)
    matrices = tuple(matrix for matrix in matrices if matrix.size and matrix.shape[1] > 1)
    tests, spikes = [], 0
    for matrix in matrices:
        rows, columns = matrix.shape
        spectra = eigenvalues(matrix[None]).values
        found = correlation((matrix,), spectra, spectrum.seed)
        fit = bulk.measure(spectra, rows, columns, tested=len(matrices))
        if found is None or fit is None:
            return {}
        tests.append(found)
        spikes += fit.spikes
    if not tests:
        return {}
    entries = sum(matrix.size for matrix in matrices)
    return {
        **_correlation_figures(pool(tests), "equalised_"),
        "equalised_spikes": spikes,
        "equalised_largest_entry": max(float(np.abs(matrix).max()) for matrix in matrices),
        "largest_noise_entry": -float(ndtri(LEVEL / (2 * entries))),
    }


def _first_that_holds(figures: Figures) -> dict[str, Any]:
    for name, conditions in CONDITIONS:
        if all(condition.holds(figures) for condition in conditions):
            decided_by = " and ".join(map(str, conditions)) or "no other phase's conditions hold"
            return {"phase": name, "phase_evidence": {**figures, "decided_by": decided_by}}
    raise AssertionError  # the last row has no condition


def _undecided(why: str, figures: Figures) -> dict[str, Any]:
    return {"phase": None, "phase_evidence": {**figures, "undecided": why}}
