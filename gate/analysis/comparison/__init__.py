"""How two models differ, tensor by tensor: what ``gate compare`` shows.

In: the weights of two models and their analyses.  Out: a
:class:`~gate.analysis.comparison.interface.Comparison`.  Two tensors are in memory at once, never two models.
It must never know a policy: whether a difference matters is not said here.
"""

from gate.analysis.comparison.compare import Side, compare_weights
from gate.analysis.comparison.interface import COMPARE_SCHEMA, Comparison, LayerPair, Relation

__all__ = ["COMPARE_SCHEMA", "Comparison", "LayerPair", "Relation", "Side", "compare_weights"]
