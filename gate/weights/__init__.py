"""The room that reads models: a file, a folder or a live model goes in, named weight matrices come out.

In: a path on this machine, or a live model (:mod:`gate.weights.live`, :mod:`gate.weights.arrays`).  Out:
:class:`~gate.weights.interface.ModelWeights`, which lists every layer with its kind, shape and a way
to read it, and everything that was left out with a reason.  Model code is never run, imported or
unpickled (a live model is asked for its arrays); nothing is read before the bytes present are known
to hold what a header claims; no reference is followed out of the artifact.  It must never know a
metric, a policy or MLflow (the layouts that MLflow writes are known as folders of files).

One container format is one reader (:mod:`gate.weights.readers`); formats that store no graph share
:mod:`gate.weights.state_dict`; :mod:`gate.weights.artifact` says which files of a folder are the model.
"""

from gate.weights.artifact import begins_like_pickle, named_files, read_weights, weight_files
from gate.weights.budget import artifact_budget

__all__ = ["artifact_budget", "begins_like_pickle", "named_files", "read_weights", "weight_files"]
