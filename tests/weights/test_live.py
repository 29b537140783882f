"""Live models by what they can do; the names and shapes of Keras and Flax as their releases give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import ModelError, UsageError
from gate.weights import read_weights
from gate.weights.live import read_live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.layer import WeightLayer


def layers(model: object) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {layer.name: (layer.kind, layer.shape) for layer in read_live(model).weights.layers}


class Variable:
    """A variable of Keras 3.15 or 2: a path or a name, a shape and ``numpy()``."""

    def __init__(self, path: str, *shape: int, keras: int = 3) -> None:
        self.name = path.rpartition("/")[2] if keras > 2 else f"{path}:0"
        self.values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        if keras > 2:
            self.path = path

    def numpy(self) -> Any:
        return self.values


class Depthwise:
    depth_multiplier = 1

    def __init__(self, kernel: Variable) -> None:
        self.kernel = kernel


class KerasModel:
    """Keras with torch as its backend: a module whose state dict has other names."""

    def __init__(self, *weights: Variable, depthwise: Variable | None = None) -> None:
        self.weights = list(weights)
        self.nested = [Depthwise(depthwise)] if depthwise else []

    def get_weights(self) -> list[Any]:
        return [variable.numpy() for variable in self.weights]

    def _flatten_layers(self) -> Iterator[object]:
        yield object()
        yield from self.nested

    def state_dict(self) -> dict[str, Any]:
        raise AssertionError("the module's own names tell nothing")

    def named_parameters(self) -> dict[str, Any]:
        raise AssertionError("see above")


def test_a_keras_3_model() -> None:
    depthwise = Variable("depthwise_conv2d/kernel", 3, 3, 8, 1)
    model = KerasModel(
        Variable("conv2d/kernel", 3, 3, 3, 8),
        Variable("conv2d/bias", 8),
        depthwise,
        Variable("separable_conv2d/depthwise_kernel", 3, 3, 8, 1),
        Variable("separable_conv2d/pointwise_kernel", 1, 1, 8, 12),
        Variable("conv2d_transpose/kernel", 3, 3, 6, 12),
        Variable("batch_normalization/moving_mean", 6),
        Variable("batch_normalization/moving_variance", 6),
        Variable("multi_head_attention/query/kernel", 6, 2, 4),
        Variable("multi_head_attention/query/bias", 2, 4),
        Variable("multi_head_attention/attention_output/kernel", 2, 5, 6),
        Variable("gru/gru_cell/kernel", 6, 21),
        Variable("gru/gru_cell/recurrent_kernel", 7, 21),
        Variable("gru/gru_cell/bias", 2, 21),
        Variable("embedding/embeddings", 20, 4),
        Variable("sequential/dense/kernel", 10, 9),
        depthwise=depthwise,
    )
    assert layers(model) == {
        "conv2d": ("conv2d", (8, 3, 3, 3)),
        "depthwise_conv2d/depthwise_kernel": ("depthwise", (8, 1, 3, 3)),
        "separable_conv2d/depthwise_kernel": ("depthwise", (8, 1, 3, 3)),
        "separable_conv2d/pointwise_kernel": ("conv2d", (12, 8, 1, 1)),
        "conv2d_transpose": ("conv_transpose2d", (6, 12, 3, 3)),
        "multi_head_attention/query": ("dense", (8, 6)),
        "multi_head_attention/attention_output": ("dense", (6, 10)),
        "gru/gru_cell": ("gru", (21, 6)),
        "gru/gru_cell/recurrent_kernel": ("gru", (21, 7)),
        "embedding/embeddings": ("embedding", (20, 4)),
        "sequential/dense": ("dense", (9, 10)),
    }
    weights = read_live(model).weights
    assert {(item.name, item.reason) for item in weights.skipped} == {
        ("multi_head_attention/query/bias", "bias"),
        ("gru/gru_cell/bias", "bias"),
    }
    assert (weights.vectors, weights.batch_norms) == (3, 1)
    np.testing.assert_array_equal(weights.layers[-1].read(), model.weights[-1].numpy().T)


def test_a_keras_2_model_names_its_variables_with_a_zero() -> None:
    model = KerasModel(Variable("conv/kernel", 3, 3, 2, 4, keras=2), Variable("conv/bias", 4, keras=2))
    assert layers(model) == {"conv": ("conv2d", (4, 2, 3, 3))}


def test_two_variables_of_one_name_are_both_measured() -> None:
    model = KerasModel(Variable("dense/kernel", 3, 4), Variable("dense/kernel", 4, 5))
    assert layers(model) == {"dense": ("dense", (4, 3)), "dense#2": ("dense", (5, 4))}


FLAX = {
    "params": {
        "Conv_0": {"kernel": np.ones((3, 3, 3, 8)), "bias": np.ones(8)},
        "Attention_0": {"out": {"kernel": np.ones((2, 3, 6))}, "query": {"kernel": np.ones((6, 2, 3))}},
        "Dense_0": {"kernel": np.ones((6, 5)), "bias": np.ones(5)},
    },
    "batch_stats": {},
}


def test_nested_parameters_are_named_by_dotted_paths() -> None:
    assert layers(FLAX) == {
        "params.Attention_0.out": ("dense", (6, 6)),
        "params.Attention_0.query": ("dense", (6, 6)),
        "params.Conv_0": ("conv2d", (8, 3, 3, 3)),
        "params.Dense_0": ("dense", (5, 6)),
    }


def test_the_order_of_a_tree_s_keys_does_not_count_and_that_of_a_state_dict_does() -> None:
    def names(*order: str) -> list[str]:
        return list(layers({"params": {name: {"kernel": np.ones((3, 2))} for name in order}}))

    assert (
        names("Dense_10", "Dense_2") == names("Dense_2", "Dense_10") == ["params.Dense_2", "params.Dense_10"]
    )
    assert list(layers({"b.weight": np.ones((3, 2)), "a.weight": np.ones((3, 2))})) == ["b", "a"]


def test_a_model_that_keeps_its_parameters_in_params() -> None:
    class FlaxModel:
        params = FLAX["params"]

    assert list(layers(FlaxModel())) == ["Attention_0.out", "Attention_0.query", "Conv_0", "Dense_0"]


def test_lists_of_arrays_are_containers_and_lists_of_numbers_are_arrays() -> None:
    found = layers({"mlp": [(np.ones((4, 3)), np.ones(4)), (np.ones((2, 4)), None)], "w": [[1.5, 2], [3, 4]]})
    assert found == {
        "mlp.0.0": ("dense", (4, 3)),
        "mlp.1.0": ("dense", (2, 4)),
        "w": ("dense", (2, 2)),
    }


def test_one_dotted_path_spelt_twice_is_measured_twice() -> None:
    assert layers({"a.b": np.ones((3, 2)), "a": {"b": np.ones((5, 4))}}) == {
        "a.b": ("dense", (3, 2)),
        "a#2.b": ("dense", (5, 4)),
    }


def test_what_is_no_array_is_named_and_settings_are_not() -> None:
    held = {"w": np.ones((3, 2)), "_extra_state": object(), "dtype": np.dtype("f4"), "name": "x", "n": 3}
    (item,) = read_live(held).weights.skipped
    assert (item.name, item.reason) == ("_extra_state", "a object, which is no array")


def test_scikit_learn_s_estimators() -> None:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    samples, labels = np.random.default_rng(0).normal(size=(60, 20)), np.arange(60) % 3
    network = MLPClassifier((16, 8), max_iter=2000, random_state=0).fit(samples, labels)
    assert layers(network) == {
        "coefs_.0": ("dense", (20, 16)),
        "coefs_.1": ("dense", (16, 8)),
        "coefs_.2": ("dense", (8, 3)),
    }
    assert read_live(network).weights.vectors == 3
    linear = LogisticRegression().fit(samples, labels).sparsify()
    assert layers(linear) == {"coef_": ("dense", (3, 20))}
    np.testing.assert_array_equal(read_live(linear).weights.layers[0].read(), linear.coef_.toarray())


def test_arrays_of_python_objects_are_skipped_and_named_before_anything_is_measured() -> None:
    names, rows = np.array(["cat", "dog"], dtype=object), np.array([["a", None]], dtype=object)
    live = read_live({"w": np.ones((3, 2)), "label_names": names, "rows": rows})
    assert [layer.name for layer in live.weights.layers] == ["w"]
    assert live.weights.vectors == 0
    assert [(item.name, item.parameters, item.matrix) for item in live.weights.skipped] == [
        ("label_names", 2, False),
        ("rows", 2, True),
    ]
    assert all("Python objects" in item.reason for item in live.weights.skipped)


def test_what_is_no_array_hides_no_weights_of_its_name() -> None:
    for first in (object(), np.array(["a"], dtype=object)):
        live = read_live({"a": {"b": first}, "a.b": np.ones((3, 2))})
        assert [layer.shape for layer in live.weights.layers] == [(3, 2)]


def test_masked_elements_are_refused_and_a_mask_of_nothing_is_not() -> None:
    values = np.ones((3, 2))
    with pytest.raises(ModelError, match=r"'w' has masked elements"):
        read_live({"w": np.ma.masked_greater(values, 0)})
    assert layers({"w": np.ma.array(values, mask=False)}) == layers({"w": values})


CHECKPOINT: dict[str, Any] = {
    "epoch": 3,
    "state_dict": {"fc.weight": np.ones((4, 3)), "fc.bias": np.ones(4)},
    "optimizer_states": [
        {"state": {0: {"step": 7, "exp_avg": np.ones((4, 3))}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    ],
}


@pytest.mark.parametrize(
    ("held", "name", "elements"),
    [
        (CHECKPOINT, "optimizer_states", 12),
        ({"w": np.ones((4, 3)), "mine": CHECKPOINT["optimizer_states"][0]}, "mine", 12),
        ({"w": np.ones((4, 3)), "optimizer": {"m": np.ones((2, 2)), "v": [np.ones(3)]}}, "optimizer", 7),
    ],
)
def test_the_state_of_an_optimizer_is_left_out_and_said_to_be(
    held: dict[str, Any], name: str, elements: int
) -> None:
    weights = read_live(held).weights
    assert [layer.shape for layer in weights.layers] == [(4, 3)]
    (item,) = weights.skipped
    assert (item.name, item.parameters, item.matrix) == (name, elements, False)
    assert "optimizer state" in item.reason


def test_weights_beside_the_keys_of_an_optimizer_are_not_hidden_by_them() -> None:
    held = {"state": {"w": np.ones((4, 3))}, "param_groups": [], "more": np.ones((2, 2))}
    assert sorted(layer.shape for layer in read_live(held).weights.layers) == [(2, 2), (4, 3)]


@pytest.mark.torch
def test_a_checkpoint_in_memory_reads_like_its_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(6, 4)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(2, 6)).sum().backward()
    optimizer.step()
    held = {"state_dict": module.state_dict(), "optimizer_states": [optimizer.state_dict()], "epoch": 1}
    torch.save(held, tmp_path / "pl.ckpt")
    live, file = read_live(held).weights, read_weights(tmp_path / "pl.ckpt")
    assert [layer.name for layer in live.layers] == [layer.name for layer in file.layers] == ["state_dict"]
    assert live.skipped == file.skipped


@pytest.mark.torch
def test_a_lazy_layer_without_a_shape_is_a_clear_error() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ModelError, match="'weight' has no shape yet") as caught:
        read_live(torch.nn.LazyLinear(10))
    assert "first time" in (caught.value.hint or "")


def test_what_holds_itself_is_refused() -> None:
    mapping: dict[str, Any] = {"w": np.ones((2, 2))}
    mapping["me"] = mapping
    listed: list[Any] = []
    listed.append(listed)
    for held in (mapping, {"w": listed}, {"optimizer": listed}):
        with pytest.raises(UsageError, match="within itself"):
            read_live(held)


def test_a_class_is_no_model() -> None:
    with pytest.raises(UsageError, match=r"KerasModel is a class, not a model"):
        read_live(KerasModel)


@pytest.mark.parametrize("model", [object(), 3, None, np.ones((3, 3)), {("a", "b"): np.ones((2, 2))}])
def test_anything_else_is_refused_with_what_would_do(model: object) -> None:
    with pytest.raises(UsageError):
        read_live(model)


def described(layer: WeightLayer) -> tuple[object, ...]:
    return (
        layer.name,
        layer.kind,
        layer.shape,
        layer.dtype,
        layer.tensor,
        layer.parts,
        layer.quantisation_step,
    )


def assert_like_its_file(model: Any, path: Path) -> None:
    """A module gives the layers, and the values, that its saved state dict gives."""
    torch = pytest.importorskip("torch")
    torch.save(model.state_dict(), path)
    live, stored = read_live(model).weights, read_weights(path)
    assert [described(layer) for layer in live.layers] == [described(layer) for layer in stored.layers]
    assert [item.name for item in live.skipped] == [item.name for item in stored.skipped]
    for ours, theirs in zip(live.layers, stored.layers, strict=True):
        np.testing.assert_array_equal(ours.read(), theirs.read())
    assert (live.vectors, live.batch_norms) == (stored.vectors, stored.batch_norms)


@pytest.mark.torch
def test_a_torch_module_reads_like_its_saved_state_dict(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    model = nn.Sequential(
        nn.Embedding(30, 12),
        nn.LSTM(12, 8, bidirectional=True),
        nn.TransformerEncoderLayer(16, 4, 32),
        nn.Conv2d(16, 8, 3, groups=2),
        nn.BatchNorm2d(8),
        nn.Linear(8, 4, dtype=torch.bfloat16),
        nn.Linear(8, 4, dtype=torch.float16),
    )
    model[6].weight = nn.Parameter(model[5].weight.half())
    assert_like_its_file(model, tmp_path / "model.pt")


@pytest.mark.torch
def test_a_quantised_torch_module_reads_like_its_saved_state_dict(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.LSTM(8, 6))
    packed = torch.ao.quantization.quantize_dynamic(
        model, {torch.nn.Linear, torch.nn.LSTM}, dtype=torch.qint8
    )
    assert_like_its_file(packed, tmp_path / "model.pt")
    assert len(read_live(packed).weights.layers) == 3


@pytest.mark.torch
def test_tied_weights_of_a_transformers_model_are_measured_once() -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=40, n_positions=8)
    weights = read_live(transformers.GPT2LMHeadModel(config)).weights
    assert "transformer.wte" in [layer.name for layer in weights.layers]
    assert "lm_head.weight" in [item.name for item in weights.skipped]
