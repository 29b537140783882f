"""Operators between a stored tensor and its consumer, followed as views of the file.

A fold returns what the node's first output stands for, or None where it cannot tell: the constant is
then "computed by operators that are not followed", which a skipped tensor's reason says.
Source of every shape rule: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.weights.onnx.dequantise import dequantise_linear
from gate.weights.onnx.values import Value, joined
from gate.weights.views import Concatenated, reshaped, sliced, transposed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from gate.weights.onnx.scope import Call
    from gate.weights.views import StoredReader

_FLOAT_TYPES: Final = frozenset({1, 10, 11, 16, 17, 18, 19, 20, 23})
_WIDE_INTEGERS: Final = frozenset({6, 7})
_LARGEST_EXTENT: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``left`` and ``right``, broadcast, under one of numpy's four operations, in float32."""

    operation: str
    left: StoredReader
    right: StoredReader
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return the result."""
        ufunc = getattr(np, self.operation)
        left, right = (side().astype(np.float32, copy=False) for side in (self.left, self.right))
        with np.errstate(all="ignore"):  # what is not finite is a finding of the engine's
            result: NDArray[Any] = ufunc(left, right)
        return result

    def stored(self) -> NDArray[Any]:
        """Return the result: what later views rearrange."""
        return self()


def _identity(_: Call, value: Value) -> Value:
    return value


def _cast(call: Call, value: Value) -> Value | None:
    target, element = call.integer("to"), value.leaves[0].element
    widens = target in _WIDE_INTEGERS and element.is_integer and value.step is None
    return value if target in _FLOAT_TYPES or widens else None


def _quantize(_: Call, value: Value) -> Value | None:
    return replace(value, is_quantised=True)


def _dequantize(call: Call, value: Value) -> Value | None:
    if value.is_quantised:  # simulated quantisation: the weight is measured as it is stored
        return replace(value, is_quantised=False)
    return dequantise_linear(call, value)


def _transpose(call: Call, value: Value) -> Value | None:
    rank = len(value.shape)
    axes = call.integers("perm", 1) or tuple(reversed(range(rank)))
    if sorted(axes) != list(range(rank)):
        return None
    return value.through(transposed(value.read, axes))


def _with_shape(value: Value, shape: tuple[int, ...]) -> Value | None:
    if math.prod(shape) != math.prod(value.shape):
        return None
    return value.through(reshaped(value.read, shape))


def _reshape(call: Call, value: Value) -> Value | None:
    target = call.integers("shape", 1)
    if target is None or len(target) > len(value.shape) + 8 or target.count(-1) > 1:
        return None
    if call.integer("allowzero") == 0:
        target = tuple(
            value.shape[axis] if extent == 0 and axis < len(value.shape) else extent
            for axis, extent in enumerate(target)
        )
    known = math.prod(extent for extent in target if extent != -1)
    if known <= 0:
        return None
    rest = math.prod(value.shape) // known
    return _with_shape(value, tuple(rest if extent == -1 else extent for extent in target))


def _flatten(call: Call, value: Value) -> Value | None:
    rank = len(value.shape)
    axis = call.integer("axis", 1)
    if not -rank <= axis <= rank:
        return None
    axis += rank if axis < 0 else 0
    return _with_shape(value, (math.prod(value.shape[:axis]), math.prod(value.shape[axis:])))


def _axes(call: Call, rank: int) -> frozenset[int] | None:
    axes = call.integers("axes", 1)
    if axes is None or any(not -rank <= axis < rank for axis in axes):
        return None
    return frozenset(axis % rank for axis in axes)


def _squeeze(call: Call, value: Value) -> Value | None:
    shape = value.shape
    if call.gives("axes", 1):
        axes = _axes(call, len(shape))
    else:
        axes = frozenset(axis for axis, extent in enumerate(shape) if extent == 1)
    if axes is None:
        return None
    return _with_shape(value, tuple(extent for axis, extent in enumerate(shape) if axis not in axes))


def _unsqueeze(call: Call, value: Value) -> Value | None:
    given = call.integers("axes", 1)
    if not given or len(given) > 8:  # noqa: PLR2004 - far more axes than any weight needs
        return None
    rank = len(value.shape) + len(given)
    axes = _axes(call, rank)
    if axes is None or len(axes) != len(given):
        return None
    extents = iter(value.shape)
    return _with_shape(value, tuple(1 if axis in axes else next(extents) for axis in range(rank)))


def _slice(call: Call, value: Value) -> Value | None:
    rank = len(value.shape)
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None:
        return None
    axes = call.integers("axes", 3) if call.gives("axes", 3) else tuple(range(len(starts)))
    steps = call.integers("steps", 4) if call.gives("steps", 4) else (1,) * len(starts)
    if axes is None or steps is None or not len(starts) == len(ends) == len(axes) == len(steps):
        return None
    ranges = [(0, extent, 1) for extent in value.shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not -rank <= axis < rank or step <= 0:
            return None
        bounds = slice(start, min(end, _LARGEST_EXTENT), step).indices(value.shape[axis])
        ranges[axis] = bounds[0], max(bounds[0], bounds[1]), bounds[2]
    return value.cut(sliced(value.read, tuple(ranges)))


def _concat(call: Call, value: Value) -> Value | None:
    parts = [call.value(index) for index in range(len(call.operands))]
    values = [part for part in parts if part is not None]
    rank = len(value.shape)
    axis = call.integer("axis", 1)
    if len(values) != len(parts) or not -rank <= axis < rank:
        return None
    axis %= rank
    shapes = {part.shape[:axis] + part.shape[axis + 1 :] for part in values}
    if len(shapes) != 1 or any(len(part.shape) != rank for part in values):
        return None
    if len(values) == 1:
        return value
    return joined(values, Concatenated(tuple(part.read for part in values), axis))


def _arithmetic(operation: str) -> Callable[[Call, Value], Value | None]:
    def fold(call: Call, value: Value) -> Value | None:
        other = call.value(1)
        if other is None:
            return None
        try:
            shape = np.broadcast_shapes(value.shape, other.shape)
        except ValueError:
            return None
        shown = [side for side in (value, other) if side.shape == shape]
        if not shown:
            return None
        result = joined(shown, Arithmetic(operation, value.read, other.read, shape))
        return replace(result, size=1 + value.size + other.size, depth=1 + max(value.depth, other.depth))

    return fold


FOLDS: Final[Mapping[str, Callable[[Call, Value], Value | None]]] = {
    "Identity": _identity,
    "Dropout": _identity,
    "Cast": _cast,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Concat": _concat,
    "Add": _arithmetic("add"),
    "Sub": _arithmetic("subtract"),
    "Mul": _arithmetic("multiply"),
    "Div": _arithmetic("divide"),
}
"""By operator; the operand followed is always the first one."""


def split(call: Call) -> tuple[Value, ...] | None:
    """Return what the outputs of a Split of a constant stand for."""
    value = call.value(0)
    if value is None:
        return None
    rank, count = len(value.shape), len(call.node.outputs)
    axis = call.integer("axis", 0)
    if not -rank <= axis < rank or not count:
        return None
    axis %= rank
    extent = value.shape[axis]
    chunk = -(-extent // count)
    sizes = call.integers("split", 1) if call.gives("split", 1) else None
    if sizes is None and call.gives("split", 1):
        return None
    stops = np.cumsum(sizes or [chunk] * count).tolist()
    if len(stops) != count or min(sizes or (0,)) < 0 or (sizes and stops[-1] != extent):
        return None
    cuts = []
    start = 0
    for stop in stops:
        ranges = [(0, width, 1) for width in value.shape]
        ranges[axis] = min(start, extent), min(stop, extent), 1
        cuts.append(value.cut(sliced(value.read, tuple(ranges))))
        start = stop
    return tuple(cuts)
