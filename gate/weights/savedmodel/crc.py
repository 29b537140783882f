"""The checksum of TensorFlow's files: CRC-32C (Castagnoli), rotated and shifted.

Sources: RFC 3720, appendix B.4; ``crc32c::Mask`` in ``tensorflow/core/lib/hash/crc32c.h``.
Written out here, a byte at a time, since only indices of some kilobytes are checked with it.
"""

from __future__ import annotations

from typing import Final

_POLYNOMIAL: Final = 0x82F63B78  # reversed
_MASK_DELTA: Final = 0xA282EAD8
_WORD: Final = 0xFFFFFFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_entry(byte) for byte in range(256))


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of ``data``."""
    crc = _WORD
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ _WORD


def masked(crc: int) -> int:
    """Return ``crc`` as TensorFlow stores it: data that holds its own checksum would weaken it."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _WORD
