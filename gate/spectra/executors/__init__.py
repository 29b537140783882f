"""Where layers are measured: threads of this process (:mod:`.local`), other machines later.

Comes in: weight layers and settings.  Goes out: each layer's index and result.  Must never change
a number: order, place and count of workers are invisible in the results.
"""

from __future__ import annotations

from gate.spectra.executors.interface import Executor
from gate.spectra.executors.local import Local

__all__ = ["Executor", "Local"]
