"""Files that h5py wrote, compared with what h5py reads of them."""

from __future__ import annotations

import pickle
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from gate.weights.hdf5 import Dataset, Group, InflatedPlace, MappedPlace, read_file
from gate.weights.hdf5.checksums import fletcher32, lookup3
from gate.weights.mapped import MappedTensor
from tests.weights.hdf5.build import CONTENTS, MATRIX, VERSIONS, write

if TYPE_CHECKING:
    from pathlib import Path


def assert_same(found: Group, expected: Any) -> int:
    """Compare a group with h5py's, all it holds too; return the number of arrays."""
    assert found.members.keys() == set(expected)
    for name, texts in found.attributes.items():
        assert list(texts) == strings(expected.attrs[name])
    assert found.attributes.keys() == {name for name in expected.attrs if strings(expected.attrs[name])}
    count = 0
    for name, member in found.members.items():
        other = expected[name]
        if isinstance(member, Group):
            count += assert_same(member, other)
        else:
            assert_same_values(member, other)
            count += 1
    return count


def strings(value: Any) -> list[str]:
    values = [value] if isinstance(value, str | bytes) else np.ravel(value).tolist()
    decoded = [item.decode() if isinstance(item, bytes) else item for item in values]
    return decoded if all(isinstance(item, str) for item in decoded) else []


def assert_same_values(found: Dataset, expected: Any) -> None:
    assert found.shape == expected.shape
    assert found.read is not None
    values = found.read()
    assert values.dtype.kind == "f"
    stored = expected[()]
    assert found.dtype == stored.dtype.newbyteorder("=").name.replace("bool", "int8")
    np.testing.assert_array_equal(values, stored.astype(values.dtype))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("content", CONTENTS)
def test_what_h5py_wrote_reads_the_same(tmp_path: Path, content: str, version: str) -> None:
    path = write(tmp_path / "file.h5", content, version)
    file = read_file(MappedPlace.whole(path))
    with h5py.File(path) as expected:
        assert_same(file.root, expected)
    assert 0 <= file.unreferenced_bytes < 20_000


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_may_begin_after_somebody_elses_bytes(tmp_path: Path, version: str) -> None:
    path = write(tmp_path / "file.h5", "chunks", version, userblock_size=2048)
    file = read_file(MappedPlace.whole(path))
    with h5py.File(path) as expected:
        assert assert_same(file.root, expected) == 14
    assert file.unreferenced_bytes >= 2048


def test_a_window_of_a_file_reads_like_the_file(tmp_path: Path) -> None:
    inner = write(tmp_path / "file.h5", "numbers").read_bytes()
    path = tmp_path / "outer"
    path.write_bytes(b"before" + inner + b"after")
    place = MappedPlace(str(path), 6, len(inner))
    with h5py.File(tmp_path / "file.h5") as expected:
        assert_same(read_file(place).root, expected)


@pytest.mark.parametrize("content", ["numbers", "chunks"])
def test_a_compressed_file_reads_like_the_file(tmp_path: Path, content: str) -> None:
    inner = write(tmp_path / "file.h5", content).read_bytes()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stored = deflater.compress(inner) + deflater.flush()
    path = tmp_path / "outer"
    path.write_bytes(b"before" + stored + b"after")
    place = InflatedPlace(str(path), 6, len(stored), len(inner))
    with h5py.File(tmp_path / "file.h5") as expected:
        assert_same(read_file(place).root, expected)


def test_readers_are_small_and_travel_to_other_processes(tmp_path: Path) -> None:
    file = read_file(MappedPlace.whole(write(tmp_path / "file.h5", "chunks")))
    for name in ("every filter", "small pages"):
        dataset = file.root.members[name]
        assert isinstance(dataset, Dataset)
        packed = pickle.dumps(dataset.read)
        assert len(packed) < 1_000
        np.testing.assert_array_equal(pickle.loads(packed)(), MATRIX)


def test_what_lies_in_one_piece_is_not_copied(tmp_path: Path) -> None:
    file = read_file(MappedPlace.whole(write(tmp_path / "file.h5", "numbers")))
    dataset = file.root.find("type f4")
    assert isinstance(dataset, Dataset)
    assert isinstance(dataset.read, MappedTensor)
    assert dataset.read().base is not None


def test_two_names_of_one_array_are_equal_readers(tmp_path: Path) -> None:
    root = read_file(MappedPlace.whole(write(tmp_path / "file.h5", "groups"))).root
    hard, target, soft = root.find("hard"), root.find("few/3"), root.find("few/relative")
    assert isinstance(hard, Dataset)
    assert isinstance(target, Dataset)
    assert isinstance(soft, Dataset)
    assert hard.read == target.read == soft.read


@pytest.mark.parametrize(
    ("values", "title"),
    [
        (np.zeros(3, np.complex64), "compound|complex"),
        (np.zeros(2, [("a", "f4"), ("b", "i4")]), "compound"),
        (np.array([b"ab", b"cd"]), "strings"),
        (np.zeros(3, "V2"), "opaque"),
    ],
)
def test_what_is_no_number_is_named_and_not_read(tmp_path: Path, values: Any, title: str) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file["x"] = values
    dataset = read_file(MappedPlace.whole(tmp_path / "file.h5")).root.members["x"]
    assert isinstance(dataset, Dataset)
    assert dataset.read is None
    assert dataset.dtype is None
    assert any(name in dataset.title for name in title.split("|"))


def test_checksums_match_published_values() -> None:
    # the driver of lookup3.c prints 17770551 for this phrase; Wikipedia has the Fletcher-32 of "abcdef"
    # for little-endian words, which is that of the bytes swapped pairwise for HDF5's big-endian ones
    assert lookup3(memoryview(b"")) == 0xDEADBEEF
    assert lookup3(memoryview(b"Four score and seven years ago")) == 0x17770551
    assert fletcher32(b"badcfe") == 0x56502D2A
    assert fletcher32(bytes(8)) == 0
    assert fletcher32(b"\xff\xff" * 3) == 0xFFFFFFFF


def test_a_long_checksum_is_that_of_the_definition() -> None:
    data = np.random.default_rng(0).integers(0, 256, 200_001, np.uint8).tobytes()
    first = second = 0
    for word in np.frombuffer(data + b"\0", ">u2").tolist():
        first = (first + word) % 65535
        second = (second + first) % 65535
    assert fletcher32(data) == second << 16 | first
