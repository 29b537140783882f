"""A real model's weights as arrays, and comparing two sets of arrays through real files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file

from gate.weights import read_weights
from gate.workflow.compare import compare_sources
from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress
from tests.models import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from gate.analysis.comparison import Comparison

Arrays = dict[str, "NDArray[Any]"]


def real_weights() -> Arrays:
    """Return the matrices of one branch of a real voice model: convolutions and an LSTM's."""
    path = fetch("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k.safetensors")
    layers = read_weights(path).layers
    return {f"{layer.name}.weight": np.array(layer.read()) for layer in layers if layer.shape[0] > 1}


def compared(a: Path, b: Path) -> Comparison:
    return compare_sources(str(a), str(b), MeasureOptions(), RegistryAddress())


def saved(arrays: Arrays, path: Path) -> Path:
    save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, path)
    return path
