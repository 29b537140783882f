"""ONNX files -> named weight matrices, without running the model and without the onnx package.

In: the path of an ``.onnx`` file and the root that external data may not leave.  Out: one
:class:`gate.weights.interface.ModelWeights`.  The way through:

    schema    the fields of onnx.proto as tables; parse turns them into records, read by
              gate.weights.protobuf, which walks the mapped file lazily
    storage   where each tensor's values lie, checked against the bytes present; external files
    walk      the nodes in order, through branches, loops and functions
    folding   Transpose, Reshape, DequantizeLinear, ...: followed as views of the file
    operators which operand of which operator is a weight, and how it is turned
    select    each weight once, every other tensor with its reason; naming gives names

It must never know of metrics or of MLflow, import onnx or onnxruntime, or hold a tensor's values.
"""

from __future__ import annotations

from gate.weights.onnx.reader import OnnxReader

__all__ = ["OnnxReader"]
