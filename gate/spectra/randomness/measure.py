"""Puts the figures of the groups ``randomness`` and ``shuffle`` together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gate.spectra.randomness import bulk, null_distance, weightwatcher
from gate.spectra.randomness.phases import decide
from gate.spectra.randomness.shuffles import shuffle

if TYPE_CHECKING:
    from gate.spectra.interface import Phase, Settings
    from gate.spectra.randomness.bulk import Bulk
    from gate.spectra.spectrum import Spectrum


NOISE_WITH_SPIKES: Final[frozenset[Phase]] = frozenset({"random-like", "bleeding-out", "bulk+spikes"})
"""Phases whose bulk is Marchenko-Pastur: a power law is not what describes them."""


def randomness(spectrum: Spectrum, settings: Settings) -> dict[str, Any]:
    """Measure how far a row is from random.

    Parameters
    ----------
    spectrum:
        The row.  Its matrices are only read.
    settings:
        ``groups`` says which of the two groups is wanted, the convention whose
        Marchenko-Pastur fit.

    Returns
    -------
    dict
        For the group ``randomness``: ``mp_sigma``, ``mp_edge``, ``mp_soft_rank``, ``spikes``,
        ``mp_distance``, ``mp_p_value``, ``phase`` and ``phase_evidence``, those that do not exist
        left out; for the group ``shuffle`` what
        :func:`gate.spectra.randomness.shuffles.shuffle` gives.  And ``flags``.
    """
    found: dict[str, Any] = {}
    flags: list[str] = []
    if "randomness" in settings.groups:
        fit = bulk.of(spectrum)
        if fit is not None:
            found |= _marchenko_pastur(fit, spectrum)
        if settings.convention.marchenko_pastur == "weightwatcher":
            found |= _reference(spectrum)
        found |= decide(spectrum, fit)
        if found["phase"] in NOISE_WITH_SPIKES:
            flags.append("bulk-plus-spikes")
    if "shuffle" in settings.groups:
        found |= shuffle(spectrum, settings)
        if found["correlation_traps"]:
            flags.append("correlation-traps")
    return {**found, "flags": tuple(flags)}


def _marchenko_pastur(fit: Bulk, spectrum: Spectrum) -> dict[str, Any]:
    shape = (*spectrum.matrices[0].shape, len(spectrum.matrices))
    return {
        "mp_sigma": fit.sigma,
        "mp_edge": fit.edge,
        "mp_soft_rank": fit.soft_rank,
        "mp_distance": fit.distance,
        "mp_p_value": null_distance.p_value(fit.distance, *shape),
        "spikes": fit.spikes,
    }


def _reference(spectrum: Spectrum) -> dict[str, Any]:
    fit = weightwatcher.fit(spectrum.eigenvalues, spectrum.rows, spectrum.columns)
    if fit is None:
        return {}
    return {
        "mp_sigma": fit.sigma,
        "mp_edge": fit.bulk_max,
        "mp_soft_rank": fit.soft_rank,
        "spikes": fit.spikes,
    }
