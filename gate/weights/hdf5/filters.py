"""The filters that a dataset's chunks went through, undone.

"HDF5 File Format Specification Version 3.0", section IV.A.2.l.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.errors import ModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.checksums import fletcher32
from gate.weights.hdf5.limits import MAX_FILTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.weights.hdf5.fields import Fields

_FIRST_NAMED: Final = 256
_CHECKSUM: Final = 4
_UNREAD: Final = {4: "szip", 5: "nbit", 6: "scale-offset", 32000: "LZF", 32001: "Blosc", 32015: "Zstandard"}


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a pipeline and its first setting."""

    number: int
    setting: int


def read_filters(fields: Fields) -> tuple[Filter, ...]:
    """Read a filter pipeline message.

    Raises
    ------
    gate.errors.ModelError
        A filter is not one that is read, or the message is damaged.
    """
    version = fields.version((1, 2), "a filter pipeline")
    count = fields.byte()
    if count > MAX_FILTERS:
        raise ModelError(f"a dataset claims {count} filters", hint=CUT_SHORT)
    fields.skip(6 if version == 1 else 0)
    return tuple(_filter(fields, version) for _ in range(count))


def _filter(fields: Fields, version: int) -> Filter:
    number = fields.unsigned(2)
    named = version == 1 or number >= _FIRST_NAMED
    name_size = fields.unsigned(2) if named else 0
    fields.skip(2)
    settings = fields.unsigned(2)
    fields.skip(name_size)
    values = [fields.unsigned(4) for _ in range(settings)]
    fields.skip(4 * (settings % 2) if version == 1 else 0)
    if number not in _UNDO:
        name = _UNREAD.get(number, f"number {number}")
        raise ModelError(
            f"a dataset is compressed by the filter {name}, which is not read",
            hint="Save the model again with Keras, or repack the file (`h5repack -f GZIP=4`).",
        )
    return Filter(number, values[0] if values else 1)


def undone(stored: memoryview, filters: tuple[Filter, ...], mask: int, size: int) -> bytes | memoryview:
    """Return the ``size`` bytes of a chunk from what is stored of it.

    Parameters
    ----------
    mask:
        Bit ``i`` tells that this chunk skipped filter ``i``.

    Raises
    ------
    gate.errors.ModelError
        A checksum fails, or other than ``size`` bytes come out.
    """
    data: bytes | memoryview = stored
    for position in reversed(range(len(filters))):
        if not mask >> position & 1:
            # checksums that were taken before deflating come out with it
            data = _UNDO[filters[position].number](
                data, filters[position].setting, size + _CHECKSUM * MAX_FILTERS
            )
    if len(data) != size:
        raise ModelError(f"a chunk holds {len(data)} bytes instead of {size}", hint=CUT_SHORT)
    return data


def _inflated(data: bytes | memoryview, _: int, most: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        return inflater.decompress(data, most + 1)
    except zlib.error as error:
        raise ModelError("a chunk does not inflate", hint=CUT_SHORT) from error


def _unshuffled(data: bytes | memoryview, width: int, _: int) -> bytes | memoryview:
    """Put the bytes of each element together again; a rest that fills no element stands at the end."""
    if width <= 1 or len(data) < width:
        return data
    whole = len(data) // width * width
    turned = np.frombuffer(data, np.uint8, whole).reshape(width, -1).T
    return turned.tobytes() + bytes(data[whole:])


def _checked(data: bytes | memoryview, _: int, __: int) -> bytes:
    contents, stored = bytes(data[:-_CHECKSUM]), int.from_bytes(data[-_CHECKSUM:], "little")
    if len(data) < _CHECKSUM or stored != fletcher32(contents):
        raise ModelError("a chunk fails its checksum", hint=CUT_SHORT)
    return contents


_UNDO: Final[dict[int, Callable[[bytes | memoryview, int, int], bytes | memoryview]]] = {
    1: _inflated,
    2: _unshuffled,
    3: _checked,
}
