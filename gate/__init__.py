"""A quality gate for the MLflow model registry, judging models by the spectra of their weights.

A model version flows one way through the rooms of this package; nothing flows back::

    model files ──> weights ──> spectra ──> policy ──> registry / report
                    (read)      (measure)   (judge)    (record, enforce, show)

``gate.analysis`` joins reading and measuring into one value, ``gate.workflow`` wires the rooms
into what a command does, and ``gate.cli`` parses, calls and prints.
"""

__version__ = "0.1.0"
