"""Keras files that are damaged, or built to harm their reader."""

from __future__ import annotations

import io
import json
import random
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights import read_weights
from gate.weights.keras import KerasArchiveReader, KerasHdf5Reader
from gate.weights.readers import reader_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FLIPS = 300
VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)
CONFIG = {
    "class_name": "Sequential",
    "config": {"name": "model", "layers": [{"class_name": "Dense", "config": {"name": "fc"}}]},
}


def hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = VALUES
        file["layers/dense/vars"].attrs["name"] = "fc"
    return buffer.getvalue()


def archive(
    path: Path,
    changed: Mapping[str, bytes] | None = None,
    *,
    only: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    whole = {
        "metadata.json": b"{}",
        "config.json": json.dumps(CONFIG).encode(),
        "model.weights.h5": hdf5(),
    }
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in ({**whole, **(changed or {})} if only is None else only).items():
            file.writestr(name, data)
    return path


def test_the_archive_is_a_model(tmp_path: Path) -> None:
    weights = read_weights(archive(tmp_path / "x.keras"))
    assert [(layer.name, layer.shape) for layer in weights.layers] == [("model/fc", (4, 3))]
    np.testing.assert_array_equal(weights.layers[0].read(), VALUES.T)


def test_an_archive_is_told_by_what_it_holds(tmp_path: Path) -> None:
    reader = KerasArchiveReader()
    assert reader.matches(archive(tmp_path / "any name"))
    assert not reader.matches(archive(tmp_path / "x.zip", only={"a": b""}))
    (tmp_path / "x.keras").write_bytes(b"PK\x03\x04 and no more")
    assert reader.matches(tmp_path / "x.keras")
    assert not reader.matches(tmp_path / "nothing")
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert KerasHdf5Reader().matches(tmp_path / "x.h5")
    assert not KerasHdf5Reader().matches(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"config.json": b"{"}, "config.json is not valid JSON"),
        ({"config.json": b"[]"}, "not a JSON object"),
        ({"config.json": b'{"a": 1, "a": 2}'}, "stands twice"),
        ({"config.json": b'{"a":' * 9_999}, "nested too deep|not valid"),
        ({"config.json": b"{}"}, "without class"),
        ({"model.weights.h5": b"not HDF5"}, "no HDF5"),
        ({"model.weights.h5": hdf5()[:-1]}, "that its superblock tells"),
    ],
)
def test_damaged_entries_are_refused(tmp_path: Path, changed: dict[str, bytes], said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        read_weights(archive(tmp_path / "x.keras", changed))
    assert caught.value.location is not None


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"config.json": b"{}", "metadata.json": b"{}"}, "holds no model.weights.h5"),
        ({"config.json": b"{}", "metadata.json": b"{}", "model.weights.npz": b""}, "in model.weights.npz"),
        ({"config.json": b"{}", "metadata.json": b"{}", "../model.weights.h5": b""}, "leads outside"),
        ({"config.json": b"{}", "metadata.json": b"{}", "/model.weights.h5": b""}, "leads outside"),
    ],
)
def test_archives_without_the_weights_are_refused(
    tmp_path: Path, entries: dict[str, bytes], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        read_weights(archive(tmp_path / "x.keras", only=entries))


def test_a_bomb_in_place_of_the_weights_is_stopped(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "x.keras", {"model.weights.h5": bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED
    )
    data = bytearray(path.read_bytes())
    for header, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the claimed size, in both headers
        start = data.rindex(header) + place
        data[start : start + 4] = struct.pack("<I", 2_000)
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="do not inflate to 2000"):
            read_weights(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_weights_that_claim_to_inflate_to_gigabytes_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.keras", compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for header, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.rindex(header) + place
        data[start : start + 4] = struct.pack("<I", 3_000_000_000)
    path.write_bytes(data)
    with pytest.raises(UnsafeModelError, match="inflate to 3000000000"):
        read_weights(path)


def test_a_payload_beside_the_weights_is_found(tmp_path: Path) -> None:
    payload = b"\x80\x04cos\nsystem\n."
    inner = archive(tmp_path / "inner.zip", only={"x.pkl": payload}).read_bytes()
    entries = {"assets/data.pkl": payload, "assets/more.zip": inner, "assets/words.txt": b"words"}
    weights = read_weights(archive(tmp_path / "x.keras", entries))
    assert weights.unsafe_globals == ("os.system",)
    assert weights.nested_archives == ("assets/data.pkl", "assets/more.zip")
    assert weights.unreferenced_bytes >= len(payload) + len(inner)
    assert {item.name for item in weights.skipped} == set(entries)


def test_an_archive_of_two_formats_is_what_its_name_makes_frameworks_load(tmp_path: Path) -> None:
    entries = {"model/data.pkl": b"\x80\x04}.", "model/version": b"3\n"}
    assert read_weights(archive(tmp_path / "x.keras", entries)).format == "keras"
    reader = reader_of(archive(tmp_path / "x.pt", entries))
    assert reader is not None
    assert reader.format == "pytorch-zip"
    with pytest.raises(UnsafeModelError, match="a PyTorch archive and can be read as a Keras archive too"):
        read_weights(archive(tmp_path / "x", entries))


def test_an_archive_behind_other_bytes_is_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "x.keras").read_bytes()
    other = archive(tmp_path / "other", {"config.json": b"{}"}).read_bytes()
    with (tmp_path / "x.keras").open("wb") as file:
        file.write(other)
        with zipfile.ZipFile(file, "a") as written:  # its offsets count from the first byte of the file
            for name in ("metadata.json", "config.json", "model.weights.h5"):
                written.writestr(name, zipfile.ZipFile(io.BytesIO(whole)).read(name))
    with pytest.raises(UnsafeModelError, match="does not begin where the file does"):
        read_weights(tmp_path / "x.keras")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damaged_bytes_are_refused_or_read_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    path = archive(tmp_path / f"x{suffix}")
    if suffix == ".h5":
        path.write_bytes(hdf5())
    data = path.read_bytes()
    chance = random.Random(11)  # noqa: S311 - the same damage every time
    refused = 0
    for _ in range(FLIPS):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            for layer in read_weights(path).layers:
                layer.read()
        except ModelError:
            refused += 1
    assert 0 < refused < FLIPS


@pytest.mark.parametrize("texts", [["{}", "{}"], []])
def test_a_configuration_that_is_not_one_text_is_refused(tmp_path: Path, texts: list[Any]) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(hdf5())
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = np.array(texts, h5py.string_dtype())
    with pytest.raises(ModelError, match="model_config is"):
        read_weights(path)


def test_a_configuration_beside_loose_weights_may_not_lead_outside(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.weights.h5").write_bytes(hdf5())
    (folder / "metadata.json").write_bytes(b"{}")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (folder / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(UnsafeModelError, match="outside"):
        KerasHdf5Reader().read(folder / "model.weights.h5", root=folder)
