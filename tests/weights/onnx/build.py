"""Small ONNX models, built with the onnx package and read back with ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from gate.weights.onnx import OnnxReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gate.layer import WeightLayer
    from gate.weights.interface import ModelWeights

OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]


def random(*shape: int, seed: int = 0) -> NDArray[Any]:
    """Return reproducible float32 weights."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def constant(name: str, values: Any) -> Any:
    """Return an initialiser; lists of integers become int64."""
    return numpy_helper.from_array(np.asarray(values), name)


def dynamic(name: str, element: int = TensorProto.FLOAT, shape: Sequence[Any] | None = None) -> Any:
    """Return a graph input or output whose shape is not told."""
    return helper.make_tensor_value_info(name, element, shape)


def model(nodes: Sequence[Any], initializers: Sequence[Any], **options: Any) -> Any:
    """Return a model whose graph takes ``x`` and gives the last node's first output."""
    inputs = options.pop("inputs", [dynamic("x")])
    outputs = options.pop("outputs", [dynamic(nodes[-1].output[0])] if nodes else [])
    opsets = options.pop("opsets", OPSETS)
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **options)


def write(folder: Path, proto: Any) -> Path:
    """Write the model and return its path."""
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def read(folder: Path, proto: Any) -> ModelWeights:
    """Return what our reader lists of the model."""
    return OnnxReader().read(write(folder, proto), root=folder)


def only(weights: ModelWeights) -> WeightLayer:
    """Return the single layer there must be."""
    (layer,) = weights.layers
    return layer


def run(proto: Any, **inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the model's first output as onnxruntime computes it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    result: NDArray[Any] = session.run(None, inputs)[0]
    return result


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    """Return a node."""
    return onnx.helper.make_node(operator, inputs, outputs, **attributes)
