"""Tensors that stand in the graph itself, as ``Const`` nodes: captured arrays and frozen weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.weights.mapped import MappedTensor
from gate.weights.protobuf.wire import Span, signed, varint
from gate.weights.savedmodel import schema
from gate.weights.savedmodel.dtypes import ELEMENT_TYPES
from gate.weights.savedmodel.shapes import shape_of

if TYPE_CHECKING:
    from gate.weights.protobuf.scanner import Message, Scanner

_RAW: Final = {"float32": "float_val", "float64": "double_val"}
_INTEGERS: Final = {"int32": "int_val", "int64": "int64_val"}
_MOST_INTEGERS: Final = 32


@dataclass(frozen=True, slots=True)
class Constant:
    """A ``TensorProto``.

    ``read`` is None for what is no row of numbers in the file: text, or a value that TensorFlow
    shortened since it repeats.  ``integers`` are the values of a few integers, in C order.
    """

    shape: tuple[int, ...]
    dtype: str
    read: MappedTensor | None
    integers: tuple[int, ...] | None


def constant(path: str, scanner: Scanner, span: Span) -> Constant | None:
    """Return the tensor in ``span`` of the file at ``path``; None for one whose shape is not known.

    Nothing is allocated: the bytes present must be those that type and shape ask for.
    """
    message = scanner.collect(span, schema.TENSOR)
    shape = shape_of(scanner, message.span.get("shape"))
    if shape is None:
        return None
    element = ELEMENT_TYPES.get(message.integer.get("data_type", 0))
    if element is None:
        return Constant(shape, "", None, None)
    values = message.span.get("content") or message.values.get(_RAW.get(element.name, ""))
    read = None
    if values is not None and values.length == math.prod(shape) * element.width:
        read = MappedTensor(path, values.start, element.name, shape, limit=values.end)
    return Constant(shape, element.name, read, _few_integers(scanner, message, element.name, shape))


def _few_integers(
    scanner: Scanner, message: Message, dtype: str, shape: tuple[int, ...]
) -> tuple[int, ...] | None:
    count = math.prod(shape)
    if dtype not in _INTEGERS or count > _MOST_INTEGERS or message.scattered:
        return None
    content = message.span.get("content")
    if content is not None:
        width = 4 if dtype == "int32" else 8
        data = bytes(scanner.data[content.start : content.end]) if content.length == count * width else b""
        pieces = (data[at : at + width] for at in range(0, len(data), width))
        return tuple(int.from_bytes(piece, "little", signed=True) for piece in pieces) if data else None
    packed = message.values.get(_INTEGERS[dtype])
    if packed is None or packed.length > _MOST_INTEGERS * 10:
        return (0,) * count if packed is None else None  # zeros are not written
    found, position = [], packed.start
    while position < packed.end:
        value, position = varint(scanner.data, position, packed.end)
        found.append(signed(value))
    if not found or len(found) > count:
        return None
    return tuple(found) + (found[-1],) * (count - len(found))  # the last one stands for all that follow
