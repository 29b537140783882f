"""Which files of an artifact are the model, and their weights as one value.

In: a file or folder, as MLflow writes it or plain.  Out: the weights of everything in it that its
flavour loads, with the other files named.  Reading one file is the readers' work; this room only
lists, chooses and joins.  File names, ``MLmodel`` and indices are hostile.
"""

from gate.weights.artifact.choose import weight_files
from gate.weights.artifact.mlmodel import named_files
from gate.weights.artifact.pickles import begins_like_pickle
from gate.weights.artifact.read import read_weights

__all__ = ["begins_like_pickle", "named_files", "read_weights", "weight_files"]
