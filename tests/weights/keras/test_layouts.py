"""Layouts of files that no Keras of today writes, or that only hold weights: made by hand with h5py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from gate.errors import ModelError
from gate.weights import read_weights
from gate.weights.keras import KerasHdf5Reader

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights

CHANCE = np.random.default_rng(0)


def values(*shape: int) -> Any:
    return CHANCE.normal(size=shape).astype(np.float32)


def legacy(path: Path, layers: dict[str, dict[str, Any]], config: list[Any] | None = None) -> ModelWeights:
    """Write and read a file as Keras 1 and 2 lay it out: weights only, a whole model with ``config``."""
    with h5py.File(path, "w") as file:
        root = file if config is None else file.create_group("model_weights")
        root.attrs["layer_names"] = np.array([name.encode() for name in layers])
        if config is not None:
            model = {"class_name": "Sequential", "config": config}
            file.attrs["model_config"] = json.dumps(model).encode()
        for layer, arrays in layers.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = np.array([name.encode() for name in arrays])
            for name, array in arrays.items():
                group[name] = array
    return read_weights(path)


def rows(weights: ModelWeights) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {layer.name: (layer.kind, layer.shape) for layer in weights.layers}


def test_weights_of_keras_2_without_a_model(tmp_path: Path) -> None:
    arrays = {
        "conv": {"conv/kernel:0": values(3, 3, 4, 8), "conv/bias:0": values(8)},
        "separate": {"separate/depthwise_kernel:0": values(3, 3, 8, 1)},
        "norm": {f"norm/{name}:0": values(8) for name in ("gamma", "beta", "moving_mean", "moving_variance")},
        "bare": {"kernel:0": values(8, 5)},
        "nothing": {},
    }
    weights = legacy(tmp_path / "model.h5", arrays)
    assert rows(weights) == {
        "conv": ("conv2d", (8, 4, 3, 3)),
        "separate/depthwise_kernel:0": ("depthwise", (8, 1, 3, 3)),
        "bare": ("dense", (5, 8)),
    }
    assert (weights.format, weights.vectors, weights.batch_norms) == ("keras-hdf5", 5, 1)
    np.testing.assert_array_equal(weights.layers[-1].read(), arrays["bare"]["kernel:0"].T)


KERAS_1 = {
    "convolution2d_1": {"convolution2d_1_W": values(8, 4, 3, 3), "convolution2d_1_b": values(8)},
    "convolution2d_2": {"convolution2d_2_W:0": values(3, 3, 8, 6), "convolution2d_2_b:0": values(6)},
    "embedding_1": {"embedding_1_W": values(20, 6)},
    "dense_1": {"dense_1_W": values(6, 5), "dense_1_b": values(5)},
}
KERAS_1_CONFIG = [
    {"class_name": "Convolution2D", "config": {"name": "convolution2d_1", "dim_ordering": "th"}},
    {"class_name": "Convolution2D", "config": {"name": "convolution2d_2", "dim_ordering": "tf"}},
    {"class_name": "Embedding", "config": {"name": "embedding_1"}},
    {"class_name": "Dense", "config": {"name": "dense_1"}},
]


def test_a_model_of_keras_1(tmp_path: Path) -> None:
    weights = legacy(tmp_path / "model.hdf5", KERAS_1, KERAS_1_CONFIG)
    assert rows(weights) == {
        "convolution2d_1/weight": ("conv2d", (8, 4, 3, 3)),
        "convolution2d_2": ("conv2d", (6, 8, 3, 3)),
        "embedding_1/embeddings": ("embedding", (20, 6)),
        "dense_1": ("dense", (5, 6)),
    }
    assert weights.vectors == 3


def test_kernels_of_keras_1_whose_order_nobody_tells_are_counted_as_lost(tmp_path: Path) -> None:
    weights = legacy(tmp_path / "model.h5", KERAS_1)
    assert [(item.name, item.matrix, item.parameters) for item in weights.skipped] == [
        ("convolution2d_1/convolution2d_1_W", True, 288),
        ("convolution2d_2/convolution2d_2_W:0", True, 432),
    ]


def test_names_that_are_too_many_for_one_attribute(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        for piece, names in enumerate((["a", "b"], ["c"])):
            file.attrs[f"layer_names{piece}"] = np.array([name.encode() for name in names])
        for name in "abc":
            group = file.create_group(name)
            group.attrs["weight_names0"] = np.array([f"{name}/kernel:0".encode()])
            group[f"{name}/kernel:0"] = values(3, 4)
    assert list(rows(read_weights(path))) == ["a", "b", "c"]


def test_arrays_that_no_layer_lists_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    legacy(path, {"dense": {"dense/kernel:0": values(3, 4)}})
    with h5py.File(path, "a") as file:
        file["dense/hidden"] = values(5, 6)
        file["elsewhere"] = values(7, 8)
    assert {(item.name, item.matrix) for item in read_weights(path).skipped} == {
        ("dense/hidden", True),
        ("elsewhere", True),
    }


@pytest.mark.parametrize(
    ("missing", "said"),
    [("layer", "the layer 'dense' is not"), ("array", "the array 'dense/kernel:0' is not")],
)
def test_what_is_announced_and_not_there_is_an_error(tmp_path: Path, missing: str, said: str) -> None:
    path = tmp_path / "model.h5"
    legacy(path, {"dense": {"dense/kernel:0": values(3, 4)}})
    with h5py.File(path, "a") as file:
        del file["dense" if missing == "layer" else "dense/dense/kernel:0"]
    with pytest.raises(ModelError, match=said):
        read_weights(path)


def numbered(path: Path, arrays: dict[str, Any], names: dict[str, str]) -> ModelWeights:
    """Write and read a file as Keras 3 lays it out, without a configuration."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        for group, name in names.items():
            file.require_group(group).attrs["name"] = name
    return read_weights(path)


def test_layers_of_unknown_classes_are_told_by_their_shapes(tmp_path: Path) -> None:
    arrays = {
        "vars/0": values(2, 2),
        "mine/vars/0": values(3, 3, 4, 8),
        "mine/vars/1": values(8),
        "deep/vars/0": values(3, 3, 4, 2),
        "deep/vars/1": values(8),
        "odd/vars/0": values(3, 3, 4, 2),
        "odd/vars/1": values(7),
        "odd/loose": values(4, 4),
        "many/vars/0": values(3, 4),
        "many/vars/1": values(4, 3),
        "many/vars/2": values(4, 3),
        "items/container/dense/vars/0": values(4, 6),
    }
    weights = numbered(tmp_path / "model.weights.h5", arrays, {"vars": "model", "mine/vars": "own"})
    assert rows(weights) == {
        "model": ("dense", (2, 2)),
        "model/own": ("conv2d", (8, 4, 3, 3)),
        "model/deep/depthwise_kernel": ("depthwise", (8, 1, 3, 3)),
        "model/many/0": ("dense", (3, 4)),
        "model/many/1": ("dense", (4, 3)),
        "model/many/2": ("dense", (4, 3)),
        "model/dense": ("dense", (6, 4)),
    }
    assert {(item.name, item.matrix) for item in weights.skipped} == {
        ("model/odd/0", True),
        ("model/odd/loose", True),
    }


def test_two_layers_of_one_name_are_both_measured(tmp_path: Path) -> None:
    arrays = {f"layers/dense{index}/vars/0": values(3, 4) for index in ("", "_1", "_2")}
    names = {f"layers/dense{index}/vars": "same" for index in ("", "_1", "_2")}
    weights = numbered(tmp_path / "model.weights.h5", arrays, names)
    assert list(rows(weights)) == ["same", "same#2", "same#3"]


def test_a_group_among_the_arrays_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="in place of an array"):
        numbered(tmp_path / "model.weights.h5", {"layers/dense/vars/0/1": values(2)}, {})


def test_hdf5_of_something_else_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["images"] = values(4, 4)
    assert not KerasHdf5Reader().matches(path)
    with pytest.raises(ModelError, match=r"data\.h5"):
        read_weights(path)
    with pytest.raises(ModelError, match="holds no Keras model"):
        KerasHdf5Reader().read(path, root=tmp_path)


def test_hdf5_of_something_else_beside_a_model_is_left_out(tmp_path: Path) -> None:
    legacy(tmp_path / "model.h5", {"dense": {"dense/kernel:0": values(3, 4)}})
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["images"] = values(4, 4)
    weights = read_weights(tmp_path)
    assert weights.files == ("model.h5",)
    assert [item.name for item in weights.skipped] == ["data.h5"]
