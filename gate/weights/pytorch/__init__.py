"""PyTorch models: four containers, one pickle machine, nothing ever executed.

In comes the path of a file that ``torch.save``, ``torch.jit.save`` or ``torch.export.save`` wrote;
out go its weights, described but not read, and what is odd about the file.  torch is not needed,
no pickle is loaded, no class imported, no global looked up: ``pickle_machine.py`` interprets the
opcodes over inert values and reports each global it does not know (``known.py`` says which it
does, and why).

From bytes to weights: ``bytes_in_file`` and ``archive`` find and check them, ``pickle_machine``
(with ``opcodes``, ``rebuild``, ``values``) says what the tensors are, ``flatten`` names them as
their ``state_dict()`` would, ``tensors`` finds them in the file.  One reader per container puts
these together; what kind of layer a tensor belongs to is left to ``gate.weights.state_dict``, so
that a pickled module and its state dict agree.
"""

from __future__ import annotations

from gate.weights.pytorch.legacy_reader import PytorchLegacyReader
from gate.weights.pytorch.pt2_reader import Pt2Reader
from gate.weights.pytorch.scan import scan_globals
from gate.weights.pytorch.torchscript_reader import TorchScriptReader
from gate.weights.pytorch.zip_reader import PytorchZipReader

__all__ = [
    "Pt2Reader",
    "PytorchLegacyReader",
    "PytorchZipReader",
    "TorchScriptReader",
    "scan_globals",
]
