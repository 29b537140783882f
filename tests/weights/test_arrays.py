from __future__ import annotations

import pickle

import ml_dtypes
import numpy as np
import pytest

from gate.errors import ModelError
from gate.weights.arrays import from_arrays


def test_arrays_are_kept_by_reference_and_named_by_their_framework_s_habit() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    weights = from_arrays({"fc.weight": values, "fc.bias": [1.0, 2.0, 3.0]})
    assert (weights.format, weights.files, weights.vectors) == ("arrays", (), 1)
    (layer,) = weights.layers
    assert (layer.name, layer.kind, layer.shape, layer.dtype) == ("fc", "dense", (3, 4), "float32")
    assert np.shares_memory(layer.read(), values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(layer)).read(), values)


def test_types_that_are_no_floats_come_out_as_float32() -> None:
    values = np.array([[1.5, 2.0]], dtype=ml_dtypes.bfloat16)
    (layer,) = from_arrays({"fc.weight": values}).layers
    assert (layer.dtype, layer.read().dtype.name) == ("bfloat16", "float32")


def test_one_memory_under_two_names_is_measured_once() -> None:
    values = np.ones((4, 4))
    weights = from_arrays({"wte.weight": values, "lm_head.weight": values[:], "other.weight": values.T})
    assert [layer.name for layer in weights.layers] == ["wte", "other"]
    assert [item.name for item in weights.skipped] == ["lm_head.weight"]


class Variable:
    """What TensorFlow's and Keras's variables can do."""

    def __init__(self, values: object) -> None:
        self.values = values

    def numpy(self) -> object:
        return self.values


class Array:
    """What JAX's arrays can do."""

    def __array__(self, dtype: object = None, copy: object = None) -> object:
        return np.full((3, 2), 7.0)


def test_variables_and_array_likes_are_seen_by_what_they_can_do() -> None:
    weights = from_arrays({"dense/kernel:0": Variable(np.full((2, 3), 5.0)), "w": Array()})
    assert [(layer.name, layer.shape, float(layer.read()[0, 0])) for layer in weights.layers] == [
        ("dense", (3, 2), 5.0),
        ("w", (3, 2), 7.0),
    ]


@pytest.mark.parametrize(
    "arrays", [{1: np.ones((2, 2))}, {"a": [[1], [1, 2]]}, {"a": Variable([[1], [1, 2]])}]
)
def test_what_is_no_array_is_refused(arrays: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        from_arrays(arrays)


def test_an_array_of_objects_is_named_not_measured() -> None:
    weights = from_arrays({"fc.weight": np.array([["a", None]], dtype=object)})
    assert weights.layers == ()
    assert [item.matrix for item in weights.skipped] == [True]


@pytest.mark.torch
def test_a_live_torch_module_reads_like_its_values() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 4), torch.nn.Linear(6, 4).bfloat16(), torch.nn.Linear(6, 4)
    )
    model[2].weight = model[0].weight
    weights = from_arrays(dict(model.named_parameters(remove_duplicate=False)))
    assert [(layer.name, layer.dtype) for layer in weights.layers] == [("0", "float32"), ("1", "bfloat16")]
    assert [item.name for item in weights.skipped] == ["2.weight"]
    for layer in weights.layers:
        expected = model[int(layer.name)].weight.detach().float().numpy()
        np.testing.assert_array_equal(layer.read(), expected)


@pytest.mark.torch
def test_a_quantised_torch_tensor_is_dequantised_and_keeps_its_step() -> None:
    torch = pytest.importorskip("torch")
    values = torch.randn(4, 8)
    whole = torch.quantize_per_tensor(values, 0.1, 3, torch.quint8)
    rows = torch.quantize_per_channel(
        values, torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.zeros(4), 0, torch.qint8
    )
    first, second = from_arrays({"a.weight": whole, "b.weight": rows}).layers
    np.testing.assert_array_equal(first.read(), whole.dequantize().numpy())
    np.testing.assert_array_equal(second.read(), rows.dequantize().numpy())
    assert first.quantisation_step == pytest.approx(0.1)
    assert second.quantisation_step == pytest.approx(np.sqrt(0.3 / 4))


@pytest.mark.torch
def test_a_tensor_without_values_is_an_error_when_it_is_read() -> None:
    torch = pytest.importorskip("torch")
    weights = from_arrays({"fc.weight": torch.empty(3, 3, device="meta")})
    with pytest.raises(ModelError, match=r"fc\.weight"):
        weights.layers[0].read()
