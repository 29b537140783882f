"""TensorFlow's operators: which operand is a weight and how it is turned, and which are harmless.

Orders of axes as https://www.tensorflow.org/api_docs/python/tf/raw_ops gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from gate.weights.einsum import einsum_weight
from gate.weights.savedmodel.values import Flow, Use
from gate.weights.views import reshaped, transposed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.layer import LayerKind
    from gate.weights.savedmodel.graph import GraphFile, Node
    from gate.weights.savedmodel.values import Value
    from gate.weights.views import StoredReader

    Operator: TypeAlias = "Callable[[GraphFile, Node, tuple[Value, ...]], dict[int, Use]]"

_MATRIX: Final = 2
_CONVOLUTIONS: Final[Mapping[int, LayerKind]] = {3: "conv1d", 4: "conv2d", 5: "conv3d"}
_TRANSPOSED: Final[Mapping[int, LayerKind]] = {4: "conv_transpose2d", 5: "conv_transpose3d"}


def _convolution(_: GraphFile, node: Node, operands: tuple[Value, ...]) -> dict[int, Use]:
    """Take a kernel (*kernel, in, out); one of a single dimension arrives as (1, width, in, out)."""
    read = _weight(operands, 1)
    if read is None or len(read.shape) not in {4, 5}:
        return {}
    read = _out_in(read, len(read.shape) - 1, len(read.shape) - 2)
    flow = operands[1]
    if isinstance(flow, Flow) and len(flow.source.shape) == 3 and read.shape[2] == 1:  # noqa: PLR2004
        read = reshaped(read, (*read.shape[:2], read.shape[3]))
    kind = "depthwise" if read.shape[1] == 1 else _CONVOLUTIONS[len(read.shape)]
    return {1: Use(node.name, kind=kind, read=read, groups=read.shape[0] if kind == "depthwise" else 1)}


def _transposed_convolution(_: GraphFile, node: Node, operands: tuple[Value, ...]) -> dict[int, Use]:
    """Take a kernel (*kernel, out, in)."""
    read = _weight(operands, 1)
    if read is None or len(read.shape) not in _TRANSPOSED:
        return {}
    rank = len(read.shape)
    return {1: Use(node.name, kind=_TRANSPOSED[rank], read=_out_in(read, rank - 2, rank - 1))}


def _depthwise(_: GraphFile, node: Node, operands: tuple[Value, ...]) -> dict[int, Use]:
    """Take a kernel (height, width, channels, multiplier)."""
    read = _weight(operands, 1)
    if read is None or len(read.shape) != 4:  # noqa: PLR2004
        return {}
    height, width, channels, multiplier = read.shape
    turned = reshaped(transposed(read, (2, 3, 0, 1)), (channels * multiplier, 1, height, width))
    return {1: Use(node.name, kind="depthwise", read=turned, groups=channels)}


def _matmul(graph: GraphFile, node: Node, operands: tuple[Value, ...]) -> dict[int, Use]:
    """Take the right operand, stored (in, out) unless it is transposed, or the left one, (out, in)."""
    found = {}
    for index, flags in ((1, ("transpose_b", "adj_y")), (0, ("transpose_a", "adj_x"))):
        read = _weight(operands, index)
        if read is not None and len(read.shape) == _MATRIX:
            flipped = any(graph.integer(node, flag) for flag in flags)
            output_first = flipped is (index == 1)
            turned = read if output_first else transposed(read, (1, 0))
            found[index] = Use(node.name, kind="dense", read=turned)
    return found


def _gather(graph: GraphFile, node: Node, operands: tuple[Value, ...]) -> dict[int, Use]:
    """Take a table of which rows are looked up."""
    read = _weight(operands, 0)
    axis = operands[2] if len(operands) > _MATRIX else None
    by_row = not isinstance(axis, Flow) or axis.source.integers == (0,)
    if read is None or len(read.shape) != _MATRIX or not by_row or graph.integer(node, "batch_dims"):
        return {}
    return {0: Use(node.name, kind="embedding", read=read)}


def _einsum(graph: GraphFile, node: Node, operands: tuple[Value, ...]) -> dict[int, Use]:
    equation, found = graph.text(node, "equation"), {}
    for index in (1, 0):
        read = _weight(operands, index)
        weight = None if read is None else einsum_weight(equation, index, read)
        if weight is not None and len(weight.shape) == _MATRIX:
            found[index] = Use(node.name, kind="dense", read=weight)
    return found


def _weight(operands: tuple[Value, ...], index: int) -> StoredReader | None:
    """Return the operand where it is a stored tensor of real numbers that holds something."""
    flow = operands[index] if index < len(operands) else None
    if not isinstance(flow, Flow) or flow.read is None or 0 in flow.shape:
        return None
    return flow.read if flow.source.dtype.startswith(("float", "bfloat")) else None


def _out_in(read: StoredReader, out: int, inward: int) -> StoredReader:
    kernel = (axis for axis in range(len(read.shape)) if axis not in {out, inward})
    return transposed(read, (out, inward, *kernel))


OPERATORS: Final[Mapping[str, Operator]] = {
    **dict.fromkeys(("Conv2D", "Conv3D", "_FusedConv2D", "_FusedConv3D"), _convolution),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), _transposed_convolution),
    **dict.fromkeys(("DepthwiseConv2dNative", "_FusedDepthwiseConv2dNative"), _depthwise),
    **dict.fromkeys(
        ("MatMul", "_FusedMatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "_FusedBatchMatMulV2"),
        _matmul,
    ),
    **dict.fromkeys(("Gather", "GatherV2", "ResourceGather"), _gather),
    "Einsum": _einsum,
}
"""From an operator to its weights, by operand; an operand that it does not know is left out."""

PASSED_ON: Final = frozenset(
    {
        *("Identity", "ReadVariableOp", "Cast", "StopGradient", "PreventGradient", "Snapshot", "Enter"),
        *("CheckNumerics", "DisableCopyOnRead", "EnsureShape", "RefEnter"),
        *("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "FakeQuantWithMinMaxArgs"),
    }
)
"""Operators whose result is their first operand, the numbers' type and rounding apart."""

HARMLESS: Final = frozenset(
    {
        *("Add", "AddV2", "AddN", "BiasAdd", "Sub", "Mul", "MulNoNan", "Div", "DivNoNan", "RealDiv"),
        *("Maximum", "Minimum", "Pow", "SquaredDifference", "FloorDiv", "FloorMod", "Mod"),
        *("Select", "SelectV2", "Where", "ClipByValue", "LeakyRelu", "Relu", "Prelu", "L2Loss"),
        *("Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual"),
        *("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "_FusedBatchNormEx"),
        *("Shape", "ShapeN", "Size", "Rank", "Fill", "BroadcastTo", "BroadcastArgs", "Tile"),
        *("Pad", "PadV2", "MirrorPad", "SpaceToBatchND", "BatchToSpaceND", "ResizeBilinear"),
        *("ConcatV2", "Concat", "Pack", "OneHot", "Range", "Assert", "NoOp"),
        *("VarIsInitializedOp", "IsVariableInitialized"),
    }
)
"""Operators that add, scale, compare, place or store a tensor without multiplying matrices by it."""

TRAINING: Final = ("ResourceApply", "ResourceSparseApply", "Apply", "SparseApply", "Assign", "SaveV2")
"""What the operators begin with that set, train or save a variable: no use of it in the model."""
