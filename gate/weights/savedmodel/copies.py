"""Variables that a checkpoint holds twice under one name, as Keras's ``model.export`` writes them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.weights.savedmodel.bundle import Variable
    from gate.weights.views import StoredReader


def copies(variables: Iterable[Variable], full_names: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of variables that repeat an earlier one, with the earlier one's key.

    Only those made under one name are compared, by their bytes: a file that merely claims they are
    the same, by the checksums in its index for one, would hide weights.
    """
    alike: dict[tuple[str, tuple[int, ...], str], list[Variable]] = defaultdict(list)
    for variable in variables:
        if name := full_names.get(variable.key):
            alike[name, variable.shape, variable.dtype].append(variable)
    found: dict[str, str] = {}
    for same in alike.values():
        first: dict[bytes, str] = {}
        for variable in same if len(same) > 1 else ():
            earlier = first.setdefault(digest(variable.read), variable.key)
            if earlier != variable.key:
                found[variable.key] = earlier
    return found


def digest(read: StoredReader) -> bytes:
    """Return the SHA-256 of a tensor's stored bytes."""
    values = np.ascontiguousarray(read.stored())
    return hashlib.sha256(values.reshape(-1).view(np.uint8).data).digest()
