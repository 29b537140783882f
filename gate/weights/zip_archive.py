"""Zip archives as torch and Keras write them: every entry's place in the file, checked before it is used.

The archive may be a window of a larger file (an archive within an archive).  Where readers of the
format could disagree about what it holds (a name written two ways, sizes that differ between the
headers, entries that overlap or repeat, names that differ only in case), it is refused as unsafe.
Entries are found as torch finds them, by ASCII letters of either case.  Layout: PKWARE APPNOTE.TXT 6.3.
"""

from __future__ import annotations

import string
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.budget import LISTED_ENTRY_STEPS, charge_artifact
from gate.weights.bytes_in_file import CUT_SHORT, Cursor, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ENTRIES: Final = 262_144
"""Entries of an archive: torch writes one for each storage, Keras three and its assets."""

MAX_INFLATED_BYTES: Final = 64 * 2**20
"""A compressed entry of the small kinds (source code, debug tables, JSON), inflated."""

LOCAL_HEADER: Final = b"PK\x03\x04"
_CENTRAL_HEADER: Final = b"PK\x01\x02"
_END: Final = b"PK\x05\x06"
_END_64: Final = b"PK\x06\x06"
_LOCATOR_64: Final = b"PK\x06\x07"
_DESCRIPTOR: Final = b"PK\x07\x08"
_END_SIZE, _END_64_SIZE, _LOCATOR_64_SIZE = 22, 56, 20
_LOCAL: Final = struct.Struct("<2x HH 8x II HH")
"""After the signature and the version: flags, method, sizes stored and real, lengths of name and extra."""
_CENTRAL: Final = struct.Struct("<4x HH 8x II HHH H 6x I")
"""Likewise, with the length of the comment, the disk and where the entry's own header is."""
_SIGNATURE_SIZE: Final = 4
_LOCAL_SIZE, _CENTRAL_SIZE = _SIGNATURE_SIZE + _LOCAL.size, _SIGNATURE_SIZE + _CENTRAL.size
_LONGEST_COMMENT: Final = 2**16 - 1
_SIZE_ELSEWHERE: Final = 2**32 - 1
_COUNT_ELSEWHERE: Final = 2**16 - 1
_ENCRYPTED: Final = 1 << 0 | 1 << 6 | 1 << 13
_SIZES_FOLLOW: Final = 1 << 3
_STORED, _DEFLATED = 0, 8
_PADDING_FIELD: Final = b"FB"  # torch pads entries to 64 bytes with a field of Z
_ZIP64_FIELD: Final = 1
_ASCII_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: ``size`` bytes that lie, as ``stored_size`` bytes, from ``offset`` of the archive on."""

    name: str
    offset: int
    size: int
    stored_size: int
    compressed: bool
    header: int
    end: int
    hidden: int


@dataclass(frozen=True, slots=True)
class _Central:
    """What the central directory says of one entry."""

    raw_name: bytes
    flags: int
    method: int
    stored_size: int
    size: int
    header: int


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive and what it holds.

    ``root`` is the folder all of torch's entries lie in; ``stray_bytes`` counts bytes that belong
    to no entry and no header.  ``folded`` has the entries by their folded names.
    """

    data: memoryview
    entries: Mapping[str, Entry]
    folded: Mapping[str, Entry]
    root: str
    stray_bytes: int

    def find(self, name: str) -> Entry | None:
        """Return the entry called ``name`` under the root folder, in letters of either case, or None."""
        return self.folded.get(folded(f"{self.root}/{name}" if self.root else name))

    def require(self, name: str) -> Entry:
        """Return the entry called ``name`` under the root folder.

        Raises
        ------
        gate.errors.ModelError
            There is none.
        """
        entry = self.find(name)
        if entry is None:
            raise ModelError(f"the archive holds no entry {shown(name)}", hint=CUT_SHORT)
        return entry

    def inner_name(self, entry: Entry) -> str | None:
        """Return the entry's name under the root folder, or None when it lies outside."""
        if not self.root:
            return entry.name
        is_within = folded(entry.name).startswith(folded(f"{self.root}/"))
        return entry.name[len(self.root) + 1 :] if is_within else None

    def bytes_of(self, entry: Entry) -> memoryview:
        """Return the entry's contents: a view where it is stored, a bounded copy where it is deflated.

        Raises
        ------
        gate.errors.ModelError
            The entry inflates to other than its size.
        gate.errors.UnsafeModelError
            It claims to inflate to more than a small entry has.
        """
        stored = self.data[entry.offset : entry.offset + entry.stored_size]
        return inflate(stored, entry) if entry.compressed else stored


def inflate(stored: memoryview, entry: Entry) -> memoryview:
    """Return the inflated contents of a small entry."""
    if entry.size > MAX_INFLATED_BYTES:
        raise UnsafeModelError(f"entry {shown(entry.name)} claims to inflate to {entry.size} bytes")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        contents = inflater.decompress(stored, entry.size + 1)
    except zlib.error as error:
        raise ModelError(f"entry {shown(entry.name)} does not inflate", hint=CUT_SHORT) from error
    if len(contents) != entry.size:
        raise ModelError(f"entry {shown(entry.name)} does not inflate to {entry.size} bytes", hint=CUT_SHORT)
    return memoryview(contents)


def open_archive(data: memoryview) -> Archive:
    """List the archive that ``data`` is.

    Raises
    ------
    gate.errors.ModelError
        It is no zip archive, is damaged, cut short, encrypted or split.
    gate.errors.UnsafeModelError
        Its headers contradict each other, or its entries overlap, repeat or lead outside.
    gate.weights.budget.OverBudgetError
        The archives of the artifact have more entries together than any real model.
    """
    directory, directory_end, count, end = _directory(data)
    centrals = _centrals(data, directory, directory_end, count)
    before = data[:directory]
    entries = {entry.name: entry for entry in (_entry(before, central) for central in centrals)}
    if len(entries) != len(centrals):
        raise UnsafeModelError("the archive holds two entries of one name")
    by_folded_name = {folded(name): entry for name, entry in entries.items()}
    if len(by_folded_name) != len(entries):
        raise UnsafeModelError("the archive holds two entries whose names differ only in case")
    stray = _stray_bytes(list(entries.values()), directory) + len(data) - end
    return Archive(data, entries, by_folded_name, _root(centrals), stray)


def folded(name: str) -> str:
    """Return ``name`` with A to Z in lower case: miniz, by which torch finds entries, makes no difference."""
    return name.translate(_ASCII_LOWER)


def _directory(data: memoryview) -> tuple[int, int, int, int]:
    """Return where the central directory starts and ends, its number of entries, and the archive's end."""
    tail = max(0, len(data) - _END_SIZE - _LONGEST_COMMENT)
    found = bytes(data[tail:]).rfind(_END)
    if found < 0 or tail + found + _END_SIZE > len(data):
        raise ModelError("it ends without a zip directory", hint=CUT_SHORT)
    start = tail + found
    cursor = Cursor(data, start + 4)
    disks = (cursor.unsigned(2), cursor.unsigned(2))
    here, count = cursor.unsigned(2), cursor.unsigned(2)
    size, offset, comment = cursor.unsigned(4), cursor.unsigned(4), cursor.unsigned(2)
    cursor.skip(comment)
    # a comment is counted as stray: torch writes none, and nothing refers to it
    end, directory_end = start + _END_SIZE, start
    locator = start - _LOCATOR_64_SIZE
    if locator >= 0 and data[locator : locator + 4].tobytes() == _LOCATOR_64:
        directory_end, wide = _wide_end(data, locator)
        count, size, offset = _agreed((here, count, size, offset), wide)
    elif disks != (0, 0) or here != count:
        raise ModelError("the archive is split over several files")
    if offset + size != directory_end:
        raise ModelError("the zip directory is not where the archive says", hint=CUT_SHORT)
    return offset, directory_end, count, end


def _wide_end(data: memoryview, locator: int) -> tuple[int, tuple[int, int, int, int]]:
    """Read the zip64 end record; return where it starts and its counts, size and offset."""
    cursor = Cursor(data, locator + 8)
    start = cursor.unsigned(8)
    if start + _END_64_SIZE != locator or data[start : start + 4].tobytes() != _END_64:
        raise ModelError("the zip64 directory is not where the archive says", hint=CUT_SHORT)
    cursor = Cursor(data, start + 24)
    return start, (cursor.unsigned(8), cursor.unsigned(8), cursor.unsigned(8), cursor.unsigned(8))


def _agreed(narrow: tuple[int, int, int, int], wide: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """Return entry count, directory size and offset; both end records must say the same."""
    elsewhere = (_COUNT_ELSEWHERE, _COUNT_ELSEWHERE, _SIZE_ELSEWHERE, _SIZE_ELSEWHERE)
    for short, mark, long in zip(narrow, elsewhere, wide, strict=True):
        if short not in {mark, long}:
            raise UnsafeModelError("the archive's two end records contradict each other")
    if wide[0] != wide[1]:
        raise ModelError("the archive is split over several files")
    return wide[1], wide[2], wide[3]


def _centrals(data: memoryview, start: int, end: int, count: int) -> list[_Central]:
    if count > MAX_ENTRIES or count * _CENTRAL_SIZE > end - start:
        raise UnsafeModelError(f"the archive claims {count} entries")
    charge_artifact(LISTED_ENTRY_STEPS * count)  # beforehand: a damaged archive may show it at its last entry
    cursor = Cursor(data[:end], start)
    centrals = [_central(cursor) for _ in range(count)]
    if cursor.remaining:
        raise ModelError("the zip directory holds more than its entries", hint=CUT_SHORT)
    return centrals


def _central(cursor: Cursor) -> _Central:
    if cursor.take(4).tobytes() != _CENTRAL_HEADER:
        raise ModelError("the zip directory is damaged", hint=CUT_SHORT)
    flags, method, stored_size, size, name, extra, comment, disk, header = cursor.unpack(_CENTRAL)
    raw_name = bytes(cursor.take(name))
    size, stored_size, header = _widened(cursor.take(extra), [size, stored_size, header])
    cursor.skip(comment)
    if disk not in {0, _COUNT_ELSEWHERE}:
        raise ModelError("the archive is split over several files")
    return _Central(raw_name, flags, method, stored_size, size, header)


def _widened(extra: memoryview, values: list[int]) -> list[int]:
    """Take the 64-bit values from the zip64 field for those that say they stand there."""
    for kind, field in _fields(extra):
        if kind == _ZIP64_FIELD:
            cursor = Cursor(field)
            return [cursor.unsigned(8) if value == _SIZE_ELSEWHERE else value for value in values]
    return values


def _fields(extra: memoryview) -> list[tuple[int, memoryview]]:
    cursor, fields = Cursor(extra), []
    while cursor.remaining >= 4:  # noqa: PLR2004 - a field's own header
        kind, size = cursor.unsigned(2), cursor.unsigned(2)
        fields.append((kind, cursor.take(min(size, cursor.remaining))))
    return fields


def _entry(data: memoryview, central: _Central) -> Entry:
    """Check the entry's own header against the directory, and both against the bytes before that."""
    name = _safe_name(central.raw_name)
    if central.flags & _ENCRYPTED:
        raise ModelError(f"entry {shown(name)} is encrypted")
    if central.method not in {_STORED, _DEFLATED}:
        raise ModelError(f"entry {shown(name)} is compressed by method {central.method}")
    if central.method == _STORED and central.size != central.stored_size:
        raise UnsafeModelError(f"entry {shown(name)} is stored as is, yet has two sizes")
    cursor = Cursor(data, central.header)
    if central.header + _LOCAL_SIZE > len(data) or cursor.take(4).tobytes() != LOCAL_HEADER:
        raise ModelError(f"entry {shown(name)} is not where the directory says", hint=CUT_SHORT)
    flags, method, *sizes, name_size, extra_size = cursor.unpack(_LOCAL)
    if cursor.take(name_size) != central.raw_name or (flags, method) != (central.flags, central.method):
        raise UnsafeModelError(f"entry {shown(name)} is described in two ways")
    hidden = _hidden(cursor.take(extra_size))
    _check_sizes(name, sizes, central, follow=bool(flags & _SIZES_FOLLOW))
    offset = cursor.skip(central.stored_size)
    end = cursor.position + _descriptor_size(data, cursor.position, central)
    return Entry(
        name,
        offset,
        central.size,
        central.stored_size,
        central.method == _DEFLATED,
        central.header,
        end,
        hidden,
    )


def _check_sizes(name: str, sizes: list[int], central: _Central, *, follow: bool) -> None:
    for local, real in zip(sizes, (central.stored_size, central.size), strict=True):
        if local not in {real, _SIZE_ELSEWHERE} and not (follow and local == 0):
            raise UnsafeModelError(f"entry {shown(name)} has two sizes, {local} and {real}")


def _safe_name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("an entry's name is not UTF-8", hint=CUT_SHORT) from error
    if not name or name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise UnsafeModelError(f"entry {shown(name)} leads outside the archive")
    return name


def _hidden(extra: memoryview) -> int:
    """Return how many bytes of the local extra fields are neither torch's padding nor sizes."""
    known = 0
    for kind, field in _fields(extra):
        if kind == _ZIP64_FIELD or (
            kind == int.from_bytes(_PADDING_FIELD, "little") and not bytes(field).strip(b"Z")
        ):
            known += 4 + len(field)
    return len(extra) - known


def _descriptor_size(data: memoryview, end: int, central: _Central) -> int:
    """Return the size of the data descriptor that follows an entry, 0 when none does."""
    if not central.flags & _SIZES_FOLLOW or data[end : end + 4].tobytes() != _DESCRIPTOR:
        return 0
    for width in (4, 8):
        size = 8 + 2 * width
        sizes = bytes(data[end + 8 : end + size])
        if sizes == b"".join(
            value.to_bytes(8, "little")[:width] for value in (central.stored_size, central.size)
        ):
            return size
    return 0


def _stray_bytes(entries: list[Entry], directory: int) -> int:
    """Return the number of bytes before the directory that lie in no entry; entries may not overlap."""
    position = stray = 0
    for entry in sorted(entries, key=lambda entry: entry.header):
        if entry.header < position:
            raise UnsafeModelError(f"entry {shown(entry.name)} overlaps another")
        stray += entry.header - position + entry.hidden
        position = entry.end
    return stray + directory - position


def _root(centrals: list[_Central]) -> str:
    """Return the folder of the first entry, which torch takes for the archive's root."""
    folder, slash, _ = _safe_name(centrals[0].raw_name).partition("/") if centrals else ("", "", "")
    return folder if slash else ""
