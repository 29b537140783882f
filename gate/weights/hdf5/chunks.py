"""The chunks of a dataset: where each lies in the file and in the array.

"HDF5 File Format Specification Version 3.0", sections III.A.1 and VII.B to VII.D.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.btrees import leaves
from gate.weights.hdf5.fields import CHECKSUM_SIZE
from gate.weights.hdf5.limits import FREE_INFLATION, MAX_INFLATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.weights.hdf5.fields import Fields, Hdf5Bytes
    from gate.weights.hdf5.filters import Filter
    from gate.weights.hdf5.layouts import Chunked

_MASK_SIZE: Final = 4
_WIDEST_PAGE: Final = 32


@dataclass(frozen=True, slots=True)
class Grid:
    """How an array is cut: its shape, a chunk's, the bytes of an element, and the chunks' filters."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    item_size: int
    filters: tuple[Filter, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-extent // step) for extent, step in zip(self.shape, self.chunk, strict=True))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk, unfiltered; chunks at the edge are whole too."""
        return math.prod(self.chunk) * self.item_size


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: its place in the grid, where it lies, and which filters it skipped."""

    position: tuple[int, ...]
    address: int
    size: int
    mask: int


def read_chunks(file: Hdf5Bytes, layout: Chunked, grid: Grid) -> list[Chunk]:
    """Return every chunk of a dataset, each once.

    Raises
    ------
    gate.errors.ModelError
        A chunk is missing, out of the file, outside of the array or of the wrong size.
    gate.errors.UnsafeModelError
        They would inflate to far more than is stored, or the index contains itself.
    """
    _check_grid(file, layout, grid)
    expected = math.prod(grid.counts)
    if expected == 0:
        return []
    if layout.address is None:
        raise ModelError("a dataset was announced and never written", hint=CUT_SHORT)
    listed = _INDICES[layout.index](file, layout, layout.address, grid)
    chunks = list(itertools.islice(listed, expected + 1))
    if len(chunks) != expected or len({chunk.position for chunk in chunks}) != expected:
        raise ModelError(f"not every one of a dataset's {expected} chunks is there once", hint=CUT_SHORT)
    _check_sizes(file, chunks, grid)
    return chunks


def _check_grid(file: Hdf5Bytes, layout: Chunked, grid: Grid) -> None:
    """Refuse more chunks than the file has bytes for: an index entry takes some, and so does a chunk."""
    if len(grid.chunk) != len(grid.shape) or not all(grid.chunk) or layout.index not in _INDICES:
        raise ModelError("a dataset's chunks have another shape than it", hint=CUT_SHORT)
    if math.prod(grid.counts) > len(file.data):
        raise ModelError("a dataset claims more chunks than the file can hold", hint=CUT_SHORT)


def _check_sizes(file: Hdf5Bytes, chunks: list[Chunk], grid: Grid) -> None:
    stored = sum(chunk.size for chunk in chunks)
    for chunk in chunks:
        file.claim(chunk.address, chunk.size)
        if not grid.filters and chunk.size != grid.chunk_bytes:
            raise ModelError(f"a chunk of {grid.chunk_bytes} bytes takes {chunk.size}", hint=CUT_SHORT)
    if stored > len(file.data):
        raise UnsafeModelError("a dataset's chunks overlap")
    if len(chunks) * grid.chunk_bytes > max(FREE_INFLATION, MAX_INFLATION * stored):
        raise UnsafeModelError(
            f"{stored} bytes of a dataset's chunks claim to inflate to {len(chunks) * grid.chunk_bytes}"
        )


def _tree(file: Hdf5Bytes, _: Chunked, address: int, grid: Grid) -> Iterator[Chunk]:
    rank = len(grid.shape)
    for key, child in leaves(file, address, kind=1, key_size=8 + 8 * (rank + 1)):
        size, mask = key.unsigned(4), key.unsigned(4)
        position = []
        for extent, step in zip(grid.shape, grid.chunk, strict=True):
            offset = key.unsigned(8)
            if offset % step or offset >= extent:
                raise ModelError("a chunk lies outside of its dataset", hint=CUT_SHORT)
            position.append(offset // step)
        yield Chunk(tuple(position), child, size, mask)


def _single(_: Hdf5Bytes, layout: Chunked, address: int, grid: Grid) -> Iterator[Chunk]:
    size = grid.chunk_bytes if layout.stored_size is None else layout.stored_size
    yield Chunk((0,) * len(grid.shape), address, size, layout.mask)


def _implicit(_: Hdf5Bytes, __: Chunked, address: int, grid: Grid) -> Iterator[Chunk]:
    for number, position in enumerate(_positions(grid)):
        yield Chunk(position, address + number * grid.chunk_bytes, grid.chunk_bytes, 0)


def _positions(grid: Grid) -> Iterator[tuple[int, ...]]:
    """Yield the chunks' places in C order."""
    return itertools.product(*(range(count) for count in grid.counts))


def _fixed_array(file: Hdf5Bytes, _: Chunked, address: int, grid: Grid) -> Iterator[Chunk]:
    offsets, lengths = file.shape.offsets, file.shape.lengths
    header = file.checked_block(address, 8 + lengths + offsets)
    header.expect(b"FAHD", "array of chunks")
    header.version((0,), "an array of chunks")
    filtered, entry, page_bits = header.byte(), header.byte(), header.byte()
    count, data = header.length(), header.required_address("an array of chunks")
    expected = offsets if not filtered else entry
    if count != math.prod(grid.counts) or entry != expected or page_bits > _WIDEST_PAGE or entry < offsets:
        raise ModelError(f"the array of chunks at byte {header.origin} is damaged", hint=CUT_SHORT)
    for position, fields in zip(_positions(grid), _entries(file, data, count, entry, page_bits), strict=True):
        child = fields.required_address("a chunk")
        size = fields.unsigned(entry - offsets - _MASK_SIZE) if filtered else grid.chunk_bytes
        yield Chunk(position, child, size, fields.unsigned(_MASK_SIZE) if filtered else 0)


def _entries(file: Hdf5Bytes, address: int, count: int, entry: int, page_bits: int) -> Iterator[Fields]:
    """Yield the entries of a fixed array, which has pages where it is longer than one."""
    prefix = 6 + file.shape.offsets
    page = 1 << page_bits
    if count <= page:
        block = file.checked_block(address, prefix + count * entry)
        block.expect(b"FADB", "array of chunks")
        block.skip(prefix - 4)
        yield from (block.inner(entry) for _ in range(count))
        return
    pages = -(-count // page)
    prefix += -(-pages // 8)
    file.checked_block(address, prefix).expect(b"FADB", "array of chunks")
    start = address + prefix + CHECKSUM_SIZE
    for first in range(0, count, page):
        held = min(page, count - first)
        block = file.checked_block(start, held * entry)
        yield from (block.inner(entry) for _ in range(held))
        start += page * entry + CHECKSUM_SIZE


_INDICES: Final[dict[str, Callable[[Hdf5Bytes, Chunked, int, Grid], Iterator[Chunk]]]] = {
    "tree": _tree,
    "single": _single,
    "implicit": _implicit,
    "fixed array": _fixed_array,
}
