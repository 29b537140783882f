"""Text attributes, and the heap that text of any length lies in.

"HDF5 File Format Specification Version 3.0", sections IV.A.2.m and III.E.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.datatypes import element_count, element_type, extents
from gate.weights.hdf5.dense import dense_records
from gate.weights.hdf5.headers import Kind
from gate.weights.hdf5.limits import MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.weights.hdf5.datatypes import ElementType
    from gate.weights.hdf5.fields import Fields, Hdf5Bytes
    from gate.weights.hdf5.headers import Header

_PADDED_VERSION: Final = 1
_NAMED_SET_VERSION: Final = 3
_SHARED_PARTS: Final = 0b11
_SPACES: Final = 2
_ZERO_ENDED: Final = 0
_NAME_INDEX: Final = 8
_HEAP_OBJECT: Final = 8
_ID_SIZE: Final = 8


class TextHeaps:
    """The global heaps of a file: text of any length, found by heap and number."""

    __slots__ = ("_file", "_objects")

    def __init__(self, file: Hdf5Bytes) -> None:
        self._file = file
        self._objects: dict[int, dict[int, Fields]] = {}

    def find(self, address: int, number: int) -> memoryview:
        """Return the object of that number.

        Raises
        ------
        gate.errors.ModelError
            There is no such heap or object.
        """
        if address not in self._objects:
            self._objects[address] = dict(self._listed(address))
        found = self._objects[address].get(number)
        if found is None:
            raise ModelError(f"a text is not in the heap at byte {address}", hint=CUT_SHORT)
        return found.data

    def _listed(self, address: int) -> Iterator[tuple[int, Fields]]:
        prefix = self._file.block(address, 8 + self._file.shape.lengths)
        prefix.expect(b"GCOL", "heap")
        prefix.version((1,), "a heap")
        prefix.skip(3)
        heap = self._file.block(address, prefix.length())
        heap.skip(min(len(prefix.data), heap.remaining))
        while heap.remaining >= _HEAP_OBJECT + self._file.shape.lengths:
            number = heap.unsigned(2)
            heap.skip(6)
            size = heap.length()
            if number == 0:  # the space that is left
                return
            yield number, heap.inner(size)
            heap.skip(min(-size % 8, heap.remaining))


def read_attributes(file: Hdf5Bytes, header: Header, heaps: TextHeaps) -> dict[str, tuple[str, ...]]:
    """Return the attributes that are text, each as its strings; a single one as a tuple of one.

    Attributes of numbers are passed over.

    Raises
    ------
    gate.errors.ModelError
        One is damaged or not Unicode.
    """
    found: dict[str, tuple[str, ...]] = {}
    for fields in _messages(file, header):
        attribute = _attribute(file, fields, heaps)
        if attribute is not None:
            found[attribute[0]] = attribute[1]
    return found


def _messages(file: Hdf5Bytes, header: Header) -> Iterator[Fields]:
    yield from (message.fields for message in header.every(Kind.ATTRIBUTE) if not message.shared)
    info = header.find(Kind.ATTRIBUTE_INFO)
    if info is None:
        return
    info.version((0,), "attribute storage")
    info.skip(2 * (info.byte() & 1))
    heap, index = info.address(), info.address()
    if heap is not None and index is not None:
        yield from dense_records(file, heap, index, kind=_NAME_INDEX, id_at=0, id_size=_ID_SIZE)


def _attribute(file: Hdf5Bytes, fields: Fields, heaps: TextHeaps) -> tuple[str, tuple[str, ...]] | None:
    version = fields.version((1, 2, 3), "an attribute")
    flags = fields.byte()
    sizes = [fields.unsigned(2) for _ in range(3)]
    fields.skip(1 if version == _NAMED_SET_VERSION else 0)
    if sizes[0] > MAX_NAME_BYTES:
        raise ModelError(f"an attribute's name takes {sizes[0]} bytes", hint=CUT_SHORT)
    name, kind, space = (_part(fields, size, padded=version == _PADDED_VERSION) for size in sizes)
    if version != _PADDED_VERSION and flags & _SHARED_PARTS:
        return None  # its type is an object of its own; Keras and h5py write no text so
    element = element_type(kind)
    if not element.text:
        return None
    count = element_count(extents(space))
    file.charge(fields.remaining)
    if count * element.size > fields.remaining:
        raise ModelError(f"an attribute of {count} texts is cut short", hint=CUT_SHORT)
    texts = tuple(_text(file, fields.inner(element.size), element, heaps) for _ in range(count))
    return _decoded(name.data, _ZERO_ENDED), texts


def _part(fields: Fields, size: int, *, padded: bool) -> Fields:
    part = fields.inner(size)
    fields.skip(-size % 8 if padded else 0)
    return part


def _text(file: Hdf5Bytes, fields: Fields, element: ElementType, heaps: TextHeaps) -> str:
    if not element.variable:
        return _decoded(fields.data, element.padding)
    size, address, number = fields.unsigned(4), fields.address(), fields.unsigned(4)
    if address is None or size == 0:
        return ""
    file.charge(size)
    data = heaps.find(address, number)
    if size > len(data):
        raise ModelError("a text is longer than its place in the heap", hint=CUT_SHORT)
    return _decoded(data[:size], _ZERO_ENDED)


def _decoded(data: memoryview, padding: int) -> str:
    raw = bytes(data)
    raw = (
        raw.partition(b"\0")[0]
        if padding == _ZERO_ENDED
        else raw.rstrip(b" " if padding == _SPACES else b"\0")
    )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("a text in it is not Unicode", hint=CUT_SHORT) from error
