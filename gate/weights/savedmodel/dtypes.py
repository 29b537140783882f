"""The element types of ``tensorflow/core/framework/types.proto``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ElementType:
    """One ``DataType``: numpy's or ml_dtypes' name, and the bytes an element takes in a file."""

    name: str
    width: int


ELEMENT_TYPES: Final = {
    1: ElementType("float32", 4),
    2: ElementType("float64", 8),
    3: ElementType("int32", 4),
    4: ElementType("uint8", 1),
    5: ElementType("int16", 2),
    6: ElementType("int8", 1),
    8: ElementType("complex64", 8),
    9: ElementType("int64", 8),
    10: ElementType("bool", 1),
    11: ElementType("int8", 1),  # qint8, quint8 and qint32: the same bytes under another name
    12: ElementType("uint8", 1),
    13: ElementType("int32", 4),
    14: ElementType("bfloat16", 2),
    15: ElementType("int16", 2),
    16: ElementType("uint16", 2),
    17: ElementType("uint16", 2),
    18: ElementType("complex128", 16),
    19: ElementType("float16", 2),
    22: ElementType("uint32", 4),
    23: ElementType("uint64", 8),
    24: ElementType("float8_e5m2", 1),
    25: ElementType("float8_e4m3fn", 1),
    26: ElementType("float8_e4m3fnuz", 1),
    28: ElementType("float8_e5m2fnuz", 1),
    29: ElementType("int4", 1),
    30: ElementType("uint4", 1),
}
"""Types of numbers with a fixed width; TensorFlow stores four-bit ones one a byte."""

NOT_NUMBERS: Final = {7: "text", 20: "a resource", 21: "a variant"}
