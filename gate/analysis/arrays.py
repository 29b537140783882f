r"""The digest of a model in memory: the analogue of :mod:`gate.analysis.manifest` for arrays.

Its form is fixed (schema ``gate/arrays/1``), one JSON object a line as for files, ordered by name::

    {"schema":"gate/arrays/1"}
    {"dtype":"float32","name":"fc.bias","sha256":"9f86d0…","shape":[10]}
    {"dtype":"float32","name":"fc.weight","sha256":"60303a…","shape":[10,64]}

``sha256`` is over the elements in their storage type, little-endian and in C order, of quantised
PyTorch tensors over their values.  So the same arrays have the same digest in whatever framework
and order they are held; it differs from that of a file which holds them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.weights.arrays import LiveReader

ARRAYS_SCHEMA: Final = "gate/arrays/1"


def arrays_digest(readers: Mapping[str, LiveReader]) -> str:
    """Return ``sha256:...`` over names, types, shapes and elements.

    Raises
    ------
    gate.errors.ModelError
        An array cannot be brought to memory, or holds Python objects, which have no bytes.
    """
    digest = hashlib.sha256(_line({"schema": ARRAYS_SCHEMA}))
    for name in sorted(readers):
        digest.update(_line(_entry(name, readers[name])))
    return f"sha256:{digest.hexdigest()}"


def _entry(name: str, reader: LiveReader) -> dict[str, object]:
    elements = reader.content()
    if elements.dtype.hasobject:
        raise ModelError(f"{printable(name)!r} holds Python objects, not numbers", hint="Leave it out.")
    whole = elements.size and elements.ndim  # numpy gives no bytes of others but as a copy
    found = hashlib.sha256(elements.view("u1").data if whole else elements.tobytes())
    return {"name": name, "dtype": reader.dtype, "shape": list(reader.shape), "sha256": found.hexdigest()}


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
