from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights.zip_archive import open_archive
from tests.weights.pytorch.containers import zipped

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRIES = {"m/data.pkl": b"N.", "m/data/0": b"12345678", "m/version": b"3\n"}


def patched(contents: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    assert contents.count(old) >= count
    return contents.replace(old, new, count)


def end_record(contents: bytes) -> int:
    return contents.rindex(b"PK\x05\x06")


def set_end(contents: bytes, at: int, layout: str, value: int) -> bytes:
    start = end_record(contents) + at
    return contents[:start] + struct.pack(layout, value) + contents[start + struct.calcsize(layout) :]


def set_central(contents: bytes, at: int, layout: str, value: int, header: bytes = b"PK\x01\x02") -> bytes:
    start = contents.index(header) + at
    return contents[:start] + struct.pack(layout, value) + contents[start + struct.calcsize(layout) :]


def with_zip64(contents: bytes, *, offset_by: int = 0, count_by: int = 0) -> bytes:
    """Add the zip64 end record and its locator, as torch always does."""
    start = end_record(contents)
    _, _, _, here, count, size, offset, _ = struct.unpack("<4sHHHHIIH", contents[start : start + 22])
    wide = struct.pack(
        "<4sQHHIIQQQQ",
        b"PK\x06\x06",
        44,
        30,
        45,
        0,
        0,
        here + count_by,
        count + count_by,
        size,
        offset + offset_by,
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start, 1)
    return contents[:start] + wide + locator + contents[start:]


def test_entries_are_where_the_file_has_them() -> None:
    contents = zipped(ENTRIES)
    archive = open_archive(memoryview(contents))
    assert archive.root == "m"
    assert archive.stray_bytes == 0
    for name, expected in ENTRIES.items():
        entry = archive.entries[name]
        assert contents[entry.offset : entry.offset + entry.size] == expected
        assert entry.offset == contents.index(expected)


def test_both_end_records_are_understood() -> None:
    archive = open_archive(memoryview(with_zip64(zipped(ENTRIES))))
    assert list(archive.entries) == list(ENTRIES)


def test_bytes_that_belong_to_nothing_are_counted() -> None:
    contents = zipped(ENTRIES)
    assert open_archive(memoryview(contents + b"hidden")).stray_bytes == 6
    commented = set_end(contents, 20, "<H", 7) + b"comment"
    assert open_archive(memoryview(commented)).stray_bytes == 0 + 7


def test_small_deflated_entries_are_inflated_and_checked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("m/code/a.py", b"class A: pass\n" * 100)
    contents = buffer.getvalue()
    archive = open_archive(memoryview(contents))
    entry = archive.require("code/a.py")
    assert bytes(archive.bytes_of(entry)) == b"class A: pass\n" * 100
    lying = contents.replace(struct.pack("<I", 1400), struct.pack("<I", 1399))
    archive = open_archive(memoryview(lying))
    with pytest.raises(ModelError, match="does not inflate to 1399"):
        archive.bytes_of(archive.require("code/a.py"))


def test_an_entry_that_would_inflate_without_bound_is_refused() -> None:
    bomb = zlib.compressobj(wbits=-15)
    packed = bomb.compress(b"\0" * 2**27) + bomb.flush()
    name = b"m/code/a.py"
    fields = struct.pack("<HHHHIIIHH", 0, 8, 0, 0, 0, len(packed), 2**27, len(name), 0)
    local = b"PK\x03\x04\x14\x00" + fields + name + packed
    central = b"PK\x01\x02\x14\x00\x14\x00" + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)
    archive = open_archive(memoryview(local + central + end))
    with pytest.raises(UnsafeModelError, match="claims to inflate to 134217728 bytes"):
        archive.bytes_of(archive.require("code/a.py"))


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda c: patched(c, b"m/data/0", b"m/data/1"), UnsafeModelError),  # in the local header only
        (lambda c: patched(c, b"m/data/0", b"../../..", 2), UnsafeModelError),
        (lambda c: patched(c, b"m/data/0", b"m/../../", 2), UnsafeModelError),
        (lambda c: patched(c, b"m/data/0", b"/data/00", 2), UnsafeModelError),
        (lambda c: patched(c, b"m/data/0", b"m\\data\\0", 2), UnsafeModelError),
        (lambda c: patched(c, b"m/data/0", b"m/data\x000", 2), UnsafeModelError),
        (lambda c: patched(c, b"m/data/0", b"\xff/data/0", 2), ModelError),
        (lambda c: set_central(c, 8, "<H", 1), ModelError),  # encrypted
        (lambda c: set_central(c, 10, "<H", 8), UnsafeModelError),  # deflated, says the directory alone
        (lambda c: set_central(c, 10, "<H", 99), ModelError),
        (lambda c: set_central(c, 20, "<I", 3), UnsafeModelError),
        (lambda c: set_central(c, 24, "<I", 3), UnsafeModelError),
        (lambda c: set_central(c, 42, "<I", 10**6), ModelError),
        (lambda c: set_central(c, 42, "<I", 7), ModelError),
        (lambda c: set_central(c, 34, "<H", 3), ModelError),  # another disk
        (lambda c: set_central(c, 18, "<I", 9, b"PK\x03\x04"), UnsafeModelError),
        (lambda c: set_end(c, 4, "<H", 1), ModelError),
        (lambda c: set_end(c, 8, "<H", 2), ModelError),
        (lambda c: set_end(set_end(c, 8, "<H", 60000), 10, "<H", 60000), UnsafeModelError),
        (lambda c: set_end(set_end(c, 8, "<H", 2), 10, "<H", 2), ModelError),
        (lambda c: set_end(c, 12, "<I", 2**31), ModelError),
        (lambda c: set_end(c, 16, "<I", 2**31), ModelError),
        (lambda c: set_end(c, 20, "<H", 9), ModelError),
        (lambda c: with_zip64(c, offset_by=2), UnsafeModelError),
        (lambda c: with_zip64(c, count_by=1), UnsafeModelError),
        (lambda c: patched(with_zip64(c), b"PK\x06\x06", b"PK\x06\x05"), ModelError),
        (lambda c: b"front" + c, ModelError),
        (lambda c: c[:-23] + c[-22:], ModelError),
    ],
)
def test_archives_that_contradict_themselves_are_refused(
    damage: Callable[[bytes], bytes], error: type[ModelError]
) -> None:
    damaged = damage(zipped(ENTRIES))
    with pytest.raises(error) as caught:
        open_archive(memoryview(damaged))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_repeated_and_overlapping_entries_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as writer:
        writer.writestr("m/data.pkl", b"N.")
        writer.writestr("m/data.pkl", b"Z.")
    with pytest.raises(UnsafeModelError, match="two entries of one name"):
        open_archive(memoryview(buffer.getvalue()))
    # a second name in the directory for the bytes of the first entry, whose header agrees
    inner = zipped({"m/a": b"x"})
    outer = zipped({"m/b": inner[: inner.index(b"PK\x01\x02")]})
    directory = outer.index(b"PK\x01\x02")
    central = inner[inner.index(b"PK\x01\x02") : end_record(inner)]
    offset = outer.index(b"PK\x03\x04", 4)
    central = central[:42] + struct.pack("<I", offset) + central[46:]
    both = outer[: end_record(outer)] + central + outer[end_record(outer) :]
    both = set_end(set_end(set_end(both, 8, "<H", 2), 10, "<H", 2), 12, "<I", end_record(both) - directory)
    with pytest.raises(UnsafeModelError, match="overlaps"):
        open_archive(memoryview(both))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("m/data/0", "m/DATA/0"),
        ("m/data/0", "M/data/0"),
        ("m/data.pkl", "m/data.PKL"),
        ("m/é", "M/é"),
        ("config.json", "Config.json"),
    ],
)
def test_names_that_differ_only_in_case_are_refused(one: str, other: str) -> None:
    # torch finds whichever of them its sorted directory gives first
    for names in ((one, other), (other, one)):
        with pytest.raises(UnsafeModelError, match="differ only in case"):
            open_archive(memoryview(zipped(dict.fromkeys(names, b"x"))))


def test_names_that_differ_in_more_than_ascii_case_are_two() -> None:
    names = ("m/data/0", "m/data/1", "m/é", "m/É", "m/ß", "m/ss", "m/k", "m/\u212a")
    assert set(open_archive(memoryview(zipped(dict.fromkeys(names, b"x")))).entries) == set(names)


def test_entries_are_found_in_letters_of_either_case_as_torch_finds_them() -> None:
    archive = open_archive(memoryview(zipped({"m/Data.pkl": b"N.", "M/BYTEORDER": b"big"})))
    assert archive.require("data.pkl").name == "m/Data.pkl"
    assert archive.require("byteorder").name == "M/BYTEORDER"
    assert [archive.inner_name(entry) for entry in archive.entries.values()] == ["Data.pkl", "BYTEORDER"]
    assert archive.find("data.p\u212al") is None


def test_every_truncation_is_refused() -> None:
    contents = with_zip64(zipped(ENTRIES))
    for length in range(len(contents)):
        with pytest.raises(ModelError):
            open_archive(memoryview(contents[:length]))
