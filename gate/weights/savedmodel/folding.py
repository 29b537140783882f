"""Operators that only rearrange a stored tensor: followed as views of the file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

from gate.weights.savedmodel.values import Flow
from gate.weights.views import reshaped, transposed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.weights.savedmodel.graph import GraphFile, Node
    from gate.weights.savedmodel.values import Value

    Fold: TypeAlias = "Callable[[GraphFile, Node, tuple[Value, ...]], Flow | None]"

_MOST_AXES: Final = 8


def _transpose(_: GraphFile, __: Node, operands: tuple[Value, ...]) -> Flow | None:
    flow, axes = _flow(operands), _integers(operands, 1)
    if flow is None or flow.read is None or axes is None or sorted(axes) != list(range(len(flow.shape))):
        return None
    return flow.through(transposed(flow.read, axes))


def _reshape(_: GraphFile, __: Node, operands: tuple[Value, ...]) -> Flow | None:
    flow, wanted = _flow(operands), _integers(operands, 1)
    if flow is None or wanted is None or len(wanted) > _MOST_AXES:
        return None
    known = math.prod(extent for extent in wanted if extent >= 0)
    size = math.prod(flow.shape)
    rest = size // known if known else 0
    return _in_shape(flow, tuple(rest if extent < 0 else extent for extent in wanted))


def _expand(_: GraphFile, __: Node, operands: tuple[Value, ...]) -> Flow | None:
    flow, axes = _flow(operands), _integers(operands, 1)
    if (
        flow is None
        or axes is None
        or len(axes) != 1
        or not -len(flow.shape) <= axes[0] + 1 <= len(flow.shape) + 1
    ):
        return None
    place = axes[0] if axes[0] >= 0 else len(flow.shape) + 1 + axes[0]
    return _in_shape(flow, (*flow.shape[:place], 1, *flow.shape[place:]))


def _squeeze(graph: GraphFile, node: Node, operands: tuple[Value, ...]) -> Flow | None:
    flow = _flow(operands)
    if flow is None:
        return None
    rank = len(flow.shape)
    named = {axis % rank for axis in graph.integers(node, "squeeze_dims")} if rank else set()
    gone = named or {axis for axis, extent in enumerate(flow.shape) if extent == 1}
    return _in_shape(flow, tuple(extent for axis, extent in enumerate(flow.shape) if axis not in gone))


def _flow(operands: tuple[Value, ...]) -> Flow | None:
    found = operands[0] if operands else None
    return found if isinstance(found, Flow) and not found.is_handle else None


def _integers(operands: tuple[Value, ...], index: int) -> tuple[int, ...] | None:
    found = operands[index] if index < len(operands) else None
    return found.source.integers if isinstance(found, Flow) else None


def _in_shape(flow: Flow, shape: tuple[int, ...]) -> Flow | None:
    """Return the flow under another shape of the same size."""
    if flow.read is None or math.prod(shape) != math.prod(flow.shape) or min(shape, default=0) < 0:
        return None
    return flow.through(reshaped(flow.read, shape))


FOLDS: Final[Mapping[str, Fold]] = {
    "Transpose": _transpose,
    "Reshape": _reshape,
    "ExpandDims": _expand,
    "Squeeze": _squeeze,
}
