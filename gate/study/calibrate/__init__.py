"""A history of versions: which limits it supports, and what a policy would have made of it.

What comes in: versions already measured, with what is known of their fate
(:class:`~gate.study.calibrate.interface.PastVersion`), and typed policies.  What goes out: a
:class:`~gate.study.calibrate.interface.Calibration` (a policy with limits from the history and what
to expect of them) or a :class:`~gate.study.calibrate.interface.Backtest`, and either in five
formats.  It must never know MLflow, where a version comes from or how it is measured, and it never
judges by itself: every outcome is :mod:`gate.policy`'s.

``truth`` sorts versions into good and bad; ``replay`` judges them in order with the baselines of
their time; ``backtest`` counts; ``readings`` turns rules into numbers, ``tune`` sets limits by them
and ``propose`` writes the policy; ``intervals`` has the statistics.
"""

from gate.study.calibrate.backtest import backtest
from gate.study.calibrate.interface import Backtest, Calibration, FormatName, GoodChoice, PastVersion
from gate.study.calibrate.propose import calibrate
from gate.study.calibrate.truth import QualityRule, Selector, good_history

__all__ = [
    "Backtest",
    "Calibration",
    "FormatName",
    "GoodChoice",
    "PastVersion",
    "QualityRule",
    "Selector",
    "backtest",
    "calibrate",
    "good_history",
]
