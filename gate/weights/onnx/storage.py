"""Where a tensor's values lie and how they are read: raw, typed, packed, or in another file.

Sizes are compared with the bytes present here, while the model is listed; a reader made here
allocates at most a small multiple of the bytes that are really there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import ModelError
from gate.weights.mapped import MappedTensor, numpy_dtype, to_float
from gate.weights.views import reshaped, sliced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.weights.onnx.external import ExternalFiles
    from gate.weights.onnx.records import TensorRecord
    from gate.weights.views import StoredReader

_MOST_AXES: Final = 32
_BLOCK: Final = 1 << 20
_LAST_BYTE: Final = 0x80
_VARINT_FIELDS: Final = frozenset({"int32_data", "int64_data", "uint64_data"})


@dataclass(frozen=True, slots=True)
class ElementType:
    """One ``TensorProto.DataType``: numpy's or ml_dtypes' name, bits, and the typed value field."""

    name: str
    bits: int
    field: str

    @property
    def is_floating(self) -> bool:
        """Whether it stores real numbers rather than integers, truth values or text."""
        return self.name.startswith(("float", "bfloat"))

    @property
    def is_integer(self) -> bool:
        """Whether it stores integers, which may be quantised weights."""
        return self.name.startswith(("int", "uint"))


ELEMENT_TYPES: Final = {
    1: ElementType("float32", 32, "float_data"),
    2: ElementType("uint8", 8, "int32_data"),
    3: ElementType("int8", 8, "int32_data"),
    4: ElementType("uint16", 16, "int32_data"),
    5: ElementType("int16", 16, "int32_data"),
    6: ElementType("int32", 32, "int32_data"),
    7: ElementType("int64", 64, "int64_data"),
    9: ElementType("bool", 8, "int32_data"),
    10: ElementType("float16", 16, "int32_data"),
    11: ElementType("float64", 64, "double_data"),
    12: ElementType("uint32", 32, "uint64_data"),
    13: ElementType("uint64", 64, "uint64_data"),
    14: ElementType("complex64", 64, "float_data"),
    15: ElementType("complex128", 128, "double_data"),
    16: ElementType("bfloat16", 16, "int32_data"),
    17: ElementType("float8_e4m3fn", 8, "int32_data"),
    18: ElementType("float8_e4m3fnuz", 8, "int32_data"),
    19: ElementType("float8_e5m2", 8, "int32_data"),
    20: ElementType("float8_e5m2fnuz", 8, "int32_data"),
    21: ElementType("uint4", 4, "int32_data"),
    22: ElementType("int4", 4, "int32_data"),
    23: ElementType("float4_e2m1fn", 4, "int32_data"),
    24: ElementType("float8_e8m0fnu", 8, "int32_data"),
    25: ElementType("uint2", 2, "int32_data"),
    26: ElementType("int2", 2, "int32_data"),
}
STRING: Final = 8


@dataclass(frozen=True, slots=True)
class Varints:
    """Numbers stored as ``length`` bytes of varints at ``offset``, to be read as ``dtype``.

    Types that are no integers (float16, bfloat16, ...) are stored by their bit patterns.
    """

    path: str
    offset: int
    length: int
    dtype: str
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return the elements as floats."""
        return to_float(self.stored())

    def stored(self) -> NDArray[Any]:
        """Return the elements in their storage type, decoded a mebibyte at a time."""
        data = MappedTensor(self.path, self.offset, "uint8", (self.length,)).stored()
        dtype = numpy_dtype(self.dtype)
        bits = np.dtype(f"uint{8 * dtype.itemsize}")
        values = np.empty(math.prod(self.shape), bits)
        filled = position = 0
        while position < self.length:
            block = data[position : position + _BLOCK]
            ends = np.flatnonzero(block < _LAST_BYTE) + 1
            if not ends.size or filled + ends.size > values.size:
                break
            values[filled : filled + ends.size] = _decode(block, ends).astype(bits)
            filled += ends.size
            position += int(ends[-1])
        if position != self.length or filled != values.size:
            raise ModelError(
                f"the integers at byte {self.offset} are not the {values.size} their shape tells"
            )
        return values.view(dtype).reshape(self.shape)


def _decode(block: NDArray[Any], ends: NDArray[Any]) -> NDArray[Any]:
    """Return the unsigned integers of the varints that stop before ``ends``."""
    starts = np.concatenate(([0], ends[:-1]))
    lengths = ends - starts
    values = np.zeros(ends.size, np.uint64)
    for index in range(min(int(lengths.max()), 10)):
        here = lengths > index
        septets = block[starts[here] + index].astype(np.uint64) & np.uint64(0x7F)
        values[here] |= septets << np.uint64(7 * index)
    return values


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The bytes of ``source`` cut into elements of ``bits``, lowest bits first, along the last axis."""

    source: StoredReader
    dtype: str
    bits: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        *rest, extent = self.source.shape
        return (*rest, extent * 8 // self.bits)

    def __call__(self) -> NDArray[Any]:
        """Return the elements as float32."""
        return to_float(self.stored())

    def stored(self) -> NDArray[Any]:
        """Return the elements one a byte: integers as int8 or uint8, float4 as ml_dtypes has it."""
        shifts = np.arange(0, 8, self.bits, dtype=np.uint8)
        values: NDArray[Any] = (self.source.stored()[..., None] >> shifts) & np.uint8((1 << self.bits) - 1)
        if self.dtype == "float4_e2m1fn":
            values = values.view(numpy_dtype(self.dtype))
        elif self.dtype.startswith("int"):
            sign = 1 << (self.bits - 1)
            values = (values ^ np.uint8(sign)).astype(np.int8) - np.int8(sign)
        return values.reshape(self.shape)


def unpacked(source: StoredReader, element: ElementType, shape: tuple[int, ...]) -> StoredReader:
    """Return the elements of ``shape`` packed into the bytes that ``source`` (one axis) reads."""
    size = math.prod(shape)
    cut = sliced(Unpacked(source, element.name, element.bits), ((0, size, 1),))
    return reshaped(cut, shape)


@dataclass(frozen=True, slots=True)
class Inline:
    """Numbers so few that the record itself carries them."""

    numbers: tuple[float, ...]
    dtype: str
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return the numbers as floats."""
        return to_float(self.stored())

    def stored(self) -> NDArray[Any]:
        """Return the numbers in their type."""
        return np.array(self.numbers, self.dtype).reshape(self.shape)


class Storage:
    """Makes readers for the tensors of one model file."""

    def __init__(self, path: str, files: ExternalFiles) -> None:
        self._path = path
        self._files = files

    def reader(self, tensor: TensorRecord) -> StoredReader:
        """Return what reads ``tensor``, after checking that its values are there.

        Raises
        ------
        gate.errors.ModelError
            The tensor's type is unknown, its shape impossible, or its values are not as many bytes
            as the shape tells.
        gate.errors.UnsafeModelError
            Its values lie outside the model's folder.
        """
        element = ELEMENT_TYPES.get(tensor.data_type)
        if element is None:
            raise ModelError(f"tensor {tensor.name!r} has unknown type {tensor.data_type}")
        if len(tensor.shape) > _MOST_AXES or any(extent < 0 for extent in tensor.shape):
            raise ModelError(f"tensor {tensor.name!r} has the impossible shape {_short(tensor.shape)}")
        if tensor.scattered or len(tensor.packed) + tensor.is_external > 1:
            raise ModelError(f"tensor {tensor.name!r} gives its values in more than one place")
        size = math.prod(tensor.shape)
        if tensor.is_external:
            path, offset = self._files.locate(tensor, -(-size * element.bits // 8))
            return self._mapped(path, offset, element, tensor)
        if not tensor.packed:
            if size:
                raise _wrong_size(tensor, size, 0)
            return Inline((), "float32", tensor.shape)
        return self._inside(tensor, element, size)

    def _inside(self, tensor: TensorRecord, element: ElementType, size: int) -> StoredReader:
        ((name, span),) = tensor.packed.items()
        if name not in {"raw_data", element.field}:
            raise ModelError(f"tensor {tensor.name!r} of type {element.name} stores its values as {name}")
        if name in _VARINT_FIELDS:
            count = -(-size * element.bits // 8) if element.bits < 8 else size  # noqa: PLR2004 - a byte
            if not count <= span.length <= 10 * count:
                raise _wrong_size(tensor, count, span.length)
            if element.bits < 8:  # noqa: PLR2004 - a byte
                source = Varints(self._path, span.start, span.length, "uint8", (count,))
                return unpacked(source, element, tensor.shape)
            return Varints(self._path, span.start, span.length, element.name, tensor.shape)
        expected = -(-size * element.bits // 8)
        if span.length != expected:
            raise _wrong_size(tensor, expected, span.length)
        return self._mapped(self._path, span.start, element, tensor)

    @staticmethod
    def _mapped(path: str, offset: int, element: ElementType, tensor: TensorRecord) -> StoredReader:
        if element.bits >= 8:  # noqa: PLR2004 - a byte
            return MappedTensor(path, offset, element.name, tensor.shape)
        count = -(-math.prod(tensor.shape) * element.bits // 8)
        return unpacked(MappedTensor(path, offset, "uint8", (count,)), element, tensor.shape)


def _wrong_size(tensor: TensorRecord, expected: int, present: int) -> ModelError:
    return ModelError(
        f"tensor {tensor.name!r} of shape {_short(tensor.shape)} needs {expected} bytes, {present} are there",
        hint="The file is cut short or damaged: fetch or export it again.",
    )


def _short(shape: tuple[int, ...]) -> str:
    """Return the shape for a message; a hostile one may have thousands of extents."""
    return str(list(shape)) if len(shape) <= _MOST_AXES else f"{list(shape[:4])} and {len(shape) - 4} more"
