"""The operators that hold weights: which operand, what kind of layer, and how it is turned.

One table, ``OPERATORS``, from (domain, operator) to a function that yields the weights of one node,
in the canonical orientation of :class:`gate.layer.WeightLayer`, or the reason why an operand that is
a weight cannot be listed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from gate.layer import Part
from gate.weights.einsum import einsum_weight
from gate.weights.onnx.dequantise import (
    dequantise,
    dequantise_blocks,
    dequantise_directions,
    downstream_scale,
)
from gate.weights.onnx.projections import fused_projections
from gate.weights.views import reshaped, sliced, transposed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gate.layer import LayerKind
    from gate.weights.onnx.scope import Call
    from gate.weights.onnx.values import Value

MICROSOFT: Final = "com.microsoft"

_MOST_EXPERTS: Final = 4096
_MATRIX: Final = 2
_CONVOLUTIONS: Final[Mapping[int, LayerKind]] = {3: "conv1d", 4: "conv2d", 5: "conv3d"}
_TRANSPOSED: Final[Mapping[int, LayerKind]] = {
    3: "conv_transpose1d",
    4: "conv_transpose2d",
    5: "conv_transpose3d",
}
_RECURRENT: Final[tuple[tuple[int, str], ...]] = ((1, "weight_ih"), (2, "weight_hh"))
LSTM_GATES: Final = ("input", "output", "forget", "cell")
GRU_GATES: Final = ("update", "reset", "hidden")


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight of one node, canonical; ``role`` tells several weights of a node apart."""

    operand: int
    value: Value
    kind: LayerKind
    groups: int = 1
    parts: tuple[Part, ...] = ()
    role: str = ""
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operand that is a weight and cannot be listed."""

    operand: int
    reason: str


Found: TypeAlias = "Iterator[Weight | Refusal]"
Operator: TypeAlias = "Callable[[Call], Found]"


def _matrix(call: Call, index: int, value: Value, *, output_first: bool, role: str = "") -> Found:
    """Yield a dense layer, or a stack of experts, stored (..., out, in) or (..., in, out)."""
    *stack, rows, columns = value.shape if len(value.shape) >= _MATRIX else (0, 0)
    if len(value.shape) < _MATRIX:
        return
    count = math.prod(stack)
    shape = (count, rows, columns) if count != 1 else (rows, columns)
    axes = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    read = reshaped(value.read, shape)
    canonical = value.through(read if output_first else transposed(read, axes))
    if count > _MOST_EXPERTS:
        yield Refusal(index, f"a stack of {count} matrices, more than {_MOST_EXPERTS}")
    elif count != 1:
        parts = tuple(Part(str(expert), 0, expert, expert + 1) for expert in range(count))
        yield Weight(index, canonical, "expert", parts=parts, role=role)
    else:
        parts = fused_projections(call, canonical)
        yield Weight(index, canonical, "attention" if parts else "dense", parts=parts, role=role)


def _matmul(call: Call) -> Found:
    for index in (1, 0):
        value = call.value(index)
        if value is not None:
            yield from _matrix(call, index, value, output_first=index == 0, role="" if index else "left")


def _gemm(call: Call) -> Found:
    """Both operands may be transposed; a constant left one has (out, in) unless it is."""
    for index, flag in ((1, "transB"), (0, "transA")):
        value = call.value(index)
        if value is not None:
            first = (call.integer(flag) != 0) is (index == 1)
            yield from _matrix(call, index, value, output_first=first, role="" if index else "left")


def _conv(call: Call, index: int, value: Value) -> Found:
    kind = _CONVOLUTIONS.get(len(value.shape))
    groups = call.integer("group", 1)
    if kind is None or groups < 1 or value.shape[0] % groups:
        yield Refusal(index, f"no kernel of a convolution in {groups} groups: shape {list(value.shape)}")
        return
    yield Weight(index, value, "depthwise" if value.shape[1] == 1 else kind, groups)


def _float_conv(call: Call) -> Found:
    value = call.value(1)
    if value is not None:
        yield from _conv(call, 1, value)


def _conv_transpose(call: Call) -> Found:
    """Yield what is stored (in, out / groups, kernel) as (out, in / groups, kernel)."""
    value = call.value(1)
    if value is None:
        return
    kind = _TRANSPOSED.get(len(value.shape))
    groups = call.integer("group", 1)
    if kind is None or groups < 1 or value.shape[0] % groups:
        yield Refusal(1, f"no kernel of a convolution in {groups} groups: shape {list(value.shape)}")
        return
    inputs, outputs, *kernel = value.shape
    width = inputs // groups
    split = reshaped(value.read, (groups, width, outputs, *kernel))
    turned = transposed(split, (0, 2, 1, *range(3, len(value.shape) + 1)))
    canonical = value.through(reshaped(turned, (groups * outputs, width, *kernel)))
    yield Weight(1, canonical, "depthwise" if width == 1 else kind, groups)


def _recurrent(kind: LayerKind, gates: tuple[str, ...]) -> Operator:
    def weights(call: Call) -> Found:
        for index, role in _RECURRENT:
            value = call.value(index)
            if value is not None:
                yield from _directions(kind, gates, index, role, value)

    return weights


def _directions(kind: LayerKind, gates: tuple[str, ...], index: int, role: str, value: Value) -> Found:
    """Yield one layer a direction of a weight stored (directions, gates * hidden, in)."""
    if len(value.shape) != 3 or value.shape[0] not in {1, 2} or value.shape[1] % max(len(gates), 1):  # noqa: PLR2004
        yield Refusal(index, f"no weight of a recurrent layer: shape {list(value.shape)}")
        return
    directions, rows, columns = value.shape
    hidden = rows // max(len(gates), 1)
    parts = tuple(Part(gate, 0, at * hidden, (at + 1) * hidden) for at, gate in enumerate(gates))
    for direction in range(directions):
        cut = sliced(value.read, ((direction, direction + 1, 1), (0, rows, 1), (0, columns, 1)))
        read = reshaped(cut, (rows, columns))
        suffix = "_reverse" if direction else ""
        yield Weight(index, value.cut(read), kind, parts=parts, role=role + suffix)


def _dynamic_quantize_lstm(call: Call) -> Found:
    """Yield weights stored (directions, in, 4 * hidden), scales at operands 8 and 10."""
    for (index, role), scale in zip(_RECURRENT, (8, 10), strict=True):
        value = call.value(index)
        if value is None or len(value.shape) != 3:  # noqa: PLR2004 - directions, in, gates
            continue
        scaled = dequantise_directions(value, call.value(scale), call.operand(scale + 1))
        if scaled is None:
            yield Refusal(index, "its scale is not a constant of the model")
            continue
        turned = scaled.through(transposed(scaled.read, (0, 2, 1)))
        yield from _directions("lstm", LSTM_GATES, index, role, turned)


def _attention(weight: int, *, scale: int | None = None, zero_point: int = 0) -> Operator:
    """Return the fused projections of com.microsoft's attention operators, stored (in, q + k + v)."""

    def weights(call: Call) -> Found:
        value = call.value(weight)
        if value is None or len(value.shape) != _MATRIX:
            return
        if scale is not None:
            value = dequantise(value, call.value(scale), call.operand(zero_point), 1)
        if value is None:
            yield Refusal(weight, "its scale is not a constant of the model")
            return
        width = value.shape[1]
        sizes = call.integers("qkv_hidden_sizes", len(call.operands)) or (width // 3,) * 3
        if len(sizes) != 3 or min(sizes) < 1 or sum(sizes) != width:  # noqa: PLR2004 - query, key, value
            yield Refusal(weight, f"{width} columns are not split into query, key and value")
            return
        stops = (sizes[0], sizes[0] + sizes[1], width)
        starts = (0, *stops[:2])
        labels = ("query", "key", "value")
        parts = tuple(
            Part(label, 0, start, stop) for label, start, stop in zip(labels, starts, stops, strict=True)
        )
        turned = value.through(transposed(value.read, (1, 0)))
        yield Weight(weight, turned, "attention", parts=parts)

    return weights


def _quantised(weight: int, scale: int | None, zero_point: int, *, convolution: bool = False) -> Operator:
    """Return an integer product: its scale is an operand, or (None) applied to the result."""

    def weights(call: Call) -> Found:
        value = call.value(weight)
        if value is None or len(value.shape) < _MATRIX:
            return
        if value.is_quantised or not value.leaves[0].element.is_integer:
            yield Refusal(weight, "quantised while the model runs")
            return
        found = downstream_scale(call) if scale is None else call.value(scale)
        output_first = convolution or call.integer("transB") != 0
        scaled = dequantise(value, found, call.operand(zero_point), 0 if output_first else -1)
        if scaled is None:
            yield Refusal(weight, "its scale or zero point is not a constant of the model")
        elif convolution:
            yield from _conv(call, weight, scaled)
        else:
            yield from _matrix(call, weight, scaled, output_first=output_first)

    return weights


def _matmul_blocks(call: Call) -> Found:
    value = call.value(1)
    if value is None:
        return
    scaled = dequantise_blocks(call, value)
    if scaled is None:
        yield Refusal(1, "MatMulNBits in a layout that is not read")
        return
    parts = fused_projections(call, scaled)
    kind: LayerKind = "attention" if parts else "dense"
    yield Weight(1, scaled, kind, parts=parts, dtype=f"uint{call.integer('bits', 4)}")


def _gather(call: Call) -> Found:
    """Yield a table looked up by row as an embedding; by column it is one that lies on its side."""
    value, axis = call.value(0), call.integer("axis")
    if value is None or len(value.shape) != _MATRIX:
        return
    if value.leaves[0].element.is_integer and value.step is None:
        return
    canonical = value if axis in {0, -2} else value.through(transposed(value.read, (1, 0)))
    yield Weight(0, canonical, "embedding")


def _embed_layer_normalization(call: Call) -> Found:
    for index, role in ((2, "word"), (3, "position"), (4, "segment")):
        value = call.value(index)
        if value is not None and len(value.shape) == _MATRIX:
            yield Weight(index, value, "embedding", role=role)


def _einsum(call: Call) -> Found:
    for index in range(len(call.operands)):
        value = call.value(index)
        if value is None or len(value.shape) < _MATRIX:
            continue
        read = einsum_weight(call.text("equation"), index, value.read)
        if read is None:
            yield Refusal(index, f"the equation {call.text('equation')!r} is no product of matrices")
            continue
        for found in _matrix(call, index, value.through(read), output_first=True):
            yield replace(found, role="" if index else "left") if isinstance(found, Weight) else found


OPERATORS: Final[Mapping[tuple[str, str], Operator]] = {
    ("", "MatMul"): _matmul,
    ("", "Gemm"): _gemm,
    ("", "Conv"): _float_conv,
    ("", "ConvTranspose"): _conv_transpose,
    ("", "LSTM"): _recurrent("lstm", LSTM_GATES),
    ("", "GRU"): _recurrent("gru", GRU_GATES),
    ("", "RNN"): _recurrent("rnn", ()),
    ("", "Gather"): _gather,
    ("", "Einsum"): _einsum,
    ("", "MatMulInteger"): _quantised(1, None, 3),
    ("", "ConvInteger"): _quantised(1, None, 3, convolution=True),
    ("", "QLinearMatMul"): _quantised(3, 4, 5),
    ("", "QLinearConv"): _quantised(3, 4, 5, convolution=True),
    (MICROSOFT, "QLinearConv"): _quantised(3, 4, 5, convolution=True),
    (MICROSOFT, "QGemm"): _quantised(3, 4, 5),
    (MICROSOFT, "DynamicQuantizeMatMul"): _quantised(1, 2, 3),
    (MICROSOFT, "MatMulIntegerToFloat"): _quantised(1, 3, 5),
    (MICROSOFT, "MatMulNBits"): _matmul_blocks,
    (MICROSOFT, "DynamicQuantizeLSTM"): _dynamic_quantize_lstm,
    (MICROSOFT, "FusedMatMul"): _gemm,
    (MICROSOFT, "TransposeMatMul"): _gemm,
    (MICROSOFT, "FusedGemm"): _gemm,
    (MICROSOFT, "GemmFastGelu"): _matmul,
    (MICROSOFT, "FusedConv"): _float_conv,
    (MICROSOFT, "ConvTransposeWithDynamicPads"): _conv_transpose,
    (MICROSOFT, "Attention"): _attention(1),
    (MICROSOFT, "PackedAttention"): _attention(1),
    (MICROSOFT, "DecoderMaskedSelfAttention"): _attention(1),
    (MICROSOFT, "QAttention"): _attention(1, scale=4, zero_point=7),
    (MICROSOFT, "EmbedLayerNormalization"): _embed_layer_normalization,
}

HARMLESS: Final = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "Clip", "PRelu"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not"),
        *("LayerNormalization", "GroupNormalization", "InstanceNormalization", "BatchNormalization"),
        *("RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization"),
        *("SkipSimplifiedLayerNormalization", "BiasGelu", "FastGelu", "BiasAdd", "BiasSplitGelu"),
        *("RotaryEmbedding", "GroupQueryAttention", "MultiHeadAttention", "Concat", "Expand", "Tile"),
        *("Shape", "Size", "Resize", "Pad", "OneHot", "ConstantOfShape", "GridSample"),
    }
)
"""Operators that add, scale, compare or place a constant without multiplying matrices by it."""
