"""Structures that today's h5py does not write, from the specification's tables."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from gate.errors import ModelError
from gate.weights.hdf5 import Dataset, MappedPlace, read_file
from gate.weights.hdf5.datatypes import element_type, extents
from gate.weights.hdf5.fields import Fields, FileShape
from gate.weights.hdf5.filters import Filter, read_filters
from gate.weights.hdf5.layouts import Chunked, Layout, Whole, read_layout
from gate.weights.hdf5.links import read_links

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANYWHERE = FileShape(MappedPlace("nowhere", 0, 0), 0, 8, 8)


def fields(data: bytes, origin: int = 0) -> Fields:
    return Fields(memoryview(data), origin, ANYWHERE)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("kind", "rest", "expected"),
    [
        (1, struct.pack("<QII", 4096, 7, 9), Whole(4096)),
        (2, struct.pack("<QIII", 4096, 7, 9, 4), Chunked("tree", 4096, (7, 9))),
        (0, struct.pack("<III", 7, 9, 5) + b"12345", Whole(None, 100 + 20, 5)),
    ],
)
def test_layouts_of_the_first_releases(version: int, kind: int, rest: bytes, expected: Layout) -> None:
    rank = 3 if kind == 2 else 2
    assert read_layout(fields(bytes((version, rank, kind)) + bytes(5) + rest, 100)) == expected


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes((9,)), "version 9 of a data layout"),
        (bytes((3, 7)), "data layout 7"),
        (bytes((3, 2, 0)) + bytes(8), "claim 0 dimensions"),
        (bytes((3, 2, 99)) + bytes(8), "claim 99 dimensions"),
        (bytes((4, 2, 0, 2, 4)) + bytes(8) + bytes((9,)), "index 9"),
        (bytes((3, 1, 0)), "past the end"),
    ],
)
def test_layouts_that_are_not_read(data: bytes, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read_layout(fields(data))


def test_filters_of_the_newer_version_have_names_only_where_they_need_them() -> None:
    deflate = struct.pack("<HHHI", 1, 0, 1, 6)
    assert read_filters(fields(bytes((2, 1)) + deflate)) == (Filter(1, 6),)
    named = struct.pack("<HHHH", 32001, 4, 0, 0) + b"abc\0"
    with pytest.raises(ModelError, match="Blosc"):
        read_filters(fields(bytes((2, 1)) + named))
    with pytest.raises(ModelError, match="claims 200 filters"):
        read_filters(fields(bytes((2, 200))))


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (struct.pack("<BBBBIHH", 0x10, 8, 0, 0, 4, 0, 32), "int32"),
        (struct.pack("<BBBBIHH", 0x10, 0, 0, 0, 4, 3, 12), None),  # twelve bits within four bytes
        (struct.pack("<BBBBIHHBBBBI", 0x11, 0x20, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127), "float32"),
        (struct.pack("<BBBBIHHBBBBI", 0x11, 0x20, 15, 0, 2, 0, 16, 7, 8, 0, 7, 127), "bfloat16"),
        (struct.pack("<BBBBIHHBBBBI", 0x11, 0x61, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127), None),  # VAX
        (struct.pack("<BBBBIHHBBBBI", 0x11, 0x20, 79, 0, 16, 0, 80, 64, 15, 0, 64, 16383), None),
        (struct.pack("<BBBBI", 0x1F, 0, 0, 0, 4), None),
    ],
)
def test_numbers_that_numpy_has_and_others(data: bytes, dtype: str | None) -> None:
    assert element_type(fields(data)).dtype == dtype


def test_elements_without_a_size_are_refused() -> None:
    with pytest.raises(ModelError, match="take no bytes"):
        element_type(fields(struct.pack("<BBBBI", 0x10, 0, 0, 0, 0)))


def test_more_dimensions_than_an_array_has_are_refused() -> None:
    assert extents(fields(bytes((2, 0, 0, 2)))) is None
    assert extents(fields(bytes((1, 1, 1)) + bytes(5) + struct.pack("<QQ", 3, 9))) == (3,)
    with pytest.raises(ModelError, match="claims 200 dimensions"):
        extents(fields(bytes((2, 200, 0, 1))))


def made(path: Path, fill: Callable[[Any], object], version: str = "earliest") -> Path:
    with h5py.File(path, "w", libver=version) as file:
        fill(file)
    return path


def test_a_chunk_may_skip_a_filter(tmp_path: Path) -> None:
    values = np.arange(100, dtype=np.float32)

    def fill(file: Any) -> None:
        dataset = file.create_dataset("x", (100,), "f4", chunks=(100,), compression="gzip")
        dataset.id.write_direct_chunk((0,), values.tobytes(), filter_mask=1)

    dataset = read_file(MappedPlace.whole(made(tmp_path / "x.h5", fill))).root.members["x"]
    assert isinstance(dataset, Dataset)
    assert dataset.read is not None
    np.testing.assert_array_equal(dataset.read(), values)


def test_a_type_that_datasets_share_is_refused_by_its_name(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file["type"] = np.dtype("f4")
        file.create_dataset("x", (4,), dtype=file["type"])

    with pytest.raises(ModelError, match=r"datatype message is shared|no dataspace"):
        read_file(MappedPlace.whole(made(tmp_path / "x.h5", fill)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"TREE", b"TREX", "no node of an index"),
        (b"SNOD", b"SNOX", "no part of a group"),
        (b"HEAP", b"HEAX", "no heap of names"),
        (b"TREE\0\0", b"TREE\1\0", "belongs to another index"),
        (b"TREE\0\0", b"TREE\0\7", "belongs to another index|no node"),
        (b"name of a group\0", b"name of a grou/\xff", "not Unicode|no end"),
    ],
)
def test_damaged_groups_are_refused(tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    path = made(tmp_path / "x.h5", lambda file: file.create_group("name of a group"))
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(ModelError, match=said):
        read_file(MappedPlace.whole(path))


@pytest.mark.parametrize("version", [3, 9])
def test_newer_superblocks_than_are_known_are_refused(tmp_path: Path, version: int) -> None:
    path = made(tmp_path / "x.h5", lambda file: file.create_group("a"))
    data = bytearray(path.read_bytes())
    data[8] = version
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"superblock|addresses take"):
        read_file(MappedPlace.whole(path))


@pytest.mark.parametrize(("place", "said"), [(20, "fails its checksum"), (60, "fails its checksum")])
def test_newer_structures_that_fail_their_checksum_are_refused(tmp_path: Path, place: int, said: str) -> None:
    path = made(tmp_path / "x.h5", lambda file: file.create_group("a"), "latest")
    data = bytearray(path.read_bytes())
    data[place] ^= 1 if place > 48 else 0
    data[44] ^= 1 if place < 48 else 0
    path.write_bytes(data)
    with pytest.raises(ModelError, match=said):
        read_file(MappedPlace.whole(path))


def test_links_of_unknown_kinds_are_refused() -> None:
    from gate.weights.hdf5.headers import Header, Kind, Message  # noqa: PLC0415 - beside its only use

    def links(data: bytes) -> object:
        header = Header([Message(Kind.LINK, shared=False, fields=fields(data))])
        return read_links(None, header)  # type: ignore[arg-type]  # a link message needs no file

    assert links(b"\1\0\3abc" + struct.pack("<Q", 96))
    for data, said in (
        (b"\1\x08\x41\3abc", "link of kind 65"),
        (b"\1\0\3a\0c" + bytes(8), "is no name"),
        (b"\1\0\3a\xffc" + bytes(8), "not Unicode"),
        (b"\1\0\3abc" + b"\xff" * 8, "nowhere in the file"),
        (b"\1\1" + struct.pack("<H", 9_999), "takes 9999 bytes"),
    ):
        with pytest.raises(ModelError, match=said):
            links(data)
