"""Integer weights and the scales that belong to them.

Sources: the ONNX operators DequantizeLinear, QLinearMatMul, QLinearConv, MatMulInteger and
ConvInteger, and the com.microsoft operators of
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gate.weights.onnx.storage import Inline, Unpacked
from gate.weights.onnx.values import Operand, Unknown, Value
from gate.weights.views import Dequantised, reshaped, root_mean_square, sliced

if TYPE_CHECKING:
    from gate.weights.onnx.scope import Call
    from gate.weights.views import StoredReader

_BITS: Final = frozenset({2, 4, 8})
_FOLLOWED: Final = frozenset({"Add", "Cast", "Reshape", "Identity"})
_FARTHEST: Final = 6


def dequantise(value: Value, scale: Value | None, zero_point: Operand, axis: int) -> Value | None:
    """Return integer ``value`` times its scale, per tensor, along ``axis``, or of its own rank.

    None where the scale or zero point is not constant or does not fit.
    """
    spread = None if scale is None else _aligned(scale, value.shape, axis)
    offset: StoredReader | None = None
    if isinstance(zero_point, Value):
        offset = _aligned(zero_point, value.shape, axis)
    if spread is None or (offset is None and zero_point is not Unknown.ABSENT):
        return None
    return _scaled(value, spread, offset)


def _is_unpackable(value: Value) -> bool:
    """Tell whether ``value`` is bytes as they are stored, several elements in each."""
    return value.leaves[0].element.name == "uint8" and value.step is None


def _scaled(value: Value, scale: StoredReader, zero_point: StoredReader | None, block: int = 1) -> Value:
    return value.through(Dequantised(value.read, scale, zero_point, block), step=root_mean_square(scale))


def _aligned(scale: Value, shape: tuple[int, ...], axis: int) -> StoredReader | None:
    """Return ``scale`` with as many axes as ``shape``, ready to be broadcast."""
    rank, size = len(shape), math.prod(scale.shape)
    if size == 1:
        return reshaped(scale.read, (1,) * rank)
    if len(scale.shape) == rank and all(
        extent in {1, own} for extent, own in zip(scale.shape, shape, strict=True)
    ):
        return scale.read
    if -rank <= axis < rank and size == shape[axis]:
        extents = [1] * rank
        extents[axis] = size
        return reshaped(scale.read, tuple(extents))
    return None


def dequantise_linear(call: Call, value: Value) -> Value | None:
    """Return what a DequantizeLinear makes of ``value``: per tensor, per axis or in blocks."""
    scale, zero_point = call.value(1), call.operand(2)
    axis, block = call.integer("axis", 1), call.integer("block_size")
    if not block:
        return dequantise(value, scale, zero_point, axis)
    rank = len(value.shape)
    if scale is None or block < 0 or not -rank <= axis < rank or zero_point is Unknown.DYNAMIC:
        return None
    expected = list(value.shape)
    expected[axis] = -(-expected[axis] // block)
    offset = zero_point if isinstance(zero_point, Value) else None
    if any(operand.shape != tuple(expected) for operand in (scale, offset) if operand is not None):
        return None
    return _scaled(value, scale.read, None if offset is None else offset.read, block)


def dequantise_directions(value: Value, scale: Value | None, zero_point: Operand) -> Value | None:
    """Return a recurrent weight (directions, in, gates) times its scale per direction or gate row."""
    spread = None if scale is None else _per_direction(scale, value.shape)
    offset = _per_direction(zero_point, value.shape) if isinstance(zero_point, Value) else None
    if spread is None or (offset is None and zero_point is not Unknown.ABSENT):
        return None
    return _scaled(value, spread, offset)


def _per_direction(scale: Value, shape: tuple[int, ...]) -> StoredReader | None:
    directions, _, rows = shape
    width = {directions * rows: rows, directions: 1}.get(math.prod(scale.shape))
    return None if width is None else reshaped(scale.read, (directions, 1, width))


def downstream_scale(call: Call) -> Value | None:
    """Return the weight's scale of an integer product, which the graph applies after it.

    Exporters multiply the integer result, bias added and cast, by ``Mul(scale of x, scale of w)``.
    """
    scope, name = call.scope, call.node.outputs[0] if call.node.outputs else ""
    for _ in range(_FARTHEST):
        following = ""
        for user in scope.consumers.get(name, ()):
            if user.operator in _FOLLOWED and user.outputs:
                following = user.outputs[0]
            if user.operator != "Mul":
                continue
            for factor in user.inputs:
                found = _constant_factor(call, factor) if factor != name else None
                if found is not None:
                    return found
        name = following
    return None


def _constant_factor(call: Call, name: str) -> Value | None:
    operand = call.scope.find(name)
    if isinstance(operand, Value):
        return operand
    producer = call.scope.producers.get(name)
    if producer is None or producer.operator != "Mul":
        return None
    factors = [call.scope.find(factor) for factor in producer.inputs]
    constants = [factor for factor in factors if isinstance(factor, Value)]
    return constants[0] if len(constants) == 1 else None


def dequantise_blocks(call: Call, value: Value) -> Value | None:
    """Return the (out, in) matrix of a MatMulNBits: blocks along the input, 2, 4 or 8 bits.

    None where the layout is another one, or the columns are permuted (``g_idx``).
    """
    rows, columns = call.integer("N"), call.integer("K")
    bits, block = call.integer("bits", 4), call.integer("block_size")
    scale = call.value(2)
    if bits not in _BITS or min(rows, columns, block) < 1 or call.operand(4) is not Unknown.ABSENT:
        return None
    blocks = -(-columns // block)
    if scale is None or math.prod(scale.shape) != rows * blocks or block * bits % 8:
        return None
    if value.shape != (rows, blocks, block * bits // 8) or not _is_unpackable(value):
        return None
    zero_point = _block_zero_point(call.operand(3), rows, blocks, bits)
    if zero_point is None:
        return None
    packed = value.through(Unpacked(value.read, "uint8", bits))
    scaled = _scaled(packed, reshaped(scale.read, (rows, blocks, 1)), zero_point)
    flat = reshaped(scaled.read, (rows, blocks * block))
    return scaled.through(sliced(flat, ((0, rows, 1), (0, columns, 1))))


def _block_zero_point(operand: Operand, rows: int, blocks: int, bits: int) -> StoredReader | None:
    if operand is Unknown.ABSENT:
        return Inline((float(1 << (bits - 1)),), "float32", (1, 1, 1))
    if not isinstance(operand, Value):
        return None
    size, row = math.prod(operand.shape), -(-blocks * bits // 8)
    if operand.leaves[0].element.is_floating:
        return reshaped(operand.read, (rows, blocks, 1)) if size == rows * blocks else None
    if size != rows * row or not _is_unpackable(operand):
        return None
    spread = Unpacked(reshaped(operand.read, (rows, row)), "uint8", bits)
    return reshaped(sliced(spread, ((0, rows, 1), (0, blocks, 1))), (rows, blocks, 1))
