"""One model in two formats: whether both hold the same matrices."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gate.layer import WeightLayer
    from gate.weights.interface import ModelWeights

    _Matrices = dict[str, tuple[tuple[int, ...], str, bytes]]


def first_difference(first: ModelWeights, other: ModelWeights) -> str | None:
    """Return the name of the first matrix that only one of the two holds, None where there is none.

    Names, shapes, types and values count.  A matrix without a partner of its name may be stored
    once more under another, as tied weights are in one format and not in the other.  One matrix of
    each is in memory at a time.  What is there but cannot be measured counts as a difference.

    Raises
    ------
    gate.errors.ModelError
        The values of a matrix cannot be read.
    """
    held, others = _matrices(first), _matrices(other)
    return _missing(other, others, held) or _missing(first, held, others)


def _missing(model: ModelWeights, matrices: _Matrices, elsewhere: _Matrices) -> str | None:
    """Return the first matrix of ``model`` that is not ``elsewhere``."""
    stored = frozenset(elsewhere.values())
    for name, matrix in matrices.items():
        if matrix not in stored if name not in elsewhere else matrix != elsewhere[name]:
            return name
    return next((item.name for item in model.skipped if item.matrix), None)


def _matrices(model: ModelWeights) -> _Matrices:
    return {layer.tensor: (layer.shape, layer.dtype, _digest(layer)) for layer in model.layers}


def _digest(layer: WeightLayer) -> bytes:
    hashed = hashlib.blake2b(digest_size=32)
    for read in (layer.read,) if layer.right is None else (layer.read, layer.right):
        hashed.update(np.ascontiguousarray(read()).data)
    return hashed.digest()
