"""Dense storage: what a group or dataset has too much of for its header, in a heap with an index.

The heap is a fractal heap, the index a B-tree of version 2.  "HDF5 File Format Specification
Version 3.0", sections III.A.2 and III.G.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.fields import CHECKSUM_SIZE
from gate.weights.hdf5.limits import MAX_TREE_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.weights.hdf5.fields import Fields, Hdf5Bytes

_NODE_OVERHEAD: Final = 6 + CHECKSUM_SIZE
_MANAGED, _TINY = 0, 2
_WIDEST_TABLE: Final = 1 << 12
_WIDEST_OFFSET: Final = 64


def dense_records(
    file: Hdf5Bytes, heap: int, index: int, *, kind: int, id_at: int, id_size: int
) -> Iterator[Fields]:
    """Yield the messages in the heap at ``heap``, in the order of the index at ``index``.

    Parameters
    ----------
    kind:
        Kind of the index' records.
    id_at, id_size:
        Where a record says which object of the heap it stands for.

    Raises
    ------
    gate.errors.ModelError
        Heap or index are damaged, or store objects in a way that is not read.
    gate.errors.UnsafeModelError
        One of them contains itself.
    """
    objects = FractalHeap(file, heap)
    for record in _records(file, index, kind):
        record.skip(id_at)
        yield objects.find(record.inner(id_size))


@dataclass(frozen=True, slots=True)
class _Level:
    """What nodes of one level hold: records, and the bytes that counts of them take."""

    node_size: int
    records: int
    total: int
    count_size: int
    total_size: int


def _records(file: Hdf5Bytes, address: int, kind: int) -> Iterator[Fields]:
    offsets, lengths = file.shape.offsets, file.shape.lengths
    header = file.checked_block(address, 18 + offsets + lengths)
    header.expect(b"BTHD", "index")
    header.version((0,), "an index")
    found = header.byte()
    node_size, record_size, depth = header.unsigned(4), header.unsigned(2), header.unsigned(2)
    header.skip(2)
    root, count = header.address(), header.unsigned(2)
    if found != kind or not record_size or node_size < _NODE_OVERHEAD + record_size or depth > MAX_TREE_DEPTH:
        raise ModelError(f"the index at byte {header.origin} is damaged", hint=CUT_SHORT)
    if root is not None:
        levels = _levels(node_size, record_size, depth, offsets)
        yield from _node(file, root, count, record_size, levels, {root})


def _levels(node_size: int, record_size: int, depth: int, offsets: int) -> list[_Level]:
    most = (node_size - _NODE_OVERHEAD) // record_size
    width = _bytes_for(most)
    levels = [_Level(node_size, most, most, width, 0)]
    for _ in range(depth):
        below = levels[-1]
        pointer = offsets + width + below.total_size
        most = (node_size - _NODE_OVERHEAD - pointer) // (record_size + pointer)
        total = (most + 1) * below.total + most
        levels.append(_Level(node_size, most, total, width, _bytes_for(total)))
    return levels


def _bytes_for(limit: int) -> int:
    return max(1, (limit.bit_length() + 7) // 8)


def _node(
    file: Hdf5Bytes, address: int, count: int, record_size: int, levels: list[_Level], seen: set[int]
) -> Iterator[Fields]:
    depth = len(levels) - 1
    below = levels[-2] if depth else None
    pointer = file.shape.offsets + below.count_size + below.total_size if below is not None else 0
    if count > levels[-1].records:
        raise ModelError(f"a node of an index claims {count} records", hint=CUT_SHORT)
    size = 6 + count * record_size + (count + 1) * pointer
    node = file.checked_block(address, size)
    file.claim_room(address, levels[-1].node_size)
    node.expect(b"BTIN" if depth else b"BTLF", "node of an index")
    node.skip(2)
    records = [node.inner(record_size) for _ in range(count)]
    if below is None:
        yield from records
        return
    for number in range(count + 1):
        child, held = node.required_address("part of an index"), node.unsigned(below.count_size)
        node.skip(below.total_size)
        if child in seen:
            raise UnsafeModelError("an index contains itself")
        seen.add(child)
        yield from _node(file, child, held, record_size, levels[:-1], seen)
        if number < count:
            yield records[number]


class FractalHeap:
    """Finds objects of a fractal heap: in its blocks, or within the identifier itself."""

    __slots__ = ("_blocks", "_file", "_length_size", "_offset_size", "_rows", "_start", "_widest")

    def __init__(self, file: Hdf5Bytes, address: int) -> None:
        self._file = file
        lengths, offsets = file.shape.lengths, file.shape.offsets
        header = file.checked_block(address, 22 + 12 * lengths + 3 * offsets)
        header.expect(b"FRHP", "heap")
        header.version((0,), "a fractal heap")
        header.skip(2)
        if header.unsigned(2):
            raise ModelError("a compressed fractal heap is not read")
        header.skip(1)
        largest = header.unsigned(4)
        header.skip(10 * lengths + 2 * offsets)
        width = header.unsigned(2)
        self._start, self._widest = header.length(), header.length()
        bits = header.unsigned(2)
        header.skip(2)
        root, rows = header.address(), header.unsigned(2)
        if not self._is_sane(width, bits, rows):
            raise ModelError(f"the heap at byte {header.origin} is damaged", hint=CUT_SHORT)
        self._offset_size = (bits + 7) // 8
        self._length_size = min(_bytes_for(self._widest), _bytes_for(largest))
        self._rows = self._widest.bit_length() - self._start.bit_length() + 2
        self._blocks = list(self._listed(root, width, rows)) if root is not None else []

    def _is_sane(self, width: int, bits: int, rows: int) -> bool:
        powers = all(value & (value - 1) == 0 < value for value in (self._start, self._widest))
        sizes = self._start <= self._widest and 0 < width <= _WIDEST_TABLE
        return powers and sizes and max(bits, rows) <= _WIDEST_OFFSET

    def _listed(self, root: int, width: int, rows: int) -> Iterator[tuple[int, Fields]]:
        """Yield the direct blocks with where each begins in the heap's own space."""
        if rows == 0:
            yield 0, self._direct(root, self._start)
        else:
            yield from self._indirect(root, 0, width, rows, {root})

    def _direct(self, address: int, size: int) -> Fields:
        block = self._file.block(address, size)
        block.expect(b"FHDB", "block of a heap")
        block.version((0,), "a heap's block")
        return block

    def _indirect(
        self, address: int, start: int, width: int, rows: int, seen: set[int]
    ) -> Iterator[tuple[int, Fields]]:
        prefix = 5 + self._file.shape.offsets + self._offset_size
        block = self._file.checked_block(address, prefix + width * rows * self._file.shape.offsets)
        block.expect(b"FHIB", "block of a heap")
        block.version((0,), "a heap's block")
        block.skip(prefix - 5)
        for row in range(rows):
            size = self._start << max(0, row - 1)
            for _ in range(width):
                child = block.address()
                if child is not None and child in seen:
                    raise UnsafeModelError("a heap contains itself")
                if child is not None:
                    seen.add(child)
                    if row < self._rows:
                        yield start, self._direct(child, size)
                    else:
                        below = size.bit_length() - (self._start * width).bit_length() + 1
                        yield from self._indirect(child, start, width, below, seen)
                start += size

    def find(self, identifier: Fields) -> Fields:
        """Return the object of that identifier.

        Raises
        ------
        gate.errors.ModelError
            It is not there, or larger than the blocks of a heap.
        """
        kind = identifier.byte() >> 4
        if kind == _TINY:
            identifier.position = 0
            return identifier.inner((identifier.byte() & 0x0F) + 1)
        if kind != _MANAGED:
            raise ModelError("an object of a heap is stored in a way that is not read")
        offset, length = identifier.unsigned(self._offset_size), identifier.unsigned(self._length_size)
        number = bisect_right(self._blocks, offset, key=itemgetter(0)) - 1
        if number >= 0:
            start, block = self._blocks[number]
            if offset - start < len(block.data):
                block.position = offset - start
                self._file.charge(length)
                return block.inner(length)
        raise ModelError("an object is not in its heap", hint=CUT_SHORT)
