"""Torch's element types: their names in pickles and in export tables, their sizes, their numpy twins."""

from __future__ import annotations

from typing import Final

ITEM_SIZES: Final[dict[str, int]] = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
    "complex128": 16,
    "complex64": 8,
    "complex32": 4,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "quint4x2": 1,
    "quint2x4": 1,
}
"""Bytes per element as torch counts elements (the packed quantised types: per byte)."""

STORED_AS: Final[dict[str, str]] = {"qint8": "int8", "quint8": "uint8", "qint32": "int32"}
"""The integers that carry quantised types."""

UNREADABLE: Final[dict[str, str]] = {
    "complex128": "complex values",
    "complex64": "complex values",
    "complex32": "complex values",
    "quint4x2": "4-bit values packed two to a byte",
    "quint2x4": "2-bit values packed four to a byte",
}
"""Element types whose values are no real numbers one by one, and why."""

STORAGE_CLASSES: Final[dict[str, str]] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UInt16Storage": "uint16",
    "UInt32Storage": "uint32",
    "UInt64Storage": "uint64",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "ComplexHalfStorage": "complex32",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "Float8_e4m3fnStorage": "float8_e4m3fn",
    "Float8_e4m3fnuzStorage": "float8_e4m3fnuz",
    "Float8_e5m2Storage": "float8_e5m2",
    "Float8_e5m2fnuzStorage": "float8_e5m2fnuz",
    "Float8_e8m0fnuStorage": "float8_e8m0fnu",
    "UntypedStorage": "uint8",
}
"""Storage class in ``torch``, ``torch.storage`` or ``torch.cuda`` -> element type."""

ALIASES: Final[dict[str, str]] = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "cdouble": "complex128",
    "cfloat": "complex64",
    "chalf": "complex32",
}

SCALAR_TYPES: Final[dict[int, str]] = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
"""``torch._export.serde.schema.ScalarType`` of the export package's tables."""


def storage_dtype(module: str, name: str) -> str | None:
    """Return the element type of a storage class, or None when it is none."""
    return STORAGE_CLASSES.get(name) if module in {"torch", "torch.storage", "torch.cuda"} else None


def torch_dtype(module: str, name: str) -> str | None:
    """Return the element type a global such as ``torch.float32`` names, or None."""
    canonical = ALIASES.get(name, name)
    return canonical if module == "torch" and canonical in ITEM_SIZES else None
