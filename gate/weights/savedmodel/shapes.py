"""A ``TensorShapeProto`` as a tuple."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.savedmodel import schema

if TYPE_CHECKING:
    from gate.weights.protobuf.scanner import Scanner
    from gate.weights.protobuf.wire import Span

_MOST_AXES: Final = 32


def shape_of(scanner: Scanner, span: Span | None) -> tuple[int, ...] | None:
    """Return the shape in ``span``, that of a scalar where there is none; None for an unknown rank.

    Raises
    ------
    gate.errors.ModelError
        It has too many axes, or an extent that is not known.
    """
    if span is None:
        return ()
    message = scanner.collect(span, schema.SHAPE)
    if message.integer.get("unknown_rank"):
        return None
    dimensions = message.spans.get("dimensions", [])
    if len(dimensions) > _MOST_AXES:
        raise ModelError(f"a shape before byte {span.end} has {len(dimensions)} axes")
    shape = tuple(scanner.collect(item, schema.DIMENSION).integer.get("size", 0) for item in dimensions)
    if any(extent < 0 for extent in shape):
        raise ModelError(f"a shape before byte {span.end} has a negative extent")
    return shape
