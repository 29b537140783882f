"""Damage done to the bytes of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


def mutated(data: bytes, chance: Random) -> bytes:
    """Return ``data`` with a few bytes changed, cut out, doubled or moved."""
    result = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(result))
        stop = min(len(result), start + chance.choice((1, 1, 2, 8, 40)))
        action = chance.randrange(5)
        if action == 0:
            result[start] ^= 1 << chance.randrange(8)
        elif action == 1:
            result[start:stop] = chance.randbytes(stop - start)
        elif action == 2:
            result[start:stop] = b"\xff" * (stop - start)
        elif action == 3 and len(result) > 64:
            del result[start:stop]
        else:
            result[start:start] = result[start:stop]
    return bytes(result)
