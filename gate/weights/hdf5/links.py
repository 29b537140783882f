"""What a group holds: names, and the addresses of the objects they stand for.

"HDF5 File Format Specification Version 3.0", sections III.A.1, III.B to III.D, IV.A.2.c, IV.A.2.g
and IV.A.2.r.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT, shown
from gate.weights.hdf5.btrees import leaves
from gate.weights.hdf5.dense import dense_records
from gate.weights.hdf5.headers import Kind
from gate.weights.hdf5.limits import MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.weights.hdf5.fields import Fields, Hdf5Bytes
    from gate.weights.hdf5.headers import Header

_HARD, _SOFT, _EXTERNAL = 0, 1, 64
_SOFT_ENTRY: Final = 2
_NAME_INDEX: Final = 5
_HASH_SIZE: Final = 4
_ID_SIZE: Final = 7
_HAS_ORDER, _HAS_KIND, _HAS_CHARACTER_SET = 1 << 2, 1 << 3, 1 << 4


@dataclass(frozen=True, slots=True)
class Link:
    """One name of a group: the address of an object, or the path of another name."""

    name: str
    address: int | None
    target: str = ""


def read_links(file: Hdf5Bytes, header: Header) -> dict[str, Link]:
    """Return what the group with this header holds, by name.

    Raises
    ------
    gate.errors.ModelError
        A structure is damaged, or a name stands twice.
    gate.errors.UnsafeModelError
        A link leads to another file, or a structure contains itself.
    """
    found: dict[str, Link] = {}
    for link in _listed(file, header):
        if link.name in found:
            raise ModelError(f"a group holds the name {shown(link.name)} twice", hint=CUT_SHORT)
        found[link.name] = link
    return found


def is_group(header: Header) -> bool:
    """Tell whether the object with this header is a group."""
    kinds = {message.kind for message in header.messages}
    return not kinds.isdisjoint({Kind.SYMBOL_TABLE, Kind.LINK_INFO, Kind.LINK, Kind.GROUP_INFO})


def _listed(file: Hdf5Bytes, header: Header) -> Iterator[Link]:
    table = header.find(Kind.SYMBOL_TABLE)
    if table is not None:
        yield from _from_symbol_table(file, table)
    yield from (_from_message(message.fields) for message in header.every(Kind.LINK))
    info = header.find(Kind.LINK_INFO)
    if info is None:
        return
    info.version((0,), "link storage")
    info.skip(8 * (info.byte() & 1))
    heap, index = info.address(), info.address()
    if heap is not None and index is not None:
        records = dense_records(file, heap, index, kind=_NAME_INDEX, id_at=_HASH_SIZE, id_size=_ID_SIZE)
        yield from map(_from_message, records)


def _from_message(fields: Fields) -> Link:
    fields.version((1,), "a link")
    flags = fields.byte()
    kind = fields.byte() if flags & _HAS_KIND else _HARD
    fields.skip(8 * bool(flags & _HAS_ORDER) + bool(flags & _HAS_CHARACTER_SET))
    name = _text(fields.take(_checked_length(fields.unsigned(1 << (flags & 0b11)))))
    if kind == _HARD:
        return Link(name, fields.required_address(f"what {shown(name)} stands for"))
    if kind == _SOFT:
        return Link(name, None, _text(fields.take(_checked_length(fields.unsigned(2)))))
    if kind == _EXTERNAL:
        raise UnsafeModelError(
            f"{shown(name)} is a link to another file",
            hint="Weights outside the model's own file are not followed: save the model as one file.",
        )
    raise ModelError(f"{shown(name)} is a link of kind {kind}, which is not read")


def _checked_length(size: int) -> int:
    if size > MAX_NAME_BYTES:
        raise ModelError(f"a name takes {size} bytes", hint=CUT_SHORT)
    return size


def _text(raw: memoryview) -> str:
    try:
        name = bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("a name in it is not Unicode", hint=CUT_SHORT) from error
    if not name or "\0" in name:
        raise ModelError(f"{shown(name)} is no name", hint=CUT_SHORT)
    return name


def _from_symbol_table(file: Hdf5Bytes, table: Fields) -> Iterator[Link]:
    tree = table.required_address("the index of a group")
    names = _Names(file, table.required_address("the names of a group"))
    for _, node in leaves(file, tree, kind=0, key_size=file.shape.lengths):
        yield from _symbols(file, node, names)


def _symbols(file: Hdf5Bytes, address: int, names: _Names) -> Iterator[Link]:
    prefix = file.block(address, 8)
    prefix.expect(b"SNOD", "part of a group")
    prefix.version((1,), "part of a group")
    prefix.skip(1)
    width = 2 * file.shape.offsets + 24
    entries = file.block(address + 8, prefix.unsigned(2) * width)
    file.claim_room(address, 8 + 2 * file.shape.group_leaf * width)
    while entries.remaining:
        entry = entries.inner(width)
        name = names.find(entry.unsigned(file.shape.offsets))
        header, kind = entry.address(), entry.unsigned(4)
        entry.skip(4)
        if kind == _SOFT_ENTRY:
            yield Link(name, None, names.find(entry.unsigned(4)))
        elif header is None:
            raise ModelError(f"{shown(name)} stands for nothing", hint=CUT_SHORT)
        else:
            yield Link(name, header)


class _Names:
    """The local heap of a group: its names, each ended by a zero."""

    __slots__ = ("_data",)

    def __init__(self, file: Hdf5Bytes, address: int) -> None:
        prefix = file.block(address, 8 + 2 * file.shape.lengths + file.shape.offsets)
        prefix.expect(b"HEAP", "heap of names")
        prefix.version((0,), "a heap of names")
        prefix.skip(3)
        size = prefix.length()
        prefix.length()
        self._data = file.block(prefix.required_address("the names of a group"), size).data

    def find(self, offset: int) -> str:
        window = bytes(self._data[offset : offset + MAX_NAME_BYTES + 1])
        raw, end, _ = window.partition(b"\0")
        if not end:
            raise ModelError("a name has no end", hint=CUT_SHORT)
        return _text(memoryview(raw))
