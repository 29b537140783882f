"""B-trees of version 1: the index of an old group, and of a dataset's chunks.

"HDF5 File Format Specification Version 3.0", section III.A.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.limits import MAX_TREE_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.weights.hdf5.fields import Fields, Hdf5Bytes


def leaves(file: Hdf5Bytes, address: int, *, kind: int, key_size: int) -> Iterator[tuple[Fields, int]]:
    """Yield what the leaves of a tree hold: the key before each child, and the child's address.

    Parameters
    ----------
    kind:
        0 for the tree of a group, 1 for that of chunks.
    key_size:
        Bytes of a key.

    Raises
    ------
    gate.errors.ModelError
        A node is damaged.
    gate.errors.UnsafeModelError
        The tree contains itself.
    """
    yield from _node(file, address, None, kind, key_size, {address})


def _node(
    file: Hdf5Bytes, address: int, level: int | None, kind: int, key_size: int, seen: set[int]
) -> Iterator[tuple[Fields, int]]:
    offsets = file.shape.offsets
    prefix = file.block(address, 8 + 2 * offsets)
    prefix.expect(b"TREE", "node of an index")
    found, height, count = prefix.byte(), prefix.byte(), prefix.unsigned(2)
    if found != kind or height != (height if level is None else level) or height > MAX_TREE_DEPTH:
        raise ModelError(f"the node at byte {prefix.origin} belongs to another index", hint=CUT_SHORT)
    entries = file.block(address + 8 + 2 * offsets, count * (key_size + offsets) + key_size * bool(count))
    half = file.shape.chunk_tree if kind else file.shape.group_tree
    file.claim_room(address, 8 + 2 * offsets + 2 * half * (key_size + offsets) + key_size)
    for _ in range(count):
        key, child = entries.inner(key_size), entries.required_address("part of an index")
        if child in seen:
            raise UnsafeModelError("an index contains itself, or one thing twice")
        seen.add(child)
        if height:
            yield from _node(file, child, height - 1, kind, key_size, seen)
        else:
            yield key, child
