"""Files that the real Keras wrote, compared with the models it wrote them from."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gate
from gate.weights import read_weights
from gate.weights.live import read_live
from tests.weights.keras.models import MODELS, L, filled, keras

if TYPE_CHECKING:
    from pathlib import Path

    from gate.layer import WeightLayer
    from gate.weights.interface import ModelWeights

pytestmark = pytest.mark.torch
SUFFIXES = (".keras", ".h5", ".weights.h5")
FORMATS = {".keras": "keras", ".h5": "keras-hdf5", ".weights.h5": "keras-hdf5"}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return filled(request.param)


def save(model: Any, path: Path) -> Path:
    (model.save_weights if path.name.endswith(".weights.h5") else model.save)(str(path))
    return path


def row(layer: WeightLayer) -> tuple[object, ...]:
    return layer.name, layer.kind, layer.shape, layer.dtype, layer.parts, layer.stored_shape


def assert_like_live(found: ModelWeights, model: Any) -> None:
    live = read_live(model).weights
    assert [row(layer) for layer in found.layers] == [row(layer) for layer in live.layers]
    for layer, other in zip(found.layers, live.layers, strict=True):
        np.testing.assert_array_equal(layer.read(), other.read())
    assert (found.vectors, found.vector_parameters) == (live.vectors, live.vector_parameters)
    assert found.batch_norms == live.batch_norms
    assert not [item for item in found.skipped if item.matrix]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_reads_like_the_model_it_was_saved_from(tmp_path: Path, model: Any, suffix: str) -> None:
    is_foreign = type(model).__name__ == "Subclassed"
    if suffix == ".h5" and is_foreign:
        pytest.skip("Keras itself writes no model of somebody's own class so")
    found = read_weights(save(model, tmp_path / f"model{suffix}"))
    assert found.format == FORMATS[suffix]
    assert found.files == (f"model{suffix}",)
    assert found.unreferenced_bytes < 6_000
    foreign = ("tests.weights.keras.models.Subclassed",)
    assert found.unsafe_globals == (foreign if is_foreign and suffix == ".keras" else ())
    assert_like_live(found, model)


def test_every_matrix_is_one_of_get_weights(tmp_path: Path, model: Any) -> None:
    found = read_weights(save(model, tmp_path / "model.keras"))
    matrices = [np.sort(values, None) for values in model.get_weights() if values.ndim > 1]
    left = [item for item in found.skipped if item.parameters]
    repeated = sum("the same values" in item.reason for item in left)
    assert len(found.layers) + len(left) - repeated == len(matrices)
    for layer in found.layers:
        mine = np.sort(layer.read(), None)
        assert any(np.array_equal(mine, values) for values in matrices)


def test_the_analysis_of_a_file_is_that_of_the_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((40,)), L.Dense(90), L.Dense(60), L.Dense(50)])
    from_file, live = gate.analyze(save(model, tmp_path / "model.keras")), gate.analyze(model)
    rows = [(layer.name, layer.kind, layer.alpha) for layer in from_file.layers]
    assert rows == [(layer.name, layer.kind, layer.alpha) for layer in live.layers]
    assert len(rows) == 3
    assert None not in {alpha for *_, alpha in rows}


def test_what_training_goes_on_from_is_not_the_model(tmp_path: Path) -> None:
    model = filled("functional")
    for suffix, name in ((".keras", "optimizer"), (".h5", "optimizer_weights")):
        found = read_weights(save(model, tmp_path / f"model{suffix}"))
        (left,) = [item for item in found.skipped if "optimizer" in item.name]
        assert (left.name, left.reason, left.matrix) == (
            name,
            "state of the optimizer, not the model",
            False,
        )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_classes_and_settings_tell_what_names_do_not(tmp_path: Path, suffix: str) -> None:
    start = keras.Input((8, 8, 1))
    x = L.Conv2D(6, 3, name="one_channel")(start)
    x = L.Conv2D(9, 3, groups=3, name="grouped")(x)
    x = L.Conv2DTranspose(5, 3, name="up")(x)
    x = L.EinsumDense("abcd,def->abcef", output_shape=(None, None, 2, 4), name="heads")(x)
    model = keras.Model(start, x)
    found = read_weights(save(model, tmp_path / f"model{suffix}"))
    rows = {layer.name: (layer.kind, layer.shape, layer.groups) for layer in found.layers}
    if suffix == ".weights.h5":  # holds no settings
        assert rows["grouped"] == ("conv2d", (9, 2, 3, 3), 1)
        return
    assert rows == {
        "one_channel": ("conv2d", (6, 1, 3, 3), 1),
        "grouped": ("conv2d", (9, 2, 3, 3), 3),
        "up": ("conv_transpose2d", (5, 9, 3, 3), 1),
        "heads": ("dense", (8, 5), 1),
    }
    values = dict(zip((weight.path for weight in model.weights), model.get_weights(), strict=True))
    layers = {layer.name: layer.read() for layer in found.layers}
    np.testing.assert_array_equal(layers["up"], values["up/kernel"].transpose(2, 3, 0, 1))
    np.testing.assert_array_equal(layers["heads"], values["heads/kernel"].reshape(5, 8).T)
    np.testing.assert_array_equal(layers["grouped"], values["grouped/kernel"].transpose(3, 2, 0, 1))
    assert_like_live(found, model)


def test_weights_of_sixteen_bits(tmp_path: Path) -> None:
    for policy in ("float16", "bfloat16"):
        model = keras.Sequential([keras.Input((6,)), L.Dense(9, dtype=keras.DTypePolicy(policy))])
        found = read_weights(save(model, tmp_path / f"{policy}.keras"))
        assert [layer.dtype for layer in found.layers] == [policy]
        np.testing.assert_array_equal(found.layers[0].read(), model.get_weights()[0].astype("f4").T)


def test_quantised_weights_are_named_and_counted(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((6,)), L.Dense(9)])
    model.quantize("int8")
    found = read_weights(save(model, tmp_path / "model.keras"))
    assert found.layers == ()
    (left,) = found.skipped
    assert (left.parameters, left.matrix) == (54, True)
    assert "int8" in left.reason


def test_code_in_a_model_is_reported_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    path = str(target)
    model = keras.Sequential(
        [keras.Input((6,)), L.Dense(9), L.Lambda(lambda x: (open(path, "w"), x)[1] if x is None else x)]  # noqa: PTH123, SIM115
    )
    for suffix in (".keras", ".h5"):
        found = read_weights(save(model, tmp_path / f"model{suffix}"))
        assert found.unsafe_globals == ("keras.layers.Lambda",)
        assert len(found.layers) == 1
    assert not target.exists()


@keras.saving.register_keras_serializable(package="mine")
class Doubled(L.Layer):  # type: ignore[misc]
    """A layer of somebody's own, with weights that Keras cannot name in the file."""

    def build(self, shape: Any) -> None:
        self.mix = self.add_weight(shape=(int(shape[-1]), 7), name="mix")

    def call(self, x: Any) -> Any:
        return x @ self.mix


def test_foreign_classes_are_reported_and_their_weights_measured(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((6,)), Doubled(name="own")])
    found = read_weights(save(model, tmp_path / "model.keras"))
    assert found.unsafe_globals == (f"{__name__}.Doubled",)
    (layer,) = found.layers
    assert (layer.kind, layer.shape) == ("dense", (7, 6))
    assert layer.name.endswith("/own")
    np.testing.assert_array_equal(layer.read(), model.get_weights()[0].T)


def test_an_archive_that_was_compressed_reads_the_same(tmp_path: Path) -> None:
    model = filled("convolutions")
    saved = save(model, tmp_path / "model.keras")
    packed = tmp_path / "packed.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert_like_live(read_weights(packed), model)


def test_a_model_that_was_unpacked_into_a_folder_reads_the_same(tmp_path: Path) -> None:
    model = filled("subclassed")
    with zipfile.ZipFile(save(model, tmp_path / "model.keras")) as archive:
        archive.extractall(tmp_path / "loose")
    found = read_weights(tmp_path / "loose")
    assert found.files == ("model.weights.h5", "config.json", "metadata.json")
    assert_like_live(found, model)


def test_assets_are_listed(tmp_path: Path) -> None:
    saved = save(filled("sequential"), tmp_path / "model.keras")
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("assets/vocabulary.txt", "a\nb\n")
    found = read_weights(saved)
    assert [(item.name, item.matrix) for item in found.skipped] == [("assets/vocabulary.txt", False)]
    assert found.unreferenced_bytes >= 4


@pytest.mark.parametrize("kind", ["keras", "tensorflow"])
def test_what_mlflow_wrote_reads_like_the_model(tmp_path: Path, kind: str) -> None:
    flavour = pytest.importorskip("mlflow.keras")
    model = filled("text")
    flavour.save_model(model, str(tmp_path / "model"), pip_requirements=["keras"])
    if kind == "tensorflow":  # the same files under another name; its own writer needs TensorFlow
        described = (tmp_path / "model" / "MLmodel").read_text().replace("keras:\n", "tensorflow:\n", 1)
        (tmp_path / "model" / "MLmodel").write_text(described)
    (tmp_path / "model" / "other.safetensors").write_bytes(b"not what the flavour loads")
    found = read_weights(tmp_path / "model")
    assert found.files == ("data/model.keras",)
    assert [item.name for item in found.skipped if item.name.endswith("safetensors")] == ["other.safetensors"]
    assert len(found.layers) == 8


def test_the_configuration_alone_names_old_weights_without_names(tmp_path: Path) -> None:
    """Keras 3.0 to 3.3 did not write a layer's name beside its arrays."""
    h5py = pytest.importorskip("h5py")
    model = filled("functional")
    saved = save(model, tmp_path / "model.keras")
    with zipfile.ZipFile(saved) as archive:
        config, weights = archive.read("config.json"), tmp_path / "model.weights.h5"
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        file.visititems(lambda _, node: node.attrs.pop("name", None) and None)
    old = tmp_path / "old.keras"
    with zipfile.ZipFile(old, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        archive.writestr("config.json", config)
        archive.write(weights, "model.weights.h5")
    assert_like_live(read_weights(old), model)
