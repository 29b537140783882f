from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gate.errors import GateError, ModelError, NothingToMeasureError, UnsafeModelError
from gate.weights import read_weights
from gate.weights.artifact import listing
from tests.models import fetch

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, **shapes: tuple[int, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(shapes))
    named = {name.replace("__", "."): rng.normal(size=shape) for name, shape in shapes.items()}
    save_file({name: values.astype(np.float32) for name, values in named.items()}, path)
    return path


def mlmodel(folder: Path, flavours: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(
        f"flavors:\n  python_function: {{loader_module: x}}\n{flavours}\nrun_id: 1\n"
    )


class Harmful:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_a_file_is_read_by_its_format(tmp_path: Path) -> None:
    weights = read_weights(save(tmp_path / "a.safetensors", fc__weight=(3, 4)))
    assert (weights.format, weights.files) == ("safetensors", ("a.safetensors",))
    assert [layer.name for layer in weights.layers] == ["fc"]


def test_one_model_in_a_folder_keeps_its_names(tmp_path: Path) -> None:
    save(tmp_path / "sub" / "model.safetensors", fc__weight=(3, 4))
    (tmp_path / "sub" / "tf_model.h5").write_bytes(b"\x89HDF")
    weights = read_weights(tmp_path)
    assert weights.files == ("sub/model.safetensors",)
    assert [layer.name for layer in weights.layers] == ["fc"]
    (skipped,) = weights.skipped
    assert (skipped.name, skipped.matrix) == ("sub/tf_model.h5", False)


def test_several_models_are_all_read_behind_the_names_of_their_files(tmp_path: Path) -> None:
    save(tmp_path / "pipe" / "text_encoder" / "model.safetensors", fc__weight=(3, 4), fc__bias=(3,))
    save(tmp_path / "pipe" / "unet" / "diffusion_pytorch_model.safetensors", fc__weight=(5, 4))
    save(tmp_path / "pipe" / "vae" / "first.safetensors", fc__weight=(6, 4))
    (tmp_path / "pipe" / "other.gguf").write_bytes(b"GGUF")
    weights = read_weights(tmp_path)
    assert [layer.name for layer in weights.layers] == ["text_encoder/fc", "unet/fc", "vae/first/fc"]
    assert (len(weights.files), weights.vectors) == (3, 1)
    (skipped,) = weights.skipped
    assert (skipped.name, skipped.matrix) == ("pipe/other.gguf", True)
    assert "GGUF" in skipped.reason


def test_numbered_shards_without_an_index_are_one_model(tmp_path: Path) -> None:
    save(tmp_path / "model-00001-of-00002.safetensors", a__weight=(3, 4))
    save(tmp_path / "model-00002-of-00002.safetensors", b__weight=(3, 4))
    assert [layer.name for layer in read_weights(tmp_path).layers] == ["a", "b"]


def test_shards_of_an_index_are_not_models_of_their_own(tmp_path: Path) -> None:
    save(tmp_path / "first.safetensors", a__weight=(3, 4))
    save(tmp_path / "second.safetensors", b__weight=(3, 4))
    save(tmp_path / "model-00001-of-00001.safetensors", c__weight=(3, 4))
    weight_map = {"a.weight": "first.safetensors", "b.weight": "second.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    weights = read_weights(tmp_path)
    assert [layer.name for layer in weights.layers] == ["a", "b"]
    assert [(item.name, item.matrix) for item in weights.skipped] == [
        ("model-00001-of-00001.safetensors", True)
    ]


def test_a_file_name_that_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "model.safetensors", a__weight=(3, 4))
    (tmp_path / os.fsdecode(b"\xff.bin")).write_bytes(b"")
    with pytest.raises(UnsafeModelError, match="Unicode"):
        read_weights(tmp_path)


@pytest.mark.parametrize("flavour", ["sklearn", "xgboost", "lightgbm", "catboost"])
def test_a_flavour_without_weights_has_nothing_to_measure(tmp_path: Path, flavour: str) -> None:
    mlmodel(tmp_path, f"  {flavour}: {{}}")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Harmful(tmp_path / "touched")))
    why = "whose estimator is a pickle, which is not opened" if flavour == "sklearn" else "no weight matrices"
    with pytest.raises(NothingToMeasureError, match=f"{flavour} flavour, .*{why}") as caught:
        read_weights(tmp_path)
    assert caught.value.unsafe_globals == (f"{os.system.__module__}.system",)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("other", ["sklearn: {pickled_model: model.pkl}", "xgboost: {}", "mine: {}"])
def test_a_flavour_without_weights_hides_none_that_lie_there(tmp_path: Path, other: str) -> None:
    for flavours in (f"  {other}", f"  {other}\n  onnx: {{data: x.safetensors}}"):
        mlmodel(tmp_path, flavours)
        save(tmp_path / "x.safetensors", fc__weight=(3, 4))
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(Harmful(tmp_path / "touched")))
        weights = read_weights(tmp_path)
        assert [layer.name for layer in weights.layers] == ["fc"]
        assert f"{os.system.__module__}.system" in weights.unsafe_globals


def test_a_flavour_that_is_not_read_hides_none_that_is_and_counts_as_not_measured(tmp_path: Path) -> None:
    mlmodel(tmp_path, "  spacy: {data: data}\n  onnx: {data: x.safetensors}")
    save(tmp_path / "x.safetensors", fc__weight=(3, 4))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "model").write_bytes(bytes(4000))
    weights = read_weights(tmp_path)
    assert [layer.name for layer in weights.layers] == ["fc"]
    (skipped,) = weights.skipped
    assert (skipped.name, skipped.parameters, skipped.matrix) == ("spacy", 1000, True)


def test_weights_of_a_format_that_is_not_read_are_not_nothing_to_measure(tmp_path: Path) -> None:
    mlmodel(tmp_path, "  sklearn: {}")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="GGUF"):
        read_weights(tmp_path)


@pytest.mark.parametrize(("flavour", "title"), [("spacy", "spaCy"), ("paddle", "Paddle")])
def test_a_flavour_that_is_not_read_yet_says_so_and_lists_those_that_are(
    tmp_path: Path, flavour: str, title: str
) -> None:
    mlmodel(tmp_path, f"  {flavour}: {{data: data}}")
    save(tmp_path / "decoy.safetensors", fc__weight=(3, 4))
    with pytest.raises(ModelError, match=title) as caught:
        read_weights(tmp_path)
    assert caught.value.hint is not None
    for name in ("onnx", "safetensors", "pytorch-zip", "torchscript", "pytorch-pt2", "pytorch-legacy"):
        assert name in caught.value.hint


def test_only_what_the_flavour_loads_is_measured(tmp_path: Path) -> None:
    mlmodel(tmp_path, "  transformers: {model_binary: model, task: x}")
    save(tmp_path / "model" / "model.safetensors", fc__weight=(3, 4))
    save(tmp_path / "extra" / "other.safetensors", fc__weight=(3, 4))
    weights = read_weights(tmp_path)
    assert weights.files == ("model/model.safetensors",)
    assert [(item.name, item.matrix) for item in weights.skipped] == [("extra/other.safetensors", False)]


def test_an_adapter_alone_is_a_model(tmp_path: Path) -> None:
    mlmodel(tmp_path, "  transformers: {peft_adaptor: peft, source_model_name: some/model}")
    names = {"m__q__lora_A__weight": (2, 8), "m__q__lora_B__weight": (6, 2)}
    save(tmp_path / "peft" / "adapter_model.safetensors", **names)
    (layer,) = read_weights(tmp_path).layers
    assert (layer.name, layer.kind, layer.shape) == ("m.q.lora", "lora", (6, 8))


def test_a_transformers_model_that_is_only_a_name_has_nothing_to_measure(tmp_path: Path) -> None:
    mlmodel(tmp_path, "  transformers: {source_model_name: some/model}")
    with pytest.raises(NothingToMeasureError, match="transformers"):
        read_weights(tmp_path)


def test_a_flavour_that_needs_files_and_has_none_is_broken(tmp_path: Path) -> None:
    mlmodel(tmp_path, "  pytorch: {model_data: data}")
    with pytest.raises(ModelError):
        read_weights(tmp_path)


@pytest.mark.parametrize("place", ["../other", "/etc", "a/../../b"])
def test_a_place_outside_the_artifact_is_refused(tmp_path: Path, place: str) -> None:
    mlmodel(tmp_path, f"  pytorch: {{model_data: {place}}}")
    with pytest.raises(UnsafeModelError, match="outside"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "flavors: 3",
        "flavors: {a: 1, a: 2}",
        "flavors: [",
        "flavors: {" + "? [" * 5000,
        "\x00",
        "flavors: !!python/object/apply:os.system [touch touched]",
        "flavors: {1: {}, ? [a] : b}",
        "x: &a [*a]",
    ],
    ids=range(10),
)
def test_a_hostile_mlmodel_is_a_model_error(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(GateError):
        read_weights(tmp_path)
    assert not (tmp_path / "touched").exists()


def test_pickles_beside_the_weights_are_reported_and_never_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    harmful = pickle.dumps(Harmful(touched))
    save(tmp_path / "artifacts" / "model.safetensors", fc__weight=(3, 4))
    (tmp_path / "artifacts" / "pytorch_model.bin").write_bytes(harmful)
    (tmp_path / "python_model.pkl").write_bytes(harmful)
    (tmp_path / "innocent.txt").write_bytes(harmful)
    (tmp_path / "packed.joblib").write_bytes(b"\x78\x9c compressed")
    weights = read_weights(tmp_path)
    assert weights.unsafe_globals == (f"{os.system.__module__}.system", "unreadable pickle packed.joblib")
    assert not touched.exists()
    for name in ("python_model.pkl", "innocent.txt", "artifacts/pytorch_model.bin"):
        (tmp_path / name).unlink()
    assert read_weights(tmp_path).unsafe_globals == ("unreadable pickle packed.joblib",)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = save(tmp_path / "outside" / "model.safetensors", fc__weight=(3, 4))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(outside)
    with pytest.raises(UnsafeModelError):
        read_weights(folder)
    with pytest.raises(UnsafeModelError):
        read_weights(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    (folder / "linked").symlink_to(outside.parent)
    with pytest.raises(ModelError):
        read_weights(folder)


def test_a_broken_link_or_a_pipe_is_an_error_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(ModelError):
        read_weights(tmp_path)
    with pytest.raises(ModelError):
        read_weights(tmp_path / "model.safetensors")
    with pytest.raises(ModelError):
        read_weights(tmp_path / "absent")


def test_folders_of_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 3)
    for index in range(4):
        save(tmp_path / f"{index}.safetensors", fc__weight=(3, 4))
    with pytest.raises(UnsafeModelError, match="more than 3"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.gguf", b"GGUF", "GGUF"),
        ("model.onnx", b"\xff\xff", "no format"),
        ("model.txt", b"hello", "no format"),
    ],
)
def test_a_file_of_no_known_format_is_an_error_that_lists_the_formats(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(ModelError, match=says) as caught:
            read_weights(path)
        assert "safetensors" in (caught.value.hint or "")


def test_a_damaged_model_is_not_left_out_because_another_is_whole(tmp_path: Path) -> None:
    save(tmp_path / "good.safetensors", fc__weight=(3, 4))
    (tmp_path / "bad.pth").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"bad\.pth"):
        read_weights(tmp_path)


def test_a_bin_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    save(tmp_path / "model.safetensors", fc__weight=(3, 4))
    (tmp_path / "vocabulary.bin").write_bytes(b"words")
    assert [(item.name, item.matrix) for item in read_weights(tmp_path).skipped] == [("vocabulary.bin", True)]


@pytest.mark.registry_package
def test_a_release_in_several_formats_is_read_once(tmp_path: Path) -> None:
    for name in ("silero_vad.onnx", "silero_vad.jit"):
        (tmp_path / name).write_bytes(fetch("silero-vad", "5.1", f"silero_vad/data/{name}").read_bytes())
    weights = read_weights(tmp_path)
    assert (weights.format, weights.files, weights.unsafe_globals) == ("onnx", ("silero_vad.onnx",), ())
    assert [item.name for item in weights.skipped if "format" in item.reason] == ["silero_vad.jit"]
