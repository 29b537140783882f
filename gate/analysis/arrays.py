r"""The digest of a model in memory: the analogue of :mod:`gate.analysis.manifest` for arrays.

Its form is fixed (schema ``gate/arrays/1``), one JSON object a line as for files, ordered by name::

    {"schema":"gate/arrays/1"}
    {"dtype":"float32","name":"fc.bias","sha256":"9f86d0…","shape":[10]}
    {"dtype":"float32","name":"fc.weight","sha256":"60303a…","shape":[10,64]}

``sha256`` is over the elements in their storage type, little-endian and in C order, of quantised
PyTorch tensors over their values.  So the same arrays have the same digest in whatever framework
and order they are held; it differs from that of a file which holds them.  Of an array of Python objects,
which has no bytes and is not measured, it covers name, type and shape: ``sha256`` is ``null``.
"""

from __future__ import annotations

import hashlib
import json
import math
from functools import partial
from itertools import accumulate, chain, compress, groupby
from operator import not_
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gate.weights.arrays import LiveReader

ARRAYS_SCHEMA: Final = "gate/arrays/1"

_LARGE: Final = 1 << 16
"""Elements from which on an array is a tile of its own: 0.1 ms."""

_LONG: Final = 1 << 20
"""Elements of some milliseconds, which are better begun early."""


class ArraysDigest:
    """The digest of some arrays, in tiles that threads can share.

    Parameters
    ----------
    readers:
        What reads each array, by name.
    """

    def __init__(self, readers: Mapping[str, LiveReader]) -> None:
        self._readers = readers
        self._lines: dict[str, bytes] = {}
        self._sizes = {name: math.prod(reader.shape) for name, reader in readers.items()}
        largest_first = sorted(self._sizes, key=self._sizes.__getitem__, reverse=True)
        in_place = {name for name in largest_first if readers[name].in_place}
        self._alone = [name for name in largest_first if name in in_place and self._sizes[name] >= _LARGE]
        self._small = [name for name in largest_first if name in in_place and self._sizes[name] < _LARGE]
        self._copied = [name for name in largest_first if name not in in_place]

    @property
    def elements(self) -> int:
        """Number of elements to go through."""
        return sum(self._sizes.values())

    def tiles(self) -> tuple[list[Callable[[], None]], list[Callable[[], None]]]:
        """Return what takes long and the rest, each with the longest first.

        All of it has to be done before :meth:`value`, in any order and at once.  A tile raises
        :class:`gate.errors.ModelError` where an array cannot be brought to memory.  Arrays that have to be
        copied for it are all in one tile, so that no more than one is copied at a time.
        """
        sums = accumulate(self._sizes[name] for name in self._small)
        some = groupby(zip(self._small, sums, strict=True), key=lambda pair: pair[1] // _LARGE)
        together = [[name for name, _ in group] for _, group in some]
        batches = [*([self._copied] if self._copied else []), *([name] for name in self._alone), *together]
        long = [sum(map(self._sizes.__getitem__, names)) >= _LONG for names in batches]
        tiles = [partial(self._add, names) for names in batches]
        return list(compress(tiles, long)), list(compress(tiles, map(not_, long)))

    def value(self) -> str:
        """Return ``sha256:...`` over names, types, shapes and elements, when every tile is done."""
        digest = hashlib.sha256(_line({"schema": ARRAYS_SCHEMA}))
        for name in sorted(self._readers):
            digest.update(self._lines[name])
        return f"sha256:{digest.hexdigest()}"

    def _add(self, names: Iterable[str]) -> None:
        for name in names:
            self._lines[name] = _line(_entry(name, self._readers[name]))


def arrays_digest(readers: Mapping[str, LiveReader]) -> str:
    """Return ``sha256:...`` over names, types, shapes and elements.

    Raises
    ------
    gate.errors.ModelError
        An array cannot be brought to memory.
    """
    digest = ArraysDigest(readers)
    for tile in chain(*digest.tiles()):
        tile()
    return digest.value()


def _entry(name: str, reader: LiveReader) -> dict[str, object]:
    found = None if reader.holds_objects else _sha256(reader)
    return {"name": name, "dtype": reader.dtype, "shape": list(reader.shape), "sha256": found}


def _sha256(reader: LiveReader) -> str:
    elements = reader.content()
    whole = elements.size and elements.ndim  # numpy gives no bytes of others but as a copy
    return hashlib.sha256(elements.view("u1").data if whole else elements.tobytes()).hexdigest()


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
