"""The wire format of protocol buffers, walked lazily over a mapped file.

Only structure is decoded; a payload is handed on as the span of bytes where it lies, so that tensors
stay in the file.  No length is believed before it is compared with the bytes that enclose it.
Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from gate.errors import ModelError, UnsafeModelError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    Buffer: TypeAlias = mmap.mmap | bytes

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5

_MAX_VARINT_BITS: Final = 70  # ten bytes of seven bits
_MAX_FIELD_NUMBER: Final = (1 << 29) - 1
_SIGN: Final = 1 << 63


class Span(NamedTuple):
    """Bytes ``start`` to ``end`` of the file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start


class Field(NamedTuple):
    """One field of a message: its number, wire type, integer (varints only) and payload."""

    number: int
    wire_type: int
    value: int
    span: Span


def varint(data: Buffer, position: int, end: int) -> tuple[int, int]:
    """Return the unsigned integer at ``position`` and the position after it.

    Raises
    ------
    gate.errors.ModelError
        It runs past ``end`` or has more than 64 bits.
    """
    value = 0
    for shift in range(0, _MAX_VARINT_BITS, 7):
        if position >= end:
            raise ModelError(f"the message that ends at byte {end} is cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            if value >> 64:
                break
            return value, position
    raise ModelError(f"an integer before byte {position} has more than 64 bits")


def signed(value: int) -> int:
    """Return the two's complement reading of an unsigned 64-bit ``value``."""
    return value - (_SIGN << 1) if value & _SIGN else value


def fields(data: Buffer, span: Span) -> Iterator[Field]:
    """Yield the fields of the message in ``span``, in file order.

    Raises
    ------
    gate.errors.ModelError
        The bytes are no message, or a field ends after the message does.
    """
    position, end = span
    while position < end:
        start = position
        tag, position = varint(data, position, end)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= _MAX_FIELD_NUMBER:
            raise ModelError(f"byte {start} holds no field of a protocol-buffers message")
        value = 0
        if wire_type == VARINT:
            payload = position
            value, position = varint(data, position, end)
        else:
            length, payload = _payload(data, wire_type, position, end)
            position = payload + length
            if position > end:
                raise ModelError(
                    f"a field at byte {start} claims {length} bytes, its message holds {end - payload}"
                )
        yield Field(number, wire_type, value, Span(payload, position))


def _payload(data: Buffer, wire_type: int, position: int, end: int) -> tuple[int, int]:
    """Return the length of a payload other than a varint, and where it starts."""
    if wire_type == LENGTH_DELIMITED:
        return varint(data, position, end)
    if wire_type == FIXED32:
        return 4, position
    if wire_type == FIXED64:
        return 8, position
    raise ModelError(f"byte {position} has wire type {wire_type}, which no known format uses")


class Budget:
    """How many structural elements a file may hold.

    A field of two bytes costs hundreds as an object, so a file could ask for more memory than the
    machine has without a single lying length.  Strings cost one element per 64 bytes.
    """

    def __init__(self, elements: int) -> None:
        self._elements = elements
        self._left = elements

    def spend(self, length: int = 0) -> None:
        """Count one element that carries a string of ``length`` bytes.

        Raises
        ------
        gate.errors.UnsafeModelError
            The file holds more than it may.
        """
        self._left -= 1 + (length >> 6)
        if self._left < 0:
            raise UnsafeModelError(
                f"more than {self._elements:,} nodes, names and attributes",
                hint="No known exporter writes so many; the file may be built to exhaust memory.",
            )
