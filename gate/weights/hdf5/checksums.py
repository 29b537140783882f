"""The two checksums of HDF5."""

from __future__ import annotations

from typing import Final

import numpy as np

_WORD: Final = 0xFFFFFFFF
_SEED: Final = 0xDEADBEEF
_MIX: Final = (4, 6, 8, 16, 19, 4)
_FINAL: Final = (14, 11, 25, 16, 4, 14, 24)
_BLOCK: Final = 2**15  # 16-bit words summed at once, so that their weighted sum stays below 2**63


def lookup3(data: memoryview) -> int:
    """Return Jenkins's hash of ``data``, which guards HDF5's newer structures.

    Bob Jenkins, lookup3.c (May 2006), ``hashlittle`` with an initial value of 0.  Each of its steps
    changes one of three words by the next one; here the names of the words move on instead.
    """
    a = b = c = (_SEED + len(data)) & _WORD
    if not data:
        return c
    words = np.frombuffer(bytes(data) + bytes(-len(data) % 12), "<u4").tolist()
    for start in range(0, len(words), 3):
        if start:
            for bits in _MIX:
                a, b, c = b, (c + b) & _WORD, ((a - c) & _WORD) ^ _rotated(c, bits)
        first, second, third = words[start : start + 3]
        a, b, c = (a + first) & _WORD, (b + second) & _WORD, (c + third) & _WORD
    for bits in _FINAL:
        a, b, c = b, ((c ^ b) - _rotated(b, bits)) & _WORD, a
    return b


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _WORD


def fletcher32(data: bytes) -> int:
    """Return Fletcher's checksum of ``data`` over big-endian words of 16 bits, as HDF5's filter has it."""
    words = np.frombuffer(data + bytes(len(data) % 2), ">u2")
    first = second = 0
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK].astype(np.int64)
        weights = np.arange(len(block), 0, -1, dtype=np.int64)
        second += first * len(block) + int(block @ weights)
        first += int(block.sum())
    return _folded(second) << 16 | _folded(first)


def _folded(total: int) -> int:
    """Return ``total`` modulo 65535 as adding carries gives it: 0 only where there was nothing to add."""
    return (total - 1) % 65535 + 1 if total else 0
