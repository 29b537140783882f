"""Recurrent layers, low-rank adapters and parametrisations: layers made of several tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gate.weights.arrays import from_arrays
from gate.weights.state_dict import describe
from tests.weights.state_dict.build import arrays, by_name, labels, shapes

_RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("rows", "kind", "gates"),
    [
        (4, "lstm", ["input", "forget", "cell", "output"]),
        (3, "gru", ["reset", "update", "new"]),
        (1, "rnn", []),
    ],
)
@pytest.mark.parametrize("suffix", ["", "_l0", "_l1_reverse"])
def test_recurrent_layers_are_told_by_rows_per_hidden_unit(
    rows: int, kind: str, gates: list[str], suffix: str
) -> None:
    tensors = {f"r.weight_ih{suffix}": (rows * 8, 5), f"r.weight_hh{suffix}": (rows * 8, 8)}
    layers = describe(shapes(tensors)).layers
    assert [layer.name for layer in layers] == list(tensors)
    assert {layer.kind for layer in layers} == {kind}
    expected = [(gate, 0, 8 * index, 8 * index + 8) for index, gate in enumerate(gates)]
    assert [labels(layer) for layer in layers] == [expected, expected]


def test_a_projected_lstm_is_told_by_its_projection() -> None:
    tensors = {"r.weight_ih_l0": (32, 5), "r.weight_hh_l0": (32, 2), "r.weight_hr_l0": (2, 8)}
    layers = describe(shapes(tensors)).layers
    assert [layer.kind for layer in layers] == ["lstm", "lstm", "dense"]
    assert layers[1].parts[0].stop == 8


def test_half_a_recurrent_layer_is_an_ordinary_matrix() -> None:
    (layer,) = describe(shapes({"r.weight_ih_l0": (32, 5)})).layers
    assert (layer.kind, layer.parts) == ("dense", ())


def test_keras_gates_stand_in_another_order_and_the_other_way_round() -> None:
    kernel, hidden = _RNG.normal(size=(5, 24)), _RNG.normal(size=(8, 24))
    layers = by_name(describe(arrays({"gru/kernel:0": kernel, "gru/recurrent_kernel:0": hidden})))
    assert set(layers) == {"gru", "gru/recurrent_kernel:0"}
    assert [part.label for part in layers["gru"].parts] == ["update", "reset", "new"]
    np.testing.assert_array_equal(layers["gru"].read(), kernel.T)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("suffix", ["", ":0"])
def test_the_recurrent_kernel_of_a_convolutional_lstm_is_a_convolution(rank: int, suffix: str) -> None:
    kernel, hidden = np.ones((*[3] * rank, 5, 28)), np.ones((*[3] * rank, 7, 28))
    found = {f"cell/kernel{suffix}": kernel, f"cell/recurrent_kernel{suffix}": hidden}
    shapes = {layer.shape: layer.kind for layer in describe(arrays(found)).layers}
    assert shapes == {(28, 5, *[3] * rank): f"conv{rank}d", (28, 7, *[3] * rank): f"conv{rank}d"}


@pytest.mark.parametrize(
    ("inner", "outer", "name"),
    [
        ("m.q.lora_A.default.weight", "m.q.lora_B.default.weight", "m.q.lora"),
        ("m.q.lora_A.weight", "m.q.lora_B.weight", "m.q.lora"),
        ("m.q.lora_A.style.weight", "m.q.lora_B.style.weight", "m.q.lora.style"),
        ("m.q.lora.down.weight", "m.q.lora.up.weight", "m.q.lora"),
        ("lora_unet_q.lora_down.weight", "lora_unet_q.lora_up.weight", "lora_unet_q.lora"),
        ("m.e.lora_embedding_A.default", "m.e.lora_embedding_B.default", "m.e.lora"),
    ],
)
def test_the_halves_of_an_adapter_are_one_product(inner: str, outer: str, name: str) -> None:
    a, b = _RNG.normal(size=(2, 7)), _RNG.normal(size=(5, 2))
    (layer,) = describe(arrays({inner: a, outer: b})).layers
    assert (layer.kind, layer.name, layer.shape) == ("lora", name, (5, 7))
    assert layer.right is not None
    np.testing.assert_array_equal(layer.read() @ layer.right(), b @ a)


def test_a_convolution_s_adapter_is_flattened() -> None:
    a, b = _RNG.normal(size=(2, 3, 3, 3)), _RNG.normal(size=(5, 2, 1, 1))
    (layer,) = describe(arrays({"c.lora_A.weight": a, "c.lora_B.weight": b})).layers
    assert layer.shape == (5, 27)
    assert layer.right is not None
    np.testing.assert_allclose(
        (layer.read() @ layer.right()).reshape(5, 3, 3, 3), np.einsum("or,rihw->oihw", b[:, :, 0, 0], a)
    )


@pytest.mark.parametrize(
    "tensors",
    [
        {"m.lora_A.weight": (2, 7)},
        {"m.lora_B.weight": (5, 2)},
        {"m.lora_A.weight": (2, 7), "m.lora_B.weight": (5, 3)},
    ],
)
def test_half_an_adapter_is_named_not_measured(tensors: dict[str, tuple[int, ...]]) -> None:
    described = describe(shapes(tensors))
    assert described.layers == ()
    assert {item.name for item in described.skipped if item.matrix} == set(tensors)


def test_weight_norm_gives_the_weight_the_model_uses() -> None:
    direction, magnitude = _RNG.normal(size=(4, 3, 5)), _RNG.uniform(1, 2, (4, 1, 1))
    described = describe(arrays({"conv.weight_g": magnitude, "conv.weight_v": direction}))
    (layer,) = described.layers
    assert (layer.name, layer.kind) == ("conv", "conv1d")
    np.testing.assert_allclose(np.linalg.norm(layer.read().reshape(4, -1), axis=1), magnitude.ravel())
    assert [item.name for item in described.skipped] == ["conv.weight_g"]


def test_spectral_norm_gives_a_weight_of_norm_one() -> None:
    weight = _RNG.normal(size=(6, 9))
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    tensors = {"fc.weight_orig": weight, "fc.weight_u": left[:, 0], "fc.weight_v": right[0]}
    (layer,) = describe(arrays(tensors)).layers
    np.testing.assert_allclose(np.linalg.svd(layer.read(), compute_uv=False), values / values[0])


def test_a_pruned_weight_is_masked() -> None:
    weight, mask = _RNG.normal(size=(3, 3)), np.eye(3)
    (layer,) = describe(arrays({"fc.weight_orig": weight, "fc.weight_mask": mask})).layers
    np.testing.assert_array_equal(layer.read(), np.diag(np.diag(weight)))


@pytest.mark.torch
def test_parametrised_torch_modules_read_as_torch_computes_them() -> None:
    torch = pytest.importorskip("torch")
    utils = torch.nn.utils
    torch.manual_seed(0)
    new = torch.nn.Sequential(
        utils.parametrizations.weight_norm(torch.nn.Conv1d(3, 4, 5)),
        utils.parametrizations.spectral_norm(torch.nn.Linear(6, 5)),
    )
    old = torch.nn.Sequential(utils.weight_norm(torch.nn.Conv1d(3, 4, 5)), torch.nn.Linear(6, 5))
    prune = pytest.importorskip("torch.nn.utils.prune")
    prune.random_unstructured(old[1], "weight", amount=0.5)
    for model in (new.eval(), old):
        layers = by_name_of(model)
        for index in (0, 1):
            expected = model[index].weight.detach().numpy()
            np.testing.assert_allclose(layers[str(index)], expected, rtol=2e-6)


def by_name_of(model: Any) -> dict[str, Any]:
    return {layer.name: layer.read() for layer in from_arrays(model.state_dict()).layers}


@pytest.mark.torch
@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_torch_recurrent_modules_split_into_their_own_gates(kind: str, gates: int) -> None:
    torch = pytest.importorskip("torch")
    module = getattr(torch.nn, kind)(5, 6, num_layers=2, bidirectional=True)
    layers = from_arrays(module.state_dict()).layers
    assert len(layers) == 8
    assert {layer.kind for layer in layers} == {kind.casefold()}
    assert {len(layer.parts) for layer in layers} == {0 if gates == 1 else gates}
