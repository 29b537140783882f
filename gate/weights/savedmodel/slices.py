"""Variables that are kept in pieces, as TensorFlow 1's partitioners make them.

The whole's entry lists the pieces; each piece is an entry of its own under a key in which the name
and the piece's place are encoded.
Sources: ``tensorflow/core/lib/strings/ordered_code.cc`` and
``tensorflow/core/util/saved_tensor_slice_util.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_FULL: Final = -1
_SHORT: Final = 64
_ESCAPED: Final = {b"\x00": b"\x00\xff", b"\xff": b"\xff\x00"}
_END: Final = b"\x00\x01"
_HEADERS: Final = (
    b"",
    b"\x80",
    b"\xc0\x00",
    b"\xe0\x00",
    b"\xf0\x00",
    b"\xf8\x00",
    b"\xfc\x00",
    b"\xfe\x00",
    b"\xff\x00",
    b"\xff\x80",
    b"\xff\xc0",
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a variable: where it starts along each axis, and its extents; -1 for all of an axis."""

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    def key(self, name: str) -> bytes:
        """Return the key of the piece's own entry."""
        place = b"".join(
            _signed(start) + _signed(length) for start, length in zip(self.starts, self.lengths, strict=True)
        )
        return _unsigned(0) + _text(name.encode()) + _unsigned(len(self.starts)) + place

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Return the piece's shape within a variable of shape ``whole``."""
        return tuple(
            extent if length == _FULL else length for extent, length in zip(whole, self.lengths, strict=True)
        )


def joined_axis(pieces: tuple[Piece, ...], whole: tuple[int, ...]) -> int | None:
    """Return the axis along which the pieces, in their order, make up the whole; None if they do not."""
    shapes = [piece.shape(whole) for piece in pieces]
    for axis in range(len(whole)):
        reached = 0
        for piece, shape in zip(pieces, shapes, strict=True):
            others = (*shape[:axis], *shape[axis + 1 :]) == (*whole[:axis], *whole[axis + 1 :])
            origin = [start for other, start in enumerate(piece.starts) if other != axis]
            if not others or any(origin) or piece.starts[axis] != reached or shape[axis] < 0:
                break
            reached += shape[axis]
        else:
            if reached == whole[axis]:
                return axis
    return None


def _unsigned(value: int) -> bytes:
    length = -(-value.bit_length() // 8)
    return bytes([length]) + value.to_bytes(length, "big")


def _text(value: bytes) -> bytes:
    return b"".join(_ESCAPED.get(value[at : at + 1], value[at : at + 1]) for at in range(len(value))) + _END


def _signed(value: int) -> bytes:
    """Return a number so that texts sort as numbers do: its length stands in its first bits."""
    magnitude = ~value if value < 0 else value
    if magnitude < _SHORT:
        return bytes([(_HEADERS[1][0] ^ value) & 0xFF])
    length = magnitude.bit_length() // 7 + 1
    encoded = bytearray(value.to_bytes(10, "big", signed=True)[10 - length :])
    encoded[0] ^= _HEADERS[length][0]
    encoded[1] ^= _HEADERS[length][1]
    return bytes(encoded)
