"""Which reader a file gets: by what its name promises, else by its bytes, if these are one thing only."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights import read_weights, readers
from gate.weights.plugin_reader import PluginReader
from gate.weights.readers import reader_of
from tests.weights.containers import build
from tests.weights.pytorch import containers as torch_build
from tests.weights.savedmodel import build as tensorflow_build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gate.plugins import Plugin

STATE = torch_build.dict_of({"fc.weight": torch_build.tensor("0", (3, 4))})
STORAGES = {"0": build.GOOD}
FILES = {
    "safetensors": build.safetensors(),
    "onnx": build.onnx(build.GOOD),
    "pytorch-zip": torch_build.zip_file(STATE, STORAGES),
    "pytorch-legacy": torch_build.legacy_file(STATE, STORAGES),
    "torchscript": torch_build.script_file(STATE, STORAGES),
    "keras": build.keras(build.GOOD),
    "keras-hdf5": build.hdf5(build.GOOD),
}
BLOB = "6ad2efdbfd0a0a2ba4c1cfd3aa1e2d1b7f6f7b2f1d3c6d54b9d1a3c8e0b5f7a1"
USUAL = {
    "safetensors": ("model.safetensors", "MODEL.safetensors"),
    "onnx": ("model.onnx", "MODEL.ONNX"),
    "pytorch-zip": ("model.pt", "model.pth", "pytorch_model.bin", "last.ckpt", "MODEL.PT"),
    "pytorch-legacy": ("model.pt", "model.pth", "pytorch_model.bin", "last.ckpt"),
    "torchscript": ("model.pt", "model.torchscript", "model.jit", "model.ts"),
    "keras": ("model.keras",),
    "keras-hdf5": ("model.h5", "model.weights.h5", "model.hdf5", "old.keras", "old.ckpt"),
}
UNUSUAL = (BLOB, "model.pth.tar", "model.data", "model.model", "weights", "x.safetensors.part", "x.bin")
ANY_NAME = tuple(name for name in FILES if name != "onnx")  # which is told by its name only


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def is_read_as(path: Path, expected: str) -> bool:
    weights = read_weights(path)
    values = [layer.read() for layer in weights.layers]
    return (
        weights.format == expected
        and len(values) == 1
        and any(np.array_equal(values[0], good) for good in (build.GOOD, build.GOOD.T))
    )


@pytest.mark.parametrize(("known", "name"), [(known, name) for known in FILES for name in USUAL[known]])
def test_an_ordinary_file_is_read_under_its_usual_names(tmp_path: Path, known: str, name: str) -> None:
    assert is_read_as(write(tmp_path, name, FILES[known]), known)


@pytest.mark.parametrize("name", UNUSUAL)
@pytest.mark.parametrize("known", ANY_NAME)
def test_an_ordinary_file_is_read_under_a_name_that_promises_nothing(
    tmp_path: Path, known: str, name: str
) -> None:
    assert is_read_as(write(tmp_path, name, FILES[known]), known)


@pytest.mark.parametrize("known", FILES)
def test_a_blob_of_a_cache_is_read_by_the_name_of_the_link(tmp_path: Path, known: str) -> None:
    (tmp_path / "blobs").mkdir()
    blob = write(tmp_path / "blobs", BLOB, FILES[known])
    (tmp_path / "snapshot").mkdir()
    link = tmp_path / "snapshot" / USUAL[known][0]
    link.symlink_to(blob)
    weights = read_weights(link, root=tmp_path)
    assert (weights.format, len(weights.layers)) == (known, 1)


def test_tensorflow_files_are_read_under_their_names(tmp_path: Path) -> None:
    graph = tensorflow_build.graph([tensorflow_build.const("w", build.GOOD)])
    stored = tensorflow_build.Checkpoint({"a": build.GOOD}, {"a": "a"})
    expected = {
        write(tmp_path, "saved_model.pb", tensorflow_build.saved_model(graph)): "savedmodel",
        write(tmp_path, "frozen.pb", graph): "tensorflow-graph",
        stored.write(tmp_path / "model.ckpt"): "tensorflow-checkpoint",
    }
    assert {path: reader.format if (reader := reader_of(path)) else None for path in expected} == expected


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ("safetensors", "model.onnx"),
        ("safetensors", "model.pt"),
        ("safetensors", "model.ckpt"),
        ("safetensors", "model.keras"),
        ("safetensors", "model.h5"),
        ("safetensors", "saved_model.pb"),
        ("safetensors", "model.index"),
        ("safetensors", "model.ONNX"),
        ("pytorch-zip", "model.onnx"),
        ("pytorch-zip", "model.safetensors"),
        ("pytorch-zip", "model.h5"),
        ("pytorch-legacy", "model.safetensors"),
        ("pytorch-legacy", "model.onnx"),
        ("torchscript", "model.hdf5"),
        ("keras", "model.h5"),
        ("keras", "model.pt"),
        ("keras-hdf5", "model.pth"),
        ("keras-hdf5", "model.safetensors"),
        ("onnx", "model.safetensors"),
    ],
)
def test_a_file_under_the_name_of_another_format_is_refused(tmp_path: Path, known: str, name: str) -> None:
    with pytest.raises(UnsafeModelError, match=r"is named like .*, but holds .* something else") as caught:
        read_weights(write(tmp_path, name, FILES[known]))
    assert name in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (
            lambda: build.safetensors_and_pickle(b"cos\ngetpid\n)R."),
            ("data/model.pth", "model.pt", "pytorch_model.bin", BLOB, "model.ckpt", "model"),
        ),
        (build.safetensors_and_onnx, ("data/model.onnx", "model.bin", BLOB, "model.pb", "model")),
        (build.hdf5_and_keras, ("data/model.keras", "model.h5", "model.bin", BLOB, "model", "model.ckpt")),
        (lambda: build.keras(build.BAD)[:-22] + FILES["keras"], ("model.keras",)),
        (lambda: FILES["pytorch-legacy"] + FILES["torchscript"], ("model.pt", "model.bin", "model")),
        (lambda: bytes(512) + FILES["keras-hdf5"] + FILES["keras"], ("model.keras", "model")),
    ],
    ids=["pickle", "onnx", "keras", "two-archives", "legacy-and-script", "behind-a-user-block"],
)
def test_a_file_of_two_kinds_is_refused(
    tmp_path: Path, made: Callable[[], bytes], names: tuple[str, ...]
) -> None:
    (tmp_path / "data").mkdir()
    for name in names:
        with pytest.raises(ModelError, match=r"named like|can be read as|directory is not where"):
            read_weights(write(tmp_path, name, made()))


def test_a_file_of_two_kinds_is_refused_in_an_artifact(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "MLmodel").write_text("flavors:\n  pytorch: {model_data: data}\nrun_id: 1\n")
    write(tmp_path / "data", "model.pth", FILES["pytorch-zip"])
    assert len(read_weights(tmp_path).layers) == 1
    write(tmp_path / "data", "model.pth", build.safetensors_and_pickle(b"cos\ngetpid\n)R."))
    with pytest.raises(UnsafeModelError, match="named like a PyTorch file, but holds safetensors"):
        read_weights(tmp_path)


def test_one_archive_of_two_formats_is_refused(tmp_path: Path) -> None:
    # torch.load takes data.pkl, torch.export.load what lies in data/weights
    data = torch_build.zip_file(STATE, STORAGES, archive_format=b"pt2")
    for name in ("model.pt", "model.pt2", "model"):
        with pytest.raises(UnsafeModelError, match="can be read as a PyTorch export package too"):
            reader_of(write(tmp_path, name, data))


def test_a_tar_archive_that_begins_like_a_pickle_is_refused(tmp_path: Path) -> None:
    data = bytearray(FILES["pytorch-legacy"] + bytes(512))
    total = sum(data[:148]) + sum(data[156:512]) + 8 * ord(" ")
    data[148:156] = b"%06o\0 " % total
    with pytest.raises(UnsafeModelError, match="a pickle and can be read as a tar archive too"):
        reader_of(write(tmp_path, "model.pt", bytes(data)))


def test_the_bytes_of_tensors_make_no_second_model(tmp_path: Path) -> None:
    # h5py would find the inner file at byte 512 or 1024, but Keras opens what is named so as a zip archive
    entries = {"pad": bytes(512 - 30 - 3 - 30 - len("model.weights.h5"))}
    entries |= {"model.weights.h5": FILES["keras-hdf5"], "metadata.json": b"{}"}
    data = build.zipped({**entries, "config.json": json.dumps(build.CONFIG).encode()})
    assert data[512:520] == FILES["keras-hdf5"][:8]
    assert is_read_as(write(tmp_path, "model.keras", data), "keras")


@pytest.mark.parametrize("known", FILES)
@pytest.mark.parametrize(
    "name", ["model.onnx", "model.pt", "model.keras", "model.safetensors", "model.h5", "x"]
)
def test_a_file_that_is_cut_short_is_refused_or_not_known(tmp_path: Path, known: str, name: str) -> None:
    for length in (0, 1, 8, 20, len(FILES[known]) // 2):
        with pytest.raises(ModelError):
            read_weights(write(tmp_path, name, FILES[known][:length]))


class Numbers:
    """A third party's reader that names its suffix."""

    format = "numbers"
    suffixes: tuple[str, ...] = (".numbers", ".onnx")

    def matches(self, path: Path) -> bool:
        return path.suffix in {".numbers", ".onnx", ".pt"}


class Eager(Numbers):
    """One that names none, and is asked about every file."""

    format = "eager"
    suffixes = ()

    def matches(self, path: Path) -> bool:
        return path.stem == "mine"


@pytest.fixture
def _plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [SimpleNamespace(load=lambda made=made: made(), identity="x") for made in (Numbers, Eager)]
    adapted = tuple(PluginReader(cast("Plugin", plugin)) for plugin in offered)
    monkeypatch.setattr(readers, "_of_plugins", lambda: adapted)


@pytest.mark.usefixtures("_plugins")
@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.numbers", b"1 2", "numbers"),
        ("a.numbers", FILES["safetensors"], "numbers"),  # its own suffix, whatever it looks like
        ("a.onnx", b"1 2", "numbers"),
        ("a.onnx", FILES["onnx"], "onnx"),
        ("a.pt", b"1 2", None),  # not a suffix it names
        ("mine.txt", b"1 2", "eager"),
        ("mine.bin", b"1 2", "eager"),
        ("mine.bin", FILES["safetensors"], "safetensors"),
        ("other.txt", b"1 2", None),
    ],
)
def test_readers_of_third_parties_keep_their_suffixes(
    tmp_path: Path, name: str, data: bytes, expected: str | None
) -> None:
    reader = reader_of(write(tmp_path, name, data))
    assert (reader.format if reader else None) == expected


@pytest.mark.usefixtures("_plugins")
def test_a_reader_of_third_parties_opens_no_way_around_a_name(tmp_path: Path) -> None:
    with pytest.raises(UnsafeModelError, match="named like an ONNX model, but holds safetensors"):
        reader_of(write(tmp_path, "model.onnx", FILES["safetensors"]))
