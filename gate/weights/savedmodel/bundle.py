"""A tensor bundle: an index of named tensors, and the data files in which their values lie.

Checked here: the index's checksums, and of every entry the type, the shape, the size that both ask
for, and the place within its data file.  The values' own checksums are not computed: that would read
the whole model while it is listed, and a gate judges values, whoever wrote them.
Source: ``tensorflow/core/util/tensor_bundle/tensor_bundle.h``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.interface import Skipped
from gate.weights.mapped import MappedTensor
from gate.weights.paths import relative_name
from gate.weights.protobuf.scanner import Scanner
from gate.weights.protobuf.wire import Span, varint
from gate.weights.savedmodel import schema
from gate.weights.savedmodel.dtypes import ELEMENT_TYPES, NOT_NUMBERS
from gate.weights.savedmodel.shapes import shape_of
from gate.weights.savedmodel.shards import Shards
from gate.weights.savedmodel.slices import Piece, joined_axis
from gate.weights.savedmodel.sorted_table import read_table
from gate.weights.views import Concatenated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.weights.views import StoredReader

OBJECT_GRAPH: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"
_TEXT: Final = 7
_LARGEST_INDEX: Final = 1 << 26
_LARGEST_TEXT: Final = 1 << 28
_CHECKSUM: Final = 4
_MATRIX: Final = 2
_MOST_PIECES: Final = 4096
_PIECES: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index says of one tensor."""

    data_type: int
    shape: tuple[int, ...]
    shard: int
    values: Span
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A tensor of numbers: its key in the checkpoint, and what reads its values."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    read: StoredReader


@dataclass(frozen=True, slots=True)
class Bundle:
    """The tensors of a checkpoint, in the order of the index.

    ``objects`` is the graph of the objects that were saved (a ``TrackableObjectGraph``), empty where
    there is none, as in checkpoints of TensorFlow 1.
    """

    files: tuple[str, ...]
    variables: tuple[Variable, ...]
    skipped: tuple[Skipped, ...]
    objects: bytes
    unreferenced_bytes: int


def read_bundle(index: Path, root: Path) -> Bundle:
    """Return the tensors of the checkpoint whose index is ``index``; no value is read.

    Raises
    ------
    gate.errors.ModelError
        The index is damaged, a data file is missing or cut short, or an entry contradicts itself.
    gate.errors.UnsafeModelError
        Files lie outside ``root``, tensors overlap, or the index is built to harm its reader.
    """
    data = _index_bytes(index)
    table = read_table(data)
    scanner = Scanner(data)
    if b"" not in table.entries:
        raise ModelError("its index has no header")
    header = scanner.collect(table.entries[b""], schema.BUNDLE_HEADER)
    if header.integer.get("endianness", 0):
        raise ModelError("it was written in big-endian order, which is not read")
    shards = Shards(index, root, header.integer.get("shards", 0))
    entries = {key: _entry(scanner, span) for key, span in table.entries.items() if key}
    found = _Found(entries, shards)
    return Bundle(
        files=(relative_name(root, index), *shards.names),
        variables=tuple(found.variables),
        skipped=tuple(found.skipped),
        objects=found.objects,
        unreferenced_bytes=table.unreferenced_bytes + scanner.unknown_bytes + shards.unreferenced_bytes(),
    )


def _index_bytes(index: Path) -> bytes:
    try:
        with index.open("rb") as file:
            size = file.seek(0, 2)
            if size > _LARGEST_INDEX:
                raise UnsafeModelError(f"{index.name} is larger than {_LARGEST_INDEX >> 20} MiB")
            file.seek(0)
            return file.read(size)
    except OSError as error:
        raise ModelError(f"{index.name} cannot be read: {error.strerror}") from error


def _entry(scanner: Scanner, span: Span) -> Entry:
    message = scanner.collect(span, schema.BUNDLE_ENTRY)
    integer, slices = message.integer, message.spans.get("slices", [])
    offset, size = integer.get("offset", 0), integer.get("size", 0)
    if offset < 0 or size < 0:
        raise ModelError(f"an entry lies at {offset} and has {size} bytes")
    return Entry(
        integer.get("data_type", 0),
        shape_of(scanner, message.span.get("shape")) or (),
        integer.get("shard", 0),
        Span(offset, offset + size),
        tuple(_piece(scanner, item) for item in slices[: _MOST_PIECES + 1]),
    )


def _piece(scanner: Scanner, span: Span) -> Piece:
    extents = scanner.collect(span, schema.SLICE).spans.get("extents", [])
    found = [scanner.collect(extent, schema.EXTENT).integer for extent in extents]
    return Piece(
        tuple(extent.get("start", 0) for extent in found),
        tuple(extent.get("length", -1) for extent in found),
    )


class _Found:
    """The entries of one index sorted into tensors, the object graph and what is left out."""

    def __init__(self, entries: Mapping[bytes, Entry], shards: Shards) -> None:
        self.variables: list[Variable] = []
        self.skipped: list[Skipped] = []
        self.objects = b""
        self._entries = entries
        self._shards = shards
        self._pieces = {key for key in entries if key.startswith(_PIECES)}
        for key, entry in entries.items():
            if not key.startswith(_PIECES):
                self._sort(_name(key), entry)
        for key in self._pieces:
            self._skip(f"piece {key[1:81]!r}", entries[key], "a piece of no variable in the index")

    def _sort(self, name: str, entry: Entry) -> None:
        if name == OBJECT_GRAPH and entry.data_type == _TEXT:
            self.objects = self._text(name, entry)
            return
        element = ELEMENT_TYPES.get(entry.data_type)
        read: StoredReader | None
        if element is None:
            self._locate(name, entry)
            what = NOT_NUMBERS.get(entry.data_type)
            self._skip(name, entry, f"stored as type {entry.data_type}" if what is None else f"holds {what}")
            return
        read = self._joined(name, entry) if entry.pieces else self._mapped(name, entry)
        if read is None:
            self._skip(name, entry, f"kept in {len(entry.pieces)} pieces that do not lie in one row")
        else:
            self.variables.append(Variable(name, entry.shape, element.name, read))

    def _mapped(self, name: str, entry: Entry) -> MappedTensor:
        element = ELEMENT_TYPES[entry.data_type]
        expected = math.prod(entry.shape) * element.width
        if entry.values.length != expected:
            raise ModelError(
                f"tensor {name!r} of shape {list(entry.shape)} needs {expected} bytes, "
                f"its entry speaks of {entry.values.length}"
            )
        path, _ = self._locate(name, entry)
        return MappedTensor(path, entry.values.start, element.name, entry.shape, limit=entry.values.end)

    def _joined(self, name: str, entry: Entry) -> StoredReader | None:
        """Return the pieces of a variable as one; None where they are no row along one axis."""
        rank = len(entry.shape)
        if len(entry.pieces) > _MOST_PIECES or any(len(piece.starts) != rank for piece in entry.pieces):
            raise UnsafeModelError(f"tensor {name!r} is kept in pieces that are not its own")
        parts = []
        for piece in entry.pieces:
            key, shape = piece.key(name), piece.shape(entry.shape)
            stored = self._entries.get(key)
            if stored is None or stored.shape != shape or stored.data_type != entry.data_type:
                raise ModelError(f"a piece of tensor {name!r} is missing or of another shape")
            if key not in self._pieces:
                raise UnsafeModelError(f"tensor {name!r} lists a piece twice")
            self._pieces.remove(key)
            parts.append(self._mapped(name, stored))
        axis = joined_axis(entry.pieces, entry.shape)
        if axis is None:
            return None
        return parts[0] if len(parts) == 1 else Concatenated(tuple(parts), axis)

    def _text(self, name: str, entry: Entry) -> bytes:
        """Return a single text: its length, a checksum of the length, its bytes."""
        path, _ = self._locate(name, entry)
        if entry.shape or entry.values.length > _LARGEST_TEXT:
            raise ModelError(f"{name} is no single text of a size that TensorFlow writes")
        with Path(path).open("rb") as file:
            file.seek(entry.values.start)
            data = file.read(entry.values.length)
        length, position = varint(data, 0, len(data))
        if position + _CHECKSUM + length != len(data):
            raise ModelError(f"{name} claims {length} bytes, its entry has {len(data)}")
        return data[position + _CHECKSUM :]

    def _locate(self, name: str, entry: Entry) -> tuple[str, int]:
        return self._shards.locate(name, entry.shard, entry.values)

    def _skip(self, name: str, entry: Entry, reason: str) -> None:
        if len(entry.shape) >= _MATRIX:
            matrix = entry.data_type not in NOT_NUMBERS
            self.skipped.append(Skipped(name, reason, math.prod(entry.shape) if matrix else 0, matrix))


def _name(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"the key {key[:80]!r} is not valid UTF-8") from error
