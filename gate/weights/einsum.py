"""Weights of an Einsum, in whatever graph: which of their indices are summed over, and which stay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gate.weights.views import reshaped, transposed

if TYPE_CHECKING:
    from gate.weights.views import StoredReader


def einsum_weight(equation: str, operand: int, read: StoredReader) -> StoredReader | None:
    """Return the weight as (out, in), or (experts, out, in) where an index runs along with the input.

    Indices that only the weight and the result have are ``out``; those summed over are ``in``; those
    that all have are ``experts``.  None where the equation is no such product.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow or len(terms) != 2 or operand > 1:  # noqa: PLR2004 - a product has two factors
        return None
    own, other = terms[operand], terms[1 - operand]
    if "." in own or len(set(own)) != len(own) or len(own) != len(read.shape):
        return None
    places = {
        "expert": [axis for axis, index in enumerate(own) if index in result and index in other],
        "out": [axis for axis, index in enumerate(own) if index in result and index not in other],
        "in": [axis for axis, index in enumerate(own) if index not in result and index in other],
    }
    axes = tuple(axis for group in places.values() for axis in group)
    if len(axes) != len(own) or not places["out"] or not places["in"]:
        return None
    experts, rows, columns = (math.prod(read.shape[axis] for axis in group) for group in places.values())
    shape = (experts, rows, columns) if places["expert"] else (rows, columns)
    return reshaped(transposed(read, axes), shape)
