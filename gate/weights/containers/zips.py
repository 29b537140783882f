"""Zip archives, which are found from their end: whatever else the file is, they may follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCAL_HEADER: Final = b"PK\x03\x04"
_CENTRAL_HEADER: Final = b"PK\x01\x02"
_END: Final = b"PK\x05\x06"
_LOCATOR_64: Final = b"PK\x06\x07"
_END_SIZE, _LOCATOR_64_SIZE = 22, 20
_SEARCHED: Final = _END_SIZE + 2**16
"""How far from the end Python's ``zipfile`` looks for the end record; others look less far."""


def holds_zip(data: memoryview) -> bool:
    """Tell whether ``data`` begins as a zip archive does, or ends as one with entries."""
    return bytes(data[:4]) == _LOCAL_HEADER or any(
        _has_directory(data, record) for record in _end_records(data)
    )


def _end_records(data: memoryview) -> Iterator[int]:
    start = max(0, len(data) - _SEARCHED)
    tail = bytes(data[start:])
    found = tail.find(_END)
    while 0 <= found <= len(tail) - _END_SIZE:
        yield start + found
        found = tail.find(_END, found + 1)


def _has_directory(data: memoryview, record: int) -> bool:
    """Tell whether a directory stands where one reader or another looks for it; four bytes may be chance.

    Some believe the offset; some, so that an archive may follow other bytes, go back by the size.
    """
    if _begins(data, record - _LOCATOR_64_SIZE, _LOCATOR_64):
        return True
    size = int.from_bytes(data[record + 12 : record + 16], "little")
    offset = int.from_bytes(data[record + 16 : record + 20], "little")
    return any(_begins(data, place, _CENTRAL_HEADER) for place in (offset, record - size))


def _begins(data: memoryview, place: int, magic: bytes) -> bool:
    return place >= 0 and bytes(data[place : place + len(magic)]) == magic
