"""What an archive holds besides what a reader read: bytes nobody refers to, archives within."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import GateError
from gate.weights.budget import Budget, OverBudgetError
from gate.weights.pytorch.scan import scan_bytes
from gate.weights.zip_archive import LOCAL_HEADER, folded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gate.weights.zip_archive import Archive, Entry

BOOKKEEPING: Final = frozenset(
    {
        ".data/serialization_id",
        ".data/version",
        ".format_version",
        ".storage_alignment",
        "archive_format",
        "archive_version",
        "byteorder",
        "version",
    }
)
"""Entries of a few bytes that torch writes beside the model."""

_MAX_BOOKKEEPING: Final = 256
_MOST_SCANNED: Final = 100  # of the archives within; they are named in any case
_ARCHIVE_MAGIC: Final = (
    LOCAL_HEADER,
    b"\x1f\x8b\x08",
    b"7z\xbc\xaf\x27\x1c",
    b"\xfd7zXZ\x00",
    b"BZh",
    b"Rar!",
)
_PICKLE_MAGIC: Final = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_TAR_MAGIC: Final = (257, b"ustar")
_PICKLE_SUFFIXES: Final = (".pkl", ".pickle", ".pt", ".pth")


def leftovers(
    archive: Archive, used: Collection[str], covered: Mapping[str, int], budget: Budget | None = None
) -> tuple[int, tuple[str, ...], frozenset[str]]:
    """Return the unreferenced bytes, the archives within, and the globals their pickles name.

    Parameters
    ----------
    used:
        Entries read as a whole, by name in the archive.
    covered:
        Entries that hold tensors -> the number of their bytes that some tensor refers to.
    budget:
        What reading the file may still cost.

    Raises
    ------
    gate.weights.budget.OverBudgetError
        The pickles within take more.
    """
    budget = budget or Budget()
    unreferenced, nested, names = archive.stray_bytes, [], frozenset[str]()
    for entry in archive.entries.values():
        inner = folded(archive.inner_name(entry) or "")
        if entry.name in covered:
            unreferenced += entry.size - covered[entry.name]
            # values of weights may look like a pickle's first two bytes; four of a zip are no chance
            is_nested = bytes(_beginning(archive, entry)[:4]) == LOCAL_HEADER
        elif entry.name in used or (inner in BOOKKEEPING and entry.size <= _MAX_BOOKKEEPING):
            continue
        else:
            unreferenced += entry.size
            is_nested = _looks_packed(entry.name, bytes(_beginning(archive, entry)))
        if is_nested:
            nested.append(entry.name)
            names |= _named_within(archive, entry, budget) if len(nested) <= _MOST_SCANNED else frozenset()
    return unreferenced, tuple(nested), names


def _beginning(archive: Archive, entry: Entry) -> memoryview:
    return archive.data[entry.offset : entry.offset + min(512, entry.stored_size)]


def _looks_packed(name: str, beginning: bytes) -> bool:
    offset, magic = _TAR_MAGIC
    return (
        beginning.startswith(_ARCHIVE_MAGIC + _PICKLE_MAGIC)
        or beginning[offset:].startswith(magic)
        or name.lower().endswith(_PICKLE_SUFFIXES)
    )


def _named_within(archive: Archive, entry: Entry, budget: Budget) -> frozenset[str]:
    try:
        return scan_bytes(budget.contents_of(entry, archive), budget=budget, depth=1)
    except OverBudgetError:
        raise
    except GateError:
        # no pickle, or a broken one: nothing to name; the entry itself is reported as nested
        return frozenset()
