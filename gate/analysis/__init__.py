"""The room that joins reading and measuring into one value.

In: the weights of a model as ``gate.weights`` lists them, and how to measure them.
Out: one :class:`~gate.analysis.interface.Analysis`, everything known of the model's spectra, with
what was left out and why.  It must never know a policy, a registry or a way to print.
"""

from gate.analysis.architecture import architecture_fingerprint
from gate.analysis.arrays import ArraysDigest, arrays_digest
from gate.analysis.build import analyze_weights

__all__ = ["ArraysDigest", "analyze_weights", "architecture_fingerprint", "arrays_digest"]
