"""Asks whether the tail of a spectrum is a power law at all.

In: a :class:`gate.spectra.spectrum.Spectrum` with its power-law fit.  Out: ``best_tail`` and
``best_tail_p_value`` of :class:`gate.spectra.interface.LayerMetrics`: which of power law, truncated
power law, exponential and log-normal describes the eigenvalues from x_min on, by maximum likelihood
(:mod:`.families`) and likelihood ratio (:mod:`.compare`).  :mod:`.own_start` lets each distribution
choose its own x_min.

It must never know: matrices, names of models, files, policies or baselines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.spectra.tails.compare import Comparison, compare
from gate.spectra.tails.families import FAMILIES, Family, TailFit, fit
from gate.spectra.tails.own_start import OwnStart, fit_own_start

if TYPE_CHECKING:
    from gate.spectra.interface import Settings
    from gate.spectra.spectrum import Spectrum

__all__ = [
    "FAMILIES",
    "Comparison",
    "Family",
    "OwnStart",
    "TailFit",
    "compare",
    "fit",
    "fit_own_start",
    "tails",
]


def tails(spectrum: Spectrum, settings: Settings) -> dict[str, Any]:  # noqa: ARG001  (one shape for all groups)
    """Compare the distributions on a row's tail.

    Returns
    -------
    dict
        ``best_tail`` and ``best_tail_p_value``; empty where there is no power-law fit or its tail
        is too short.
    """
    if spectrum.fit is None or spectrum.fit.alpha is None:
        return {}
    found = compare(spectrum.positive[spectrum.fit.start :])
    if found is None:
        return {}
    return {"best_tail": found.best, "best_tail_p_value": found.p_value}
