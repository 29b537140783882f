"""The table of sorted keys in which ``*.index`` lies: LevelDB's format, read whole.

A footer names an index block, which names data blocks; a block is a row of entries whose keys leave
out what they share with the key before, and ends in a kind of compression and a checksum.
Sources: https://github.com/google/leveldb/blob/main/doc/table_format.md and
``tensorflow/core/lib/io/format.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.protobuf.wire import Span, varint
from gate.weights.savedmodel.crc import crc32c, masked

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER: Final = 48
_HANDLES: Final = 40
_TRAILER: Final = 5
_WORD: Final = 4
_UNCOMPRESSED: Final = 0
_SNAPPY: Final = 1
_LONGEST_KEY: Final = 1 << 14
MOST_ENTRIES: Final = 250_000
"""More than any model has variables."""


@dataclass(frozen=True, slots=True)
class SortedTable:
    """The entries of a table, in the order of their keys, and the bytes that no block takes."""

    entries: dict[bytes, Span]
    unreferenced_bytes: int


def read_table(data: bytes) -> SortedTable:
    """Return where each value of the table ``data`` lies.

    Every block's checksum is compared.  Keys must ascend, as the format demands: a key that stood
    there twice could mean one thing here and another to TensorFlow.

    Raises
    ------
    gate.errors.ModelError
        The bytes are no such table, are cut short, or a checksum is wrong.
    gate.errors.UnsafeModelError
        Blocks overlap, or there are more entries than a model has variables.
    """
    if len(data) < _FOOTER or not data.endswith(MAGIC):
        raise ModelError("it does not end as an index does: it is cut short or no TensorFlow index")
    blocks = _Blocks(data)
    start = len(data) - _FOOTER
    meta, position = _handle(data, Span(start, start + _HANDLES))
    index, _ = _handle(data, Span(position, start + _HANDLES))
    blocks.check(meta)
    entries: dict[bytes, Span] = {}
    last: bytes | None = None
    for _, value in blocks.entries(index):
        block, _ = _handle(data, value)
        for key, span in blocks.entries(block):
            if last is not None and key <= last:
                raise ModelError(f"key {_shown(key)} stands out of order")
            if len(entries) >= MOST_ENTRIES:
                raise UnsafeModelError(f"its index has more than {MOST_ENTRIES:,} entries")
            entries[key] = span
            last = key
    return SortedTable(entries, len(data) - _FOOTER - blocks.bytes_taken)


class _Blocks:
    """The blocks of one table, each of which may be visited once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._visited: set[int] = set()
        self.bytes_taken = 0

    def check(self, block: Span) -> None:
        """Refuse a block that lies outside, was seen before, is compressed, or has a wrong checksum."""
        start, end = block
        if end + _TRAILER > len(self._data) - _FOOTER:
            raise ModelError(f"a block at byte {start} ends at {end}, past what the index holds")
        if start in self._visited:
            raise UnsafeModelError(f"the block at byte {start} is named twice")
        self._visited.add(start)
        self.bytes_taken += block.length + _TRAILER
        if self.bytes_taken > len(self._data):
            raise UnsafeModelError("its blocks overlap")
        compression = self._data[end]
        stored = int.from_bytes(self._data[end + 1 : end + _TRAILER], "little")
        if masked(crc32c(self._data[start : end + 1])) != stored:
            raise ModelError(f"the block at byte {start} does not have the checksum it should")
        if compression == _SNAPPY:
            raise ModelError(
                "its index is compressed with snappy, which is not read",
                hint="TensorFlow writes it uncompressed: save the model again with TensorFlow itself.",
            )
        if compression != _UNCOMPRESSED:
            raise ModelError(f"the block at byte {start} has the unknown compression {compression}")

    def entries(self, block: Span) -> Iterator[tuple[bytes, Span]]:
        """Yield the keys of a block and where their values lie."""
        self.check(block)
        position, end = block.start, self._entries_end(block)
        key = b""
        while position < end:
            shared, position = varint(self._data, position, end)
            unshared, position = varint(self._data, position, end)
            length, position = varint(self._data, position, end)
            value = position + unshared
            if shared > len(key) or shared + unshared > _LONGEST_KEY or value + length > end:
                raise ModelError(f"the entry before byte {position} claims more than its block holds")
            key = key[:shared] + self._data[position:value]
            position = value + length
            yield key, Span(value, position)

    def _entries_end(self, block: Span) -> int:
        """Return where the restart points begin, which a reader from front to back does not need."""
        if block.length < _WORD:
            raise ModelError(f"the block at byte {block.start} is too short")
        restarts = int.from_bytes(self._data[block.end - _WORD : block.end], "little")
        end = block.end - _WORD * (restarts + 1)
        if end < block.start:
            raise ModelError(f"the block at byte {block.start} claims {restarts} restart points")
        return end


def _handle(data: bytes, span: Span) -> tuple[Span, int]:
    """Return the block that a handle names, and the position after the handle."""
    start, position = varint(data, span.start, span.end)
    length, position = varint(data, position, span.end)
    return Span(start, start + length), position


def _shown(key: bytes) -> str:
    return repr(key[:80].decode(errors="replace"))
