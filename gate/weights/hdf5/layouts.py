"""Where the elements of a dataset lie.

"HDF5 File Format Specification Version 3.0", section IV.A.2.i.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.limits import MAX_DIMENSIONS

if TYPE_CHECKING:
    from gate.weights.hdf5.fields import Fields

_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = 0, 1, 2, 3
_OLD_VERSIONS: Final = (1, 2)
_TREE_VERSION: Final = 3
_FILTERED_SINGLE: Final = 1 << 1
_SINGLE, _IMPLICIT, _FIXED_ARRAY = 1, 2, 3
_UNREAD_INDICES: Final = {4: "extensible array", 5: "B-tree of version 2"}


@dataclass(frozen=True, slots=True)
class Whole:
    """The elements lie one after the other, in C order; ``address`` is None where none were written.

    ``origin`` is where the place holds them when they stand in the header itself.
    """

    address: int | None
    origin: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Chunked:
    """The elements lie in chunks of one shape, each in C order.

    ``index`` is how the chunks are found: ``tree``, ``single``, ``implicit`` or ``fixed array``.
    ``stored_size`` and ``mask`` belong to a single filtered chunk.
    """

    index: str
    address: int | None
    chunk: tuple[int, ...]
    stored_size: int | None = None
    mask: int = 0


Layout: TypeAlias = "Whole | Chunked"


def read_layout(fields: Fields) -> Layout:
    """Read a data layout message.

    Raises
    ------
    gate.errors.ModelError
        It is damaged, or chunks are indexed in a way that is not read.
    gate.errors.UnsafeModelError
        The elements are put together from other datasets, which may lie in other files.
    """
    version = fields.version((1, 2, 3, 4, 5), "a data layout")
    if version in _OLD_VERSIONS:
        return _old(fields)
    kind = fields.byte()
    if kind == _COMPACT:
        size = fields.unsigned(2)
        return Whole(None, fields.origin + fields.skip(size), size)
    if kind == _CONTIGUOUS:
        return Whole(fields.address(), None, fields.length())
    if kind == _CHUNKED:
        return _tree(fields) if version == _TREE_VERSION else _indexed(fields)
    if kind == _VIRTUAL:
        raise UnsafeModelError(
            "a dataset is put together from others, which may lie in other files",
            hint="Weights outside the model's own file are not followed: save the model as one file.",
        )
    raise ModelError(f"data layout {kind} is not one that can be read")


def _old(fields: Fields) -> Layout:
    rank, kind = fields.byte(), fields.byte()
    fields.skip(5)
    address = None if kind == _COMPACT else fields.address()
    extents = _chunk(fields, rank, 4)
    if kind == _COMPACT:
        size = fields.unsigned(4)
        return Whole(None, fields.origin + fields.skip(size), size)
    return Chunked("tree", address, extents) if kind == _CHUNKED else Whole(address)


def _tree(fields: Fields) -> Chunked:
    rank = fields.byte()
    address = fields.address()
    return Chunked("tree", address, _chunk(fields, rank, 4))


def _chunk(fields: Fields, rank: int, width: int) -> tuple[int, ...]:
    """Return the chunk's shape; the last number is the size of an element."""
    if not 0 < rank <= MAX_DIMENSIONS + 1:
        raise ModelError(f"a dataset's chunks claim {rank} dimensions", hint=CUT_SHORT)
    return tuple(fields.unsigned(width) for _ in range(rank))[:-1]


def _indexed(fields: Fields) -> Chunked:
    flags, rank, width = fields.byte(), fields.byte(), fields.byte()
    chunk = _chunk(fields, rank, width)
    index = fields.byte()
    if index == _SINGLE:
        size, mask = (fields.length(), fields.unsigned(4)) if flags & _FILTERED_SINGLE else (None, 0)
        return Chunked("single", fields.address(), chunk, size, mask)
    if index == _IMPLICIT:
        return Chunked("implicit", fields.address(), chunk)
    if index == _FIXED_ARRAY:
        fields.skip(1)
        return Chunked("fixed array", fields.address(), chunk)
    name = _UNREAD_INDICES.get(index, f"index {index}")
    raise ModelError(
        f"a dataset's chunks are indexed by an {name}, which is not read",
        hint="Save the model again with Keras, or repack the file (`h5repack --low=0 --high=1`).",
    )
