"""Damage done to the bytes of files, and what a reader may answer to it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from gate.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from gate.weights.interface import ModelWeights, Reader


def is_read(reader: Reader, path: Path) -> bool:
    """Read everything; tell whether it could be. Anything raised but a ModelError fails the test."""
    refused: ModelError | None = None
    try:
        read_all(reader.read(path, root=path.parent))
    except ModelError as error:
        refused = error
    if refused is None:
        return True
    assert str(refused).startswith(path.name)
    assert "\n" not in str(refused)
    assert refused.hint
    return False


def read_all(found: ModelWeights) -> None:
    """Read every layer's values."""
    assert len({layer.name for layer in found.layers}) == len(found.layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for layer in found.layers:
            values = layer.read()
            assert values.shape == layer.shape
            assert values.dtype in {np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)}


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
