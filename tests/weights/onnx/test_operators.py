"""Each operator's weight, in canonical orientation, against onnxruntime on identity-like inputs."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.weights.onnx.build import constant, dynamic, model, node, only, random, read, run

if TYPE_CHECKING:
    from pathlib import Path

MICROSOFT = "com.microsoft"


def eye(size: int) -> Any:
    return np.eye(size, dtype=np.float32)


@pytest.mark.parametrize(
    ("operator", "shape", "attributes"),
    [
        ("MatMul", (5, 3), {}),
        ("Gemm", (5, 3), {}),
        ("Gemm", (3, 5), {"transB": 1}),
        ("FusedMatMul", (3, 5), {"transB": 1, "domain": MICROSOFT}),
        ("FusedMatMul", (5, 3), {"domain": MICROSOFT}),
    ],
)
def test_product_with_an_identity_gives_the_transposed_weight(
    tmp_path: Path, operator: str, shape: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    proto = model([node(operator, ["x", "w"], ["y"], **attributes)], [constant("w", random(*shape))])
    layer = only(read(tmp_path, proto))
    assert (layer.kind, layer.shape, layer.stored_shape) == ("dense", (3, 5), shape)
    np.testing.assert_array_equal(layer.read(), run(proto, x=eye(5)).T)


@pytest.mark.parametrize(("attributes", "shape"), [({}, (3, 5)), ({"transA": 1}, (5, 3))])
def test_constant_left_operand(tmp_path: Path, attributes: dict[str, int], shape: tuple[int, ...]) -> None:
    proto = model([node("Gemm", ["w", "x"], ["y"], **attributes)], [constant("w", random(*shape))])
    layer = only(read(tmp_path, proto))
    assert layer.shape == (3, 5)
    np.testing.assert_array_equal(layer.read(), run(proto, x=eye(5)))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolution(tmp_path: Path, rank: int, groups: int) -> None:
    kernel = (3, 2, 4)[:rank]
    weight = random(6, 4 // groups, *kernel)
    proto = model([node("Conv", ["x", "w"], ["y"], group=groups)], [constant("w", weight)])
    layer = only(read(tmp_path, proto))
    assert (layer.kind, layer.groups) == (f"conv{rank}d", groups)
    for channel in range(4):
        group, within = divmod(channel, 4 // groups)
        for place in np.ndindex(*kernel):
            image = np.zeros((1, 4, *kernel), np.float32)
            pixel = (0, channel, *place)
            image[pixel] = 1
            expected = np.zeros(6, np.float32)
            outputs = slice(group * 6 // groups, (group + 1) * 6 // groups)
            weights = (outputs, within, *place)
            expected[outputs] = layer.read()[weights]
            np.testing.assert_array_equal(run(proto, x=image).ravel(), expected)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution(tmp_path: Path, rank: int, groups: int) -> None:
    kernel = (3, 2, 4)[:rank]
    proto = model(
        [node("ConvTranspose", ["x", "w"], ["y"], group=groups)],
        [constant("w", random(4, 6 // groups, *kernel))],
    )
    layer = only(read(tmp_path, proto))
    assert (layer.kind, layer.shape) == (f"conv_transpose{rank}d", (6, 4 // groups, *kernel))
    for channel in range(4):
        group, within = divmod(channel, 4 // groups)
        point = np.zeros((1, 4, *(1,) * rank), np.float32)
        point[0, channel] = 1
        expected = np.zeros((6, *kernel), np.float32)
        outputs = slice(group * 6 // groups, (group + 1) * 6 // groups)
        expected[outputs] = layer.read()[outputs, within]
        np.testing.assert_array_equal(run(proto, x=point)[0], expected)


@pytest.mark.parametrize(("operator", "shape"), [("Conv", (6, 1, 3, 3)), ("ConvTranspose", (6, 1, 3, 3))])
def test_one_column_a_slice_is_depthwise(tmp_path: Path, operator: str, shape: tuple[int, ...]) -> None:
    proto = model([node(operator, ["x", "w"], ["y"], group=6)], [constant("w", random(*shape))])
    layer = only(read(tmp_path, proto))
    assert (layer.kind, layer.shape, layer.groups) == ("depthwise", (6, 1, 3, 3), 6)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("directions", [1, 2])
def test_lstm_gates_by_their_parts(tmp_path: Path, directions: int) -> None:
    """One step computed from the named gates is what the operator gives."""
    hidden, width = 3, 5
    way = {"direction": "bidirectional"} if directions == 2 else {}
    proto = model(
        [node("LSTM", ["x", "w", "r"], ["y"], hidden_size=hidden, **way)],
        [
            constant("w", random(directions, 4 * hidden, width)),
            constant("r", random(directions, 4 * hidden, hidden)),
        ],
    )
    layers = {layer.name: layer for layer in read(tmp_path, proto).layers}
    assert [layer.kind for layer in layers.values()] == ["lstm"] * 2 * directions
    x = random(2, 1, width, seed=1)
    result = run(proto, x=x)
    for direction, suffix in enumerate(["", "_reverse"][:directions]):
        inputs, recurrent = layers[f"w{suffix}"], layers[f"r{suffix}"]
        gates = {part.label: slice(part.start, part.stop) for part in inputs.parts}
        assert list(gates) == ["input", "output", "forget", "cell"]
        h = c = np.zeros(hidden)
        for step in x[:: -1 if direction else 1, 0]:
            total = inputs.read() @ step + recurrent.read() @ h
            c = sigmoid(total[gates["forget"]]) * c + sigmoid(total[gates["input"]]) * np.tanh(
                total[gates["cell"]]
            )
            h = sigmoid(total[gates["output"]]) * np.tanh(c)
        last = 0 if direction else -1
        np.testing.assert_allclose(result[last, direction, 0], h, rtol=1e-5)


def test_gru_gates_by_their_parts(tmp_path: Path) -> None:
    hidden, width = 3, 5
    proto = model(
        [node("GRU", ["x", "w", "r"], ["y"], hidden_size=hidden)],
        [constant("w", random(1, 3 * hidden, width)), constant("r", random(1, 3 * hidden, hidden))],
    )
    inputs, recurrent = read(tmp_path, proto).layers
    gates = {part.label: slice(part.start, part.stop) for part in recurrent.parts}
    x = random(2, 1, width, seed=1)
    h = np.zeros(hidden)
    for step in x[:, 0]:
        w, r = inputs.read(), recurrent.read()
        update = sigmoid(w[gates["update"]] @ step + r[gates["update"]] @ h)
        reset = sigmoid(w[gates["reset"]] @ step + r[gates["reset"]] @ h)
        new = np.tanh(w[gates["hidden"]] @ step + r[gates["hidden"]] @ (reset * h))
        h = (1 - update) * new + update * h
    np.testing.assert_allclose(run(proto, x=x)[-1, 0, 0], h, rtol=1e-5)


def test_simple_recurrence_has_no_parts(tmp_path: Path) -> None:
    proto = model(
        [node("RNN", ["x", "w", "r"], ["y"], hidden_size=3)],
        [constant("w", random(1, 3, 5)), constant("r", random(1, 3, 3))],
    )
    inputs, recurrent = read(tmp_path, proto).layers
    assert (inputs.kind, inputs.parts, inputs.shape, recurrent.shape) == ("rnn", (), (3, 5), (3, 3))
    x = random(1, 1, 5, seed=1)
    np.testing.assert_allclose(run(proto, x=x).ravel(), np.tanh(inputs.read() @ x.ravel()), rtol=1e-5)


def test_fused_attention_is_split_into_projections(tmp_path: Path) -> None:
    """With one token the softmax is 1: the output is the value projection."""
    proto = model(
        [node("Attention", ["x", "w", "b"], ["y"], domain=MICROSOFT, num_heads=2)],
        [constant("w", random(4, 12)), constant("b", np.zeros(12, np.float32))],
    )
    layer = only(read(tmp_path, proto))
    assert (layer.kind, layer.shape) == ("attention", (12, 4))
    assert [(part.label, part.start, part.stop) for part in layer.parts] == [
        ("query", 0, 4),
        ("key", 4, 8),
        ("value", 8, 12),
    ]
    x = random(1, 1, 4, seed=1)
    np.testing.assert_allclose(run(proto, x=x).ravel(), layer.read()[8:] @ x.ravel(), rtol=1e-5)


def test_projections_fused_in_a_plain_product_are_told_by_the_reshape(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Add", ["a", "b"], ["c"]),
        node("Reshape", ["c", "shape"], ["y"]),
    ]
    stored = [constant("w", random(8, 24)), constant("b", random(24)), constant("shape", [0, -1, 3, 2, 4])]
    layer = only(read(tmp_path, model(nodes, stored)))
    assert (layer.kind, [part.label for part in layer.parts]) == ("attention", ["query", "key", "value"])
    stored[-1] = constant("shape", [0, -1, 2, 3, 4])  # heads before projections: no contiguous thirds
    assert only(read(tmp_path, model(nodes, stored))).kind == "dense"


def test_projections_fused_in_a_plain_product_are_told_by_the_bias(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "onnx::MatMul_9"], ["a"]),
        node("Add", ["self_attn.in_proj_bias", "a"], ["y"]),
    ]
    stored = [constant("onnx::MatMul_9", random(8, 24)), constant("self_attn.in_proj_bias", random(24))]
    layer = only(read(tmp_path, model(nodes, stored)))
    assert (layer.kind, [part.label for part in layer.parts]) == ("attention", ["query", "key", "value"])


def test_embedding_and_its_transposed_use_as_output_head_are_one_dense_layer(tmp_path: Path) -> None:
    nodes = [
        node("Gather", ["embed.weight", "x"], ["e"]),
        node("Transpose", ["embed.weight"], ["t"], perm=[1, 0]),
        node("MatMul", ["e", "t"], ["y"]),
    ]
    table = random(7, 4)
    weights = read(tmp_path, model(nodes, [constant("embed.weight", table)]))
    layer = only(weights)
    assert (layer.name, layer.kind, layer.shape, weights.skipped) == ("embed", "dense", (7, 4), ())
    np.testing.assert_array_equal(layer.read(), table)
    alone = only(read(tmp_path, model(nodes[:1], [constant("embed.weight", table)])))
    assert alone.kind == "embedding"


def test_table_looked_up_by_constant_positions_is_an_embedding(tmp_path: Path) -> None:
    nodes = [node("Gather", ["position.weight", "ids"], ["p"]), node("Add", ["x", "p"], ["y"])]
    weights = read(
        tmp_path, model(nodes, [constant("position.weight", random(9, 4)), constant("ids", [0, 1])])
    )
    assert (only(weights).kind, only(weights).name) == ("embedding", "position")


def test_stack_of_matrices_is_one_expert_a_slice(tmp_path: Path) -> None:
    proto = model([node("MatMul", ["x", "w"], ["y"])], [constant("w", random(3, 4, 5))])
    layer = only(read(tmp_path, proto))
    assert (layer.kind, layer.shape, len(layer.parts)) == ("expert", (3, 5, 4), 3)
    result = run(proto, x=np.stack([eye(4)] * 3))
    np.testing.assert_array_equal(layer.read(), result.transpose(0, 2, 1))


@pytest.mark.parametrize(
    ("equation", "weight", "data", "shape"),
    [
        ("bi,io->bo", (5, 3), (5, 5), (3, 5)),
        ("bi,oi->bo", (3, 5), (5, 5), (3, 5)),
        ("bi,ihd->bhd", (5, 3, 2), (5, 5), (6, 5)),
        ("ebi,eio->ebo", (2, 5, 3), (2, 5, 5), (2, 3, 5)),
    ],
)
def test_einsum(
    tmp_path: Path, equation: str, weight: tuple[int, ...], data: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    proto = model([node("Einsum", ["x", "w"], ["y"], equation=equation)], [constant("w", random(*weight))])
    layer = only(read(tmp_path, proto))
    assert layer.shape == shape
    result = run(proto, x=np.broadcast_to(eye(5), data))
    np.testing.assert_allclose(layer.read(), np.moveaxis(result.reshape(*data[:-1], -1), -1, -2), rtol=1e-6)


def test_readers_are_picklable_and_equal_after_it(tmp_path: Path) -> None:
    proto = model([node("MatMul", ["x", "w"], ["y"])], [constant("w", random(4, 5))])
    layer = only(read(tmp_path, proto))
    again = pickle.loads(pickle.dumps(layer))
    assert again == layer
    np.testing.assert_array_equal(again.read(), layer.read())


@pytest.mark.parametrize("consumer", ["Add", "Mul"])
def test_table_that_is_only_added_or_multiplied_is_skipped_with_its_reason(
    tmp_path: Path, consumer: str
) -> None:
    proto = model([node(consumer, ["x", "position"], ["y"])], [constant("position", random(9, 4))])
    weights = read(tmp_path, proto)
    (skipped,) = weights.skipped
    assert (skipped.name, skipped.parameters, skipped.matrix) == ("position", 36, False)
    assert skipped.reason == f"second operand of {consumer}"


def test_unknown_operator_counts_against_coverage(tmp_path: Path) -> None:
    proto = model([node("Secret", ["x", "w"], ["y"], domain="vendor")], [constant("w", random(9, 4))])
    (skipped,) = read(tmp_path, proto).skipped
    assert (skipped.matrix, skipped.reason) == (True, "second operand of Secret")


def test_weight_changed_by_an_operator_that_is_not_followed_counts_against_coverage(tmp_path: Path) -> None:
    nodes = [node("Tanh", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])]
    (skipped,) = read(tmp_path, model(nodes, [constant("w", random(9, 4))])).skipped
    assert (skipped.matrix, skipped.reason) == (True, "first operand of Tanh")


def test_vectors_and_batch_norms_are_counted(tmp_path: Path) -> None:
    names = ["scale", "bias", "mean", "variance"]
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("BatchNormalization", ["c", *names], ["y"]),
    ]
    stored = [constant("w", random(6, 4, 3, 3)), *(constant(name, random(6)) for name in names)]
    weights = read(tmp_path, model(nodes, stored, inputs=[dynamic("x")]))
    assert (weights.batch_norms, weights.vectors, weights.vector_parameters) == (1, 4, 24)


def test_complex_numbers_are_no_weights(tmp_path: Path) -> None:
    stored = constant("w", random(4, 4).astype(np.complex64))
    weights = read(tmp_path, model([node("MatMul", ["x", "w"], ["y"])], [stored]))
    (skipped,) = weights.skipped
    assert not weights.layers
    assert (skipped.matrix, "complex64" in skipped.reason) == (True, True)
