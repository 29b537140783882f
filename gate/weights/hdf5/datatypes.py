"""Datatypes and dataspaces: what the elements of a dataset or an attribute are, and how many.

"HDF5 File Format Specification Version 3.0", sections IV.A.2.b and IV.A.2.d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.limits import MAX_DIMENSIONS

if TYPE_CHECKING:
    from gate.weights.hdf5.fields import Fields

_FIXED_POINT, _FLOATING_POINT, _STRING, _OPAQUE, _ENUMERATION, _VARIABLE = 0, 1, 3, 5, 8, 9
_CLASSES: Final = (
    "integers",
    "floating-point numbers",
    "times",
    "strings",
    "bit fields",
    "opaque values",
    "compound values",
    "references",
    "enumerated values",
    "values of variable length",
    "arrays",
    "complex numbers",
)
_BIG_ENDIAN: Final = 1
_SIGNED: Final = 1 << 3
_VAX: Final = 1 << 6
_SIZES: Final = frozenset({1, 2, 4, 8})
_FLOATS: Final = {
    (2, 16, 10, 5, 0, 10, 15): "float16",
    (4, 32, 23, 8, 0, 23, 127): "float32",
    (8, 64, 52, 11, 0, 52, 1023): "float64",
    (2, 16, 7, 8, 0, 7, 127): "bfloat16",
}
"""Size, precision, exponent and mantissa each with place and size, exponent bias -> numpy's name."""
_NAMED_OPAQUE: Final = {("bfloat16", 2): "bfloat16"}
"""Name that a dataset's attribute gives its opaque values, and their size -> numpy's name."""
_NULL: Final = 2
_STRING_OF_ANY_LENGTH: Final = 1
_HAS_LIMITS: Final = 1


@dataclass(frozen=True, slots=True)
class ElementType:
    """What one element is.

    ``dtype`` is numpy's name for a number, None for anything else; ``text`` tells that it is a
    string, of ``size`` bytes, or of any length that ``size`` bytes refer to when ``variable``.
    """

    title: str
    size: int
    dtype: str | None = None
    byte_order: str = "<"
    text: bool = False
    variable: bool = False
    padding: int = 0

    def named(self, names: tuple[str, ...]) -> ElementType:
        """Return the type of opaque values that an attribute of their dataset names.

        HDF5 has no number of that kind, and h5py stores the bare bytes.
        """
        found = [_NAMED_OPAQUE.get((name, self.size)) for name in names]
        return replace(self, dtype=found[0]) if self.title == _CLASSES[_OPAQUE] and len(found) == 1 else self


def element_type(fields: Fields) -> ElementType:
    """Read a datatype message.

    Raises
    ------
    gate.errors.ModelError
        It is cut short or of no size.
    """
    kind = fields.byte() & 0x0F
    bits, size = fields.unsigned(3), fields.unsigned(4)
    title = _CLASSES[kind] if kind < len(_CLASSES) else f"values of class {kind}"
    if size == 0:
        raise ModelError(f"its {title} take no bytes", hint=CUT_SHORT)
    order = ">" if bits & _BIG_ENDIAN else "<"
    if kind == _FIXED_POINT:
        return ElementType(title, size, _integer(fields, bits, size), order)
    if kind == _FLOATING_POINT:
        name = None if bits & _VAX else _float(fields, size)
        return ElementType(title, size, name, order)
    if kind == _STRING:
        return ElementType(title, size, text=True, padding=bits & 0x0F)
    if kind == _VARIABLE and bits & 0x0F == _STRING_OF_ANY_LENGTH:
        return ElementType(title, size, text=True, variable=True)
    if kind == _ENUMERATION:  # h5py's bool
        base = element_type(fields)
        return ElementType(title, size, base.dtype if base.size == size else None, base.byte_order)
    return ElementType(title, size)


def _integer(fields: Fields, bits: int, size: int) -> str | None:
    offset, precision = fields.unsigned(2), fields.unsigned(2)
    if size not in _SIZES or offset or precision != 8 * size:
        return None
    return f"{'int' if bits & _SIGNED else 'uint'}{precision}"


def _float(fields: Fields, size: int) -> str | None:
    offset, precision = fields.unsigned(2), fields.unsigned(2)
    exponent, exponent_size, mantissa, mantissa_size = (fields.byte() for _ in range(4))
    bias = fields.unsigned(4)
    layout = (size, precision, exponent, exponent_size, mantissa, mantissa_size, bias)
    return None if offset else _FLOATS.get(layout)


def extents(fields: Fields) -> tuple[int, ...] | None:
    """Read a dataspace message: the shape, () for a single element, None where there is no element at all.

    Raises
    ------
    gate.errors.ModelError
        It is cut short, or has more dimensions than an array may.
    """
    version = fields.version((1, 2), "a dataspace")
    rank, flags = fields.byte(), fields.byte()
    kind = fields.byte() if version > 1 else 1
    fields.skip(5 if version == 1 else 0)
    if rank > MAX_DIMENSIONS:
        raise ModelError(f"a dataset claims {rank} dimensions", hint=CUT_SHORT)
    if version > 1 and kind == _NULL:
        return None
    shape = tuple(fields.length() for _ in range(rank))
    if flags & _HAS_LIMITS:
        fields.skip(rank * fields.shape.lengths)
    return shape


def element_count(shape: tuple[int, ...] | None) -> int:
    """Return the number of elements of what has this shape."""
    return 0 if shape is None else math.prod(shape)
