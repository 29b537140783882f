"""Chains between a stored tensor and its product: what we read is what onnxruntime computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.weights.onnx.build import constant, dynamic, model, node, only, random, read, run

if TYPE_CHECKING:
    from pathlib import Path

MICROSOFT = "com.microsoft"


def chain(*steps: tuple[str, list[Any], dict[str, Any]], shape: tuple[int, ...] = (4, 6)) -> Any:
    """Return a model in which the constant ``w`` passes ``steps`` and multiplies x from the left."""
    nodes, stored, name = [], [constant("w", random(*shape))], "w"
    for index, (operator, operands, attributes) in enumerate(steps):
        names = [name]
        for place, operand in enumerate(operands):
            names.append(f"c{index}_{place}")
            stored.append(constant(names[-1], operand))
        name = f"v{index}"
        nodes.append(node(operator, names, [name], **attributes))
    return model([*nodes, node("MatMul", [name, "x"], ["y"])], stored)


CHAINS = {
    "transpose": [("Transpose", [], {"perm": [1, 0]})],
    "transpose twice": [("Transpose", [], {}), ("Transpose", [], {})],
    "cast": [("Cast", [], {"to": TensorProto.DOUBLE}), ("Cast", [], {"to": TensorProto.FLOAT})],
    "reshape": [("Reshape", [[8, -1]], {})],
    "reshape keeps": [("Reshape", [[0, 3, 2]], {}), ("Flatten", [], {"axis": 2})],
    "squeeze": [("Unsqueeze", [[0, 3]], {}), ("Squeeze", [[0]], {}), ("Squeeze", [], {})],
    "slice": [("Slice", [[1, 0], [4, 5], [0, 1], [1, 2]], {})],
    "slice from the end": [("Slice", [[-3], [1 << 62], [-1]], {})],
    "scale": [("Mul", [np.array([[2], [3], [4], [5]], np.float32)], {})],
    "weight standardised": [("Sub", [np.float32(0.5)], {}), ("Div", [np.float32(2)], {})],
    "identity": [("Identity", [], {}), ("Add", [np.ones(6, np.float32)], {})],
}


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)
def test_chain(tmp_path: Path, steps: list[tuple[str, list[Any], dict[str, Any]]]) -> None:
    proto = chain(*steps)
    layer = only(read(tmp_path, proto))
    assert (layer.tensor, layer.stored_shape, layer.kind) == ("w", (4, 6), "dense")
    np.testing.assert_array_equal(layer.read(), run(proto, x=np.eye(layer.shape[1], dtype=np.float32)))


def test_gates_reordered_by_slices_are_the_whole_tensor_once(tmp_path: Path) -> None:
    """PyTorch stores i, f, g, o; its exporter cuts and joins them to i, o, f, g in the graph."""
    cuts = [("a", 0, 2), ("b", 6, 8), ("c", 2, 6)]
    nodes, stored = [], [constant("rnn.weight_ih_l0", random(8, 3)), constant("r", random(1, 8, 2))]
    for name, start, stop in cuts:
        stored += [constant(f"{name}0", [start]), constant(f"{name}1", [stop])]
        nodes.append(node("Slice", ["rnn.weight_ih_l0", f"{name}0", f"{name}1"], [name]))
    stored.append(constant("axes", [0]))
    nodes += [
        node("Concat", ["a", "b", "c"], ["joined"], axis=0),
        node("Unsqueeze", ["joined", "axes"], ["w"]),
        node("LSTM", ["x", "w", "r"], ["y"], hidden_size=2),
    ]
    weights = read(tmp_path, model(nodes, stored))
    layer = weights.layers[0]
    assert (layer.name, layer.kind, layer.shape, weights.skipped) == ("rnn.weight_ih_l0", "lstm", (8, 3), ())
    np.testing.assert_array_equal(layer.read(), random(8, 3)[[0, 1, 6, 7, 2, 3, 4, 5]])


def test_directions_joined_in_the_graph_keep_their_own_tensors(tmp_path: Path) -> None:
    names = ["rnn.weight_ih_l0", "rnn.weight_ih_l0_reverse", "rnn.weight_hh_l0", "rnn.weight_hh_l0_reverse"]
    stored = [constant(name, random(1, 8, 3 if "ih" in name else 2, seed=i)) for i, name in enumerate(names)]
    nodes = [
        node("Concat", names[:2], ["w"], axis=0),
        node("Concat", names[2:], ["r"], axis=0),
        node("LSTM", ["x", "w", "r"], ["y"], hidden_size=2, direction="bidirectional"),
    ]
    weights = read(tmp_path, model(nodes, stored))
    assert [layer.name for layer in weights.layers] == names
    assert [layer.tensor for layer in weights.layers] == names
    np.testing.assert_array_equal(weights.layers[3].read(), random(1, 8, 2, seed=3)[0])


def test_split_gives_one_layer_a_part_and_names_the_rest(tmp_path: Path) -> None:
    nodes = [
        node("Split", ["w", "sizes"], ["a", "b", "c"], axis=1),
        node("MatMul", ["x", "a"], ["p"], name="/attention/query/MatMul"),
        node("MatMul", ["x", "c"], ["y"], name="/attention/value/MatMul"),
    ]
    weights = read(tmp_path, model(nodes, [constant("w", random(4, 9)), constant("sizes", [2, 3, 4])]))
    assert [(layer.name, layer.shape) for layer in weights.layers] == [
        ("attention.query", (2, 4)),
        ("attention.value", (4, 4)),
    ]
    np.testing.assert_array_equal(weights.layers[1].read(), random(4, 9)[:, 5:].T)
    (rest,) = weights.skipped
    assert (rest.parameters, rest.matrix, rest.reason) == (12, True, "only a part is used as a weight")


def quantised(*shape: int, dtype: Any = np.int8) -> Any:
    info = np.iinfo(dtype)
    return np.random.default_rng(list(shape)).integers(info.min, info.max, shape, dtype, endpoint=True)


SCALES = {
    "per tensor": ((), {}, np.float32(0.25)),
    "rows": ((4,), {"axis": 0}, None),
    "columns": ((6,), {"axis": 1}, None),
    "last axis": ((6,), {"axis": -1}, None),
    "blocks": ((4, 2), {"axis": 1, "block_size": 3}, None),
    "row blocks": ((2, 6), {"axis": 0, "block_size": 2}, None),
}


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("with_zero_point", [True, False])
@pytest.mark.parametrize("case", SCALES.values(), ids=SCALES)
def test_dequantize_linear(tmp_path: Path, case: Any, with_zero_point: bool, dtype: Any) -> None:
    shape, attributes, scale = case
    scale = np.abs(random(*shape)) if scale is None else scale
    names = ["w", "s", *(["z"] if with_zero_point else [])]
    stored = [constant("w", quantised(4, 6, dtype=dtype)), constant("s", scale)]
    if with_zero_point:
        stored.append(constant("z", np.asarray(quantised(*shape, dtype=dtype))))
    nodes = [node("DequantizeLinear", names, ["d"], **attributes), node("MatMul", ["d", "x"], ["y"])]
    proto = model(nodes, stored)
    layer = only(read(tmp_path, proto))
    np.testing.assert_array_equal(layer.read(), run(proto, x=np.eye(6, dtype=np.float32)))
    assert layer.dtype == np.dtype(dtype).name
    assert layer.quantisation_step == pytest.approx(float(np.sqrt(np.mean(np.float64(scale) ** 2))))


def test_simulated_quantisation_is_measured_as_stored(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", ["w", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("MatMul", ["d", "x"], ["y"]),
    ]
    stored = [constant("w", random(4, 6)), constant("s", np.float32(0.1)), constant("z", np.int8(0))]
    layer = only(read(tmp_path, model(nodes, stored)))
    assert (layer.dtype, layer.quantisation_step) == ("float32", None)
    np.testing.assert_array_equal(layer.read(), random(4, 6))


def qlinear(operator: str, weight: Any, scale: Any, zero_point: Any, **attributes: Any) -> Any:
    """Return a model around a fully quantised product; x has scale 1 and zero point 0."""
    one, zero = constant("one", np.float32(1)), constant("zero", np.uint8(0))
    tail = ["y_s", "y_z"] if operator != "QGemm" else []
    bias = [""] if operator == "QGemm" else []
    names = ["x", "one", "zero", "w", "w_s", "w_z", *bias, *tail]
    stored = [one, zero, constant("w", weight), constant("w_s", scale), constant("w_z", zero_point)]
    if tail:
        stored += [constant("y_s", np.float32(1)), constant("y_z", np.uint8(0))]
    inputs = [dynamic("x", TensorProto.UINT8)]
    outputs = [dynamic("y", TensorProto.UINT8 if tail else TensorProto.FLOAT)]
    return model([node(operator, names, ["y"], **attributes)], stored, inputs=inputs, outputs=outputs)


@pytest.mark.parametrize(
    "scale", [np.float32(2), np.array([1, 2, 3], np.float32)], ids=["per tensor", "columns"]
)
@pytest.mark.parametrize("operator", ["QLinearMatMul", "QGemm"])
def test_quantised_products(tmp_path: Path, operator: str, scale: Any) -> None:
    weight = quantised(5, 3, dtype=np.uint8) // 4
    zero_point = np.zeros_like(scale, np.uint8)
    domain = {"domain": MICROSOFT} if operator == "QGemm" else {}
    proto = qlinear(operator, weight, scale, zero_point, **domain)
    layer = only(read(tmp_path, proto))
    assert layer.shape == (3, 5)
    result = run(proto, x=np.eye(5, dtype=np.uint8))
    np.testing.assert_array_equal(layer.read().T, result)


def test_quantised_convolution(tmp_path: Path) -> None:
    weight = quantised(3, 2, 1, 1, dtype=np.uint8) // 4
    proto = qlinear("QLinearConv", weight, np.array([1, 2, 3], np.float32), np.zeros(3, np.uint8))
    layer = only(read(tmp_path, proto))
    assert (layer.kind, layer.dtype) == ("conv2d", "uint8")
    for channel in range(2):
        image = np.zeros((1, 2, 1, 1), np.uint8)
        image[0, channel] = 1
        np.testing.assert_array_equal(run(proto, x=image).ravel(), layer.read()[:, channel].ravel())


@pytest.mark.parametrize("operator", ["MatMulInteger", "ConvInteger"])
def test_integer_product_finds_its_scale_behind_it(tmp_path: Path, operator: str) -> None:
    """What onnxruntime's dynamic quantisation writes: integers, bias, cast, then both scales."""
    shape = (5, 3) if operator == "MatMulInteger" else (3, 5, 1, 1)
    stored = [
        constant("w", quantised(*shape, dtype=np.uint8)),
        constant("w_z", np.uint8(7)),
        constant("w_s", np.float32(0.5)),
    ]
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["xq", "x_s", "x_z"]),
        node("Mul", ["x_s", "w_s"], ["s"]),
        node(operator, ["xq", "w", "x_z", "w_z"], ["i"]),
        node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["f", "s"], ["y"]),
    ]
    proto = model(nodes, stored)
    layer = only(read(tmp_path, proto))
    assert (layer.shape[:2], layer.quantisation_step) == ((3, 5), 0.5)
    x = (
        np.eye(5, dtype=np.float32)
        if operator == "MatMulInteger"
        else np.eye(5, dtype=np.float32)[..., None, None]
    )
    result = run(proto, x=x).reshape(5, 3)
    np.testing.assert_allclose(layer.read().reshape(3, 5), result.T, rtol=1e-6)
    (skipped,) = read(tmp_path, model(nodes[:-1], stored)).skipped
    assert (skipped.matrix, "scale" in skipped.reason) == (True, True)


def test_quantised_lstm_stored_on_its_side(tmp_path: Path) -> None:
    weights = {"w": quantised(2, 5, 8), "r": quantised(2, 2, 8)}
    stored = [constant(name, values) for name, values in weights.items()]
    for name in weights:
        stored += [
            constant(f"{name}_s", np.abs(random(2)) / 100),
            constant(f"{name}_z", np.zeros(2, np.int8)),
        ]
    names = ["x", "w", "r", "", "", "", "", "", "w_s", "w_z", "r_s", "r_z"]
    attributes = {"hidden_size": 2, "direction": "bidirectional", "domain": MICROSOFT}
    layers = read(tmp_path, model([node("DynamicQuantizeLSTM", names, ["y"], **attributes)], stored)).layers
    assert [(layer.kind, layer.shape) for layer in layers] == [("lstm", (8, 5))] * 2 + [("lstm", (8, 2))] * 2
    expected = weights["w"][1].T * (np.abs(random(2)) / 100)[1]
    np.testing.assert_allclose(layers[1].read(), expected, rtol=1e-6)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zero_point", ["none", "packed"])
@pytest.mark.parametrize("flat", [True, False])
def test_block_quantised_product_against_the_runtime(
    tmp_path: Path, bits: int, zero_point: str, flat: bool
) -> None:
    """40 columns in blocks of 16: the last block is cut short, and three zero points fill two bytes."""
    blocks = 3
    scale = np.abs(random(6, blocks))
    stored = [
        constant("w", quantised(6, blocks, 16 * bits // 8, dtype=np.uint8)),
        constant("s", scale.ravel() if flat else scale),
    ]
    names = ["x", "w", "s"]
    if zero_point == "packed":
        packed = quantised(6, -(-blocks * bits // 8), dtype=np.uint8)
        stored.append(constant("z", packed.ravel() if flat else packed))
        names.append("z")
    attributes = {"K": 40, "N": 6, "bits": bits, "block_size": 16, "domain": MICROSOFT}
    proto = model([node("MatMulNBits", names, ["y"], **attributes)], stored)
    layer = only(read(tmp_path, proto))
    assert (layer.shape, layer.dtype) == ((6, 40), f"uint{bits}")
    np.testing.assert_allclose(layer.read().T, run(proto, x=np.eye(40, dtype=np.float32)), rtol=1e-6)


def test_constant_that_doubles_at_each_step_is_not_believed(tmp_path: Path) -> None:
    nodes = [node("Concat", [f"w{i}", f"w{i}"], [f"w{i + 1}"], axis=0) for i in range(60)]
    nodes.append(node("MatMul", ["x", "w60"], ["y"]))
    weights = read(tmp_path, model(nodes, [constant("w0", random(4, 4))]))
    (skipped,) = weights.skipped
    assert (weights.layers, skipped.matrix) == ((), True)


def test_unknown_scale_is_a_reason(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", ["w", "x"], ["d"]), node("MatMul", ["d", "x"], ["y"])]
    (skipped,) = read(tmp_path, model(nodes, [constant("w", quantised(4, 4))])).skipped
    assert (skipped.matrix, skipped.reason) == (True, "first operand of DequantizeLinear")


def test_four_bit_weights_of_the_standard_operator(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(-8, 8, 15)
    stored = [helper.make_tensor("w", TensorProto.INT4, (3, 5), numbers.tolist()), constant("s", random(3))]
    nodes = [node("DequantizeLinear", ["w", "s"], ["d"], axis=0), node("MatMul", ["d", "x"], ["y"])]
    proto = model(nodes, stored)
    layer = only(read(tmp_path, proto))
    np.testing.assert_array_equal(layer.read(), run(proto, x=np.eye(5, dtype=np.float32)))
    assert layer.dtype == "int4"
