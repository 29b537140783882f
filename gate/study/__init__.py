"""Many models and their known quality: which metric predicts quality, per sub-group and over all.

What comes in: a table of models, each with the engine's figures, what is known of its quality and
the labels that may make sub-groups (:class:`gate.study.interface.ModelRow`).  What goes out: a
:class:`gate.study.interface.Study`, and its renderings (``formats``).  The room never opens a model or
asks a registry (``gate.workflow.study`` gathers the table), and knows nothing of MLflow.

``columns`` reads a CSV of figures, ``table`` sorts models into sub-groups; ``trends`` has regression,
Kendall's τ and labels, ``intervals`` the bootstrap, ``paradox`` Simpson's paradox with its tests,
``training`` overtraining, ``correlations`` metric against metric, ``judgements`` and ``advice`` the
conclusion.

Source: arXiv:2106.00734, tables 1, 2, 5 and 6.
"""

from gate.study.build import study
from gate.study.interface import LeftOut, ModelRow, Study, StudySettings

__all__ = ["LeftOut", "ModelRow", "Study", "StudySettings", "study"]
