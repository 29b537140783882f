"""Tells whether there is anything in a layer but noise.

In: a :class:`gate.spectra.spectrum.Spectrum`.  Out: values of the fields of
:class:`gate.spectra.interface.LayerMetrics` for the groups ``randomness`` and ``shuffle``, and the
phase of training with its evidence.  Marchenko-Pastur says what the spectrum of a random matrix
looks like, Tracy-Widom where its largest eigenvalue lies, and the second moment of the spectrum
whether the entries know of one another.  Every bound is derived from what random matrices show, by
theory or by seeded simulation (``benchmarks/null_distance.py``); none from a trained model.

It must never know: names of models, files, policies or baselines.
"""

from __future__ import annotations

from gate.spectra.randomness.measure import randomness
from gate.spectra.randomness.phases import phase
from gate.spectra.randomness.shuffles import shuffle

__all__ = ["phase", "randomness", "shuffle"]
