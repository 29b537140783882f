"""Query, key and value fused into one matrix: told by the graph after the product, or by name."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from gate.layer import Part
from gate.weights.onnx.scope import small_integers

if TYPE_CHECKING:
    from gate.weights.onnx.records import Node
    from gate.weights.onnx.scope import Call
    from gate.weights.onnx.values import Value

_LABELS: Final = ("query", "key", "value")
_FUSED_NAME: Final = re.compile(
    r"(^|[./_])(w?qkv(_proj)?|in_proj(_weight)?|c_attn|query_key_value)([./_]|$)", re.IGNORECASE
)


def fused_projections(call: Call, value: Value) -> tuple[Part, ...]:
    """Return one part a projection, or nothing where the (out, in) matrix ``value`` is a single one.

    A Reshape of the result to (..., 3, heads, width) splits it in three equal parts, a Split into
    three does where the name says so too (gated cells are split as well).
    """
    rows, columns = value.shape
    following, biases = _after_bias(call)
    if following is not None and following.operator == "Reshape" and len(following.inputs) > 1:
        shape = _target_shape(call, following.inputs[1])
        if _splits_in_three(shape, rows):
            return _parts((rows // 3,) * 3)
    names = (call.node.name, *call.node.inputs, *biases, *(leaf.name for leaf in value.leaves))
    if not any(_FUSED_NAME.search(name) for name in names):
        return ()
    if following is not None and following.operator == "Split" and len(following.outputs) == 3:  # noqa: PLR2004
        sizes = _split_sizes(call, following) or (rows // 3,) * 3
        if len(sizes) == 3 and min(sizes) > 0 and sum(sizes) == rows:  # noqa: PLR2004 - query, key, value
            return _parts(sizes)
    return _parts((columns,) * 3) if rows == 3 * columns else ()


def _after_bias(call: Call) -> tuple[Node | None, tuple[str, ...]]:
    """Return the single node that takes the result, past the Add of a bias, and that Add's operands."""
    name = call.node.outputs[0] if call.node.outputs else ""
    operands: tuple[str, ...] = ()
    for _ in range(2):
        users = call.scope.consumers.get(name, [])
        if len(users) != 1:
            return None, operands
        if users[0].operator != "Add" or not users[0].outputs:
            return users[0], operands
        name, operands = users[0].outputs[0], users[0].inputs
    return None, operands


def _target_shape(call: Call, name: str) -> tuple[int, ...]:
    """Return the extents of a Reshape; -1 for those that are computed while the model runs."""
    name, producer = _past_casts(call, name)
    if producer is None or producer.operator != "Concat":
        return small_integers(call.scope.find(name)) or ()
    pieces = (small_integers(call.scope.find(_past_casts(call, piece)[0])) for piece in producer.inputs)
    return tuple(extent for piece in pieces for extent in (piece or (-1,)))


def _past_casts(call: Call, name: str) -> tuple[str, Node | None]:
    producer = call.scope.producers.get(name)
    for _ in range(2):
        if producer is not None and producer.operator == "Cast" and producer.inputs:
            name = producer.inputs[0]
            producer = call.scope.producers.get(name)
    return name, producer


def _splits_in_three(shape: tuple[int, ...], rows: int) -> bool:
    return any(
        extent == 3 and min(shape[axis + 1 :], default=0) > 0 and 3 * math.prod(shape[axis + 1 :]) == rows  # noqa: PLR2004
        for axis, extent in enumerate(shape)
    )


def _split_sizes(call: Call, node: Node) -> tuple[int, ...] | None:
    if "split" in node.attributes:
        return node.attributes["split"].integers
    return small_integers(call.scope.find(node.inputs[1])) if len(node.inputs) > 1 else None


def _parts(sizes: tuple[int, ...]) -> tuple[Part, ...]:
    stops = [sum(sizes[: count + 1]) for count in range(len(sizes))]
    return tuple(
        Part(label, 0, stop - size, stop) for label, size, stop in zip(_LABELS, sizes, stops, strict=True)
    )
