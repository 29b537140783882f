"""HDF5 files that are damaged, or built to harm their reader."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights.hdf5 import Dataset, Group, InflatedPlace, MappedPlace, read_file
from gate.weights.hdf5 import fields as fields_module
from gate.weights.hdf5 import tree as tree_module
from gate.weights.hdf5.fields import Fields, Hdf5Bytes
from tests.weights.hdf5.build import MATRIX, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gate.weights.hdf5 import Hdf5File

FLIPS = 300  # of each file; tens of thousands were run by hand
END_IN_SUPERBLOCK = {"earliest": 40, "latest": 28}


def read_all(node: Group | Dataset) -> None:
    if isinstance(node, Group):
        for member in node.members.values():
            read_all(member)
    elif node.read is not None:
        node.read()


def read(path: Path) -> Hdf5File:
    file = read_file(MappedPlace.whole(path))
    read_all(file.root)
    return file


def made(path: Path, fill: Callable[[Any], object], version: str = "earliest") -> Path:
    with h5py.File(path, "w", libver=version) as file:
        fill(file)
    return path


def small(file: Any) -> None:
    """Fill a file with one structure of every kind."""
    filters = {"compression": "gzip", "shuffle": True, "fletcher32": True}
    values = MATRIX[:9, :13]
    file.create_dataset("filtered", data=values, chunks=(4, 5), **filters)
    file.create_dataset("chunks", data=values, chunks=(4, 5))
    file["whole"] = values
    for index in range(30):
        file[f"group/{index}"] = np.float32(index)
    ordered = file.create_group("ordered", track_order=True)
    for index in range(12):
        ordered.attrs[f"attribute {index}"] = f"value {index}"
    file["soft"] = h5py.SoftLink("/group/3")


@pytest.fixture(params=["earliest", "latest"])
def contents(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, bytes]:
    return request.param, made(tmp_path / "small.h5", small, request.param).read_bytes()


def test_a_file_cut_anywhere_is_refused(contents: tuple[str, bytes], tmp_path: Path) -> None:
    _, data = contents
    path = tmp_path / "cut.h5"
    for size in range(1, len(data), 97):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError):
            read(path)


def test_a_cut_file_that_lies_about_its_end_is_refused_or_read(
    contents: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, data = contents
    monkeypatch.setattr(fields_module, "lookup3", lambda _: 0)  # as a forger would compute them anew
    monkeypatch.setattr(Hdf5Bytes, "checked_block", unchecked)
    path, refused = tmp_path / "cut.h5", 0
    for size in range(200, len(data), 97):
        cut = bytearray(data[:size])
        start = END_IN_SUPERBLOCK[version]
        cut[start : start + 8] = size.to_bytes(8, "little")
        cut[44:48] = bytes(4) if version == "latest" else cut[44:48]
        path.write_bytes(cut)
        try:
            read(path)
        except ModelError:
            refused += 1
    assert refused > 0.9 * len(range(200, len(data), 97))


def unchecked(file: Hdf5Bytes, address: int, size: int) -> Fields:
    """Stand in for ``checked_block``: whoever forges a structure forges its checksum too."""
    return file.block(address, size + 4).inner(size)


@pytest.mark.parametrize("checked", [True, False])
def test_damaged_bytes_are_refused_or_read_and_nothing_else(
    contents: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, checked: bool
) -> None:
    if not checked:
        monkeypatch.setattr(Hdf5Bytes, "checked_block", unchecked)
    _, data = contents
    chance = random.Random(7)  # noqa: S311 - the same damage every time
    path, refused = tmp_path / "damaged.h5", 0
    for _ in range(FLIPS):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            place, width = chance.randrange(len(data) - 8), chance.choice((1, 2, 4, 8))
            value = chance.choice((0, 1, 0xFF, 0xFFFF, 2**31, 2**63, 2**64 - 1, chance.randrange(2**64)))
            damaged[place : place + width] = (value % 256**width).to_bytes(width, "little")
        path.write_bytes(damaged)
        try:
            read(path)
        except ModelError:
            refused += 1
    assert 0 < refused < FLIPS


def test_a_group_that_contains_itself_is_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        inner = file.create_group("a/b")
        inner["up"] = file["a"]

    with pytest.raises(UnsafeModelError, match="contains itself"):
        read(made(tmp_path / "x.h5", fill))


def test_a_soft_link_to_what_holds_it_is_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file.create_group("a/b")["up"] = h5py.SoftLink("/a")

    with pytest.raises(UnsafeModelError, match="contains itself"):
        read(made(tmp_path / "x.h5", fill))


def test_soft_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file["a"], file["b"] = h5py.SoftLink("b"), h5py.SoftLink("/a")

    with pytest.raises(UnsafeModelError, match="leads on and on"):
        read(made(tmp_path / "x.h5", fill))


@pytest.mark.parametrize("target", ["/nothing", "../../etc/passwd", "a/b/c"])
def test_a_soft_link_to_nothing_is_refused(tmp_path: Path, target: str) -> None:
    def fill(file: Any) -> None:
        file["a"] = 1.0
        file["link"] = h5py.SoftLink(target)

    with pytest.raises(ModelError, match="leads to nothing"):
        read(made(tmp_path / "x.h5", fill))


def test_groups_that_share_their_members_do_not_multiply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(file: Any) -> None:
        below = file.create_group("bottom")
        for level in range(40):  # two to the power of 40 paths
            group = file.create_group(f"{level}")
            group["left"], group["right"] = below, below
            below = group

    path = made(tmp_path / "x.h5", fill)
    monkeypatch.setattr(tree_module, "MAX_OBJECTS", 2_000)
    with pytest.raises(UnsafeModelError, match="more than 2000"):
        read(path)


def test_groups_nested_without_end_are_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file.create_group("/".join(["deep"] * 80))

    with pytest.raises(UnsafeModelError, match="nested deeper"):
        read(made(tmp_path / "x.h5", fill))


def test_structure_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "x.h5", small)
    monkeypatch.setattr(fields_module, "MAX_STRUCTURE_BYTES", 5_000)
    with pytest.raises(UnsafeModelError, match="more than 5000 bytes"):
        read(path)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_links_to_other_files_are_never_followed(tmp_path: Path, version: str) -> None:
    def fill(file: Any) -> None:
        file["x"] = h5py.ExternalLink("other.h5", "/secret")

    made(tmp_path / "other.h5", lambda file: file.create_dataset("secret", data=MATRIX))
    with pytest.raises(UnsafeModelError, match="link to another file"):
        read(made(tmp_path / "x.h5", fill, version))


def test_elements_in_other_files_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(64))

    def fill(file: Any) -> None:
        file.create_dataset("x", (4, 4), "f4", external=[(str(tmp_path / "raw"), 0, 64)])

    with pytest.raises(UnsafeModelError, match="in another file"):
        read(made(tmp_path / "x.h5", fill))


def test_datasets_made_of_others_are_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
        layout[:] = h5py.VirtualSource("other.h5", "secret", shape=(4,))
        file.create_virtual_dataset("x", layout)

    with pytest.raises(UnsafeModelError, match="put together from others"):
        read(made(tmp_path / "x.h5", fill, "latest"))


@pytest.mark.parametrize(
    ("settings", "version", "said"),
    [
        ({"compression": "lzf", "chunks": (4, 4)}, "earliest", "LZF"),
        ({"scaleoffset": 3, "chunks": (4, 4)}, "earliest", "scale-offset"),
        ({"chunks": (4, 4), "maxshape": (None, 53)}, "latest", "extensible array"),
        ({"chunks": (4, 4), "maxshape": (None, None)}, "latest", "B-tree of version 2"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(
    tmp_path: Path, settings: dict[str, Any], version: str, said: str
) -> None:
    def fill(file: Any) -> None:
        file.create_dataset("x", data=MATRIX, **settings)

    with pytest.raises(ModelError, match=said) as caught:
        read(made(tmp_path / "x.h5", fill, version))
    assert "'/x'" in caught.value.message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shape": (2**40,)}, "never written"),
        ({"shape": (2**40,), "chunks": (1,)}, "more chunks than"),
        ({"shape": (0, 2**40, 2**40)}, "claims the shape"),
        ({"shape": (4, 4), "chunks": (2, 2)}, "never written|not every one"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_elements_that_are_only_announced_take_no_memory(
    tmp_path: Path, settings: dict[str, Any], said: str, version: str
) -> None:
    path = made(tmp_path / "x.h5", lambda file: file.create_dataset("x", dtype="f4", **settings), version)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=said):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def one_chunk(path: Path, extent: int, stored: bytes, version: str = "earliest", **settings: Any) -> Path:
    def fill(file: Any) -> None:
        dataset = file.create_dataset("x", (extent,), "f4", chunks=(extent,), **settings)
        dataset.id.write_direct_chunk((0,), stored)

    return made(path, fill, version)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_chunk_that_inflates_to_more_than_it_says_is_stopped(tmp_path: Path, version: str) -> None:
    bomb = zlib.compress(bytes(80_000_000), 9)
    path = one_chunk(tmp_path / "x.h5", 1_000, bomb, version, compression="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="instead of 4000"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_dataset_that_says_it_inflates_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = one_chunk(tmp_path / "x.h5", 2**29, zlib.compress(bytes(1_000)), compression="gzip")
    with pytest.raises(UnsafeModelError, match="claim to inflate to 2147483648"):
        read(path)


@pytest.mark.parametrize(
    ("stored", "settings", "said"),
    [
        (b"no deflate", {"compression": "gzip"}, "does not inflate"),
        (zlib.compress(bytes(396)), {"compression": "gzip"}, "396 bytes instead of 400"),
        (bytes(400) + b"\1\2\3\4", {"fletcher32": True}, "checksum"),
        (b"\0\0\0", {"fletcher32": True}, "checksum"),
        (b"\0\0\0", {"shuffle": True}, "3 bytes instead of 400"),
        (bytes(396), {}, "takes 396"),
    ],
)
def test_a_damaged_chunk_is_refused(
    tmp_path: Path, stored: bytes, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        read(one_chunk(tmp_path / "x.h5", 100, stored, **settings))


@pytest.mark.parametrize("data", [b"", b"\x89HDF", b"PK\x03\x04", bytes(5_000), b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_hdf5_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(ModelError):
        read(tmp_path / "x.h5")


@pytest.mark.parametrize(("claimed", "error"), [(10**9, UnsafeModelError), (99, ModelError), (5, ModelError)])
def test_a_compressed_file_of_another_size_is_refused(
    tmp_path: Path, claimed: int, error: type[ModelError]
) -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stored = deflater.compress(bytes(50)) + deflater.flush()
    (tmp_path / "x").write_bytes(stored)
    with pytest.raises(error):
        read_file(InflatedPlace(str(tmp_path / "x"), 0, len(stored), claimed))


def test_a_file_that_changes_under_its_reader_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "x.h5", small)
    file = read_file(MappedPlace.whole(path))
    path.write_bytes(path.read_bytes()[:1_000])
    for name in ("whole", "chunks"):
        dataset = file.root.members[name]
        assert isinstance(dataset, Dataset)
        assert dataset.read is not None
        with pytest.raises(ModelError):
            dataset.read()
