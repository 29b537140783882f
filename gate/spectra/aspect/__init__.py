"""Makes layers of unlike shape comparable.

In: a :class:`gate.spectra.spectrum.Spectrum`.  Out: ``alpha_fixed_aspect``, the exponent over
submatrices of one aspect ratio (:mod:`.fixed`), and ``erg_count`` and ``erg_gap``, the trace-log
condition (:mod:`.trace_log`), fields of :class:`gate.spectra.interface.LayerMetrics`.

It must never know: names of models, files, policies or baselines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.spectra.aspect.fixed import alpha_fixed_aspect
from gate.spectra.aspect.trace_log import trace_log_count

if TYPE_CHECKING:
    from gate.spectra.interface import Settings
    from gate.spectra.spectrum import Spectrum

__all__ = ["alpha_fixed_aspect", "aspect", "trace_log_count"]


def aspect(spectrum: Spectrum, settings: Settings) -> dict[str, Any]:
    """Measure a row independently of its shape.

    Returns
    -------
    dict
        ``alpha_fixed_aspect``, ``erg_count`` and ``erg_gap`` = erg_count - tail_size; None where
        there is no such figure.
    """
    count = trace_log_count(spectrum.eigenvalues)
    tail = None if spectrum.fit is None or spectrum.fit.alpha is None else spectrum.fit.tail_size
    return {
        "alpha_fixed_aspect": alpha_fixed_aspect(spectrum, settings),
        "erg_count": count,
        "erg_gap": None if count is None or tail is None else count - tail,
    }
