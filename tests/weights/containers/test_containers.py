from __future__ import annotations

import io
import json
import pickle
import random
import struct
import tarfile
import zipfile
from collections import OrderedDict

import pytest

from gate.weights.containers import Container, containers_in
from gate.weights.pytorch.legacy_reader import MAGIC_NUMBER
from tests.weights.containers import build


def found(data: bytes) -> set[Container]:
    return set(containers_in(memoryview(data)))


def tar(dialect: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO(b""))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (build.safetensors(), {Container.SAFETENSORS}),
        (build.onnx(build.GOOD), {Container.PROTOBUF}),
        (build.hdf5(build.GOOD), {Container.HDF5}),
        (build.keras(build.GOOD), {Container.ZIP}),
        (pickle.dumps(MAGIC_NUMBER, 2), {Container.PICKLE}),
        (tar(tarfile.USTAR_FORMAT), {Container.TAR}),
        (tar(tarfile.GNU_FORMAT), {Container.TAR}),
        (tar(tarfile.PAX_FORMAT), {Container.TAR}),
        (b"\x1c\0\0\0ORTM" + bytes(64), {Container.ORT}),
        (build.safetensors_and_pickle(b"cos\ngetpid\n)R."), {Container.SAFETENSORS, Container.PICKLE}),
        (build.safetensors_and_onnx(), {Container.SAFETENSORS, Container.PROTOBUF}),
        (build.hdf5_and_keras(), {Container.HDF5, Container.ZIP}),
        (bytes(512) + build.hdf5(build.GOOD), {Container.HDF5}),
        (b"hello, world", set()),
        (bytes(1_000), set()),
        (b"", set()),
    ],
)
def test_each_container_is_found_and_no_other(data: bytes, expected: set[Container]) -> None:
    assert found(data) == expected


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [print, OrderedDict(a=1), {"a": [1.5]}, [b"x"], MAGIC_NUMBER])
def test_a_pickle_is_one_in_every_protocol(protocol: int, value: object) -> None:
    assert Container.PICKLE in found(pickle.dumps(value, protocol) + b"whatever follows")


@pytest.mark.parametrize(
    "opcodes",
    [
        b"V" + b"a" * 3_000_000 + b"\n0cos\nsystem\n",  # a line longer than any window
        b"(S'x'\nios\nsystem\n",
        b"\x8c\x02os\x8c\x06system\x93",
        b"((0(1N0cos\nsystem\n",  # marks that are dropped
    ],
)
def test_what_an_unpickler_imports_is_found_before_it_fails(opcodes: bytes) -> None:
    assert found(opcodes + b"\xff") == {Container.PICKLE}


@pytest.mark.parametrize(
    "data",
    [
        b"0cos\nsystem\n.",  # nothing to drop
        b"tcos\nsystem\n.",  # no mark
        b"\x93",
        b"Pno \xff id\ncos\nsystem\n.",
        b"X\x03\0\0\0abc.",
        b"K\x01.",
        b"c{" + b'"name": ' * 400 + b"\nx\n",
        b"X\xff\xff\xff\x7fcos\nsystem\n.",
    ],
)
def test_what_no_unpickler_follows_or_no_model_is_made_of_is_no_pickle(data: bytes) -> None:
    assert Container.PICKLE not in found(data)


@pytest.mark.parametrize("alignment", [1, 8])  # writers before 0.3 did not pad
def test_no_ordinary_header_is_taken_for_anything_else(alignment: int) -> None:
    chance = random.Random(5)  # noqa: S311 - the same files every time
    starts = set()
    for size in range(2_000):
        names = {f"layers.{index}.weight" for index in range(1 + size % 7)}
        entries = {name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for name in sorted(names)}
        entries |= {"all": {"dtype": "U8", "shape": [256], "data_offsets": [0, 256]}}
        text = json.dumps({"__metadata__": {"format": "pt", "note": "n" * size}, **entries}).encode()
        text += b" " * (-len(text) % alignment)
        data = struct.pack("<Q", len(text)) + text + chance.randbytes(256)
        assert found(data) == {Container.SAFETENSORS}
        starts.add(data[0])
    assert {0x28, 0x50, 0x58, 0x80} <= starts  # those that begin like pickles are among them


def test_a_zip_archive_is_found_behind_anything_and_before_a_comment() -> None:
    buffer = io.BytesIO(build.zipped({"a": b"b"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"c" * 65_535
    for data in (b"x" * 100 + build.zipped({"a": b"b"}), b"x" * 100 + buffer.getvalue()):
        assert zipfile.is_zipfile(io.BytesIO(data))
        assert found(data) == {Container.ZIP}
    assert found(b"x" * 100 + buffer.getvalue() + b"x") == {Container.ZIP}


def test_a_decoy_behind_the_end_record_hides_nothing() -> None:
    data = b"x" * 100 + build.zipped({"a": b"b"}) + b"PK\x05\x06" + bytes(18)
    assert found(data) == {Container.ZIP}


def test_the_wide_end_record_counts() -> None:
    end = b"PK\x05\x06" + b"\0" * 4 + b"\xff" * 12 + b"\0\0"
    assert found(b"x" * 100 + b"PK\x06\x07" + bytes(16) + end) == {Container.ZIP}


def test_four_bytes_by_chance_are_no_archive() -> None:
    chance = random.Random(9)  # noqa: S311
    assert found(b"x" * 100 + b"PK\x05\x06" + chance.randbytes(10_000)) == set()


def test_a_message_of_more_fields_than_are_looked_at_is_one() -> None:
    assert found(b"\x0a\0" * 100_000 + b"\xff") == {Container.PROTOBUF}


def test_every_file_of_two_kinds_is_really_both() -> None:
    import onnx  # noqa: PLC0415 - only here
    from safetensors.numpy import load  # noqa: PLC0415

    pickled = build.safetensors_and_pickle(b"cbuiltins\nlen\n(S'four'\ntR.")
    assert (load(pickled)["fc.weight"] == build.GOOD).all()
    assert pickle.loads(pickled) == 4
    graph = build.safetensors_and_onnx()
    assert (load(graph)["fc.weight"] == build.GOOD).all()
    weight = onnx.load_from_string(graph).graph.initializer[0]
    assert (onnx.numpy_helper.to_array(weight) == build.BAD).all()
    both = io.BytesIO(build.hdf5_and_keras())
    assert zipfile.is_zipfile(both)
    assert zipfile.ZipFile(both).read("model.weights.h5") == build.hdf5(build.BAD)
