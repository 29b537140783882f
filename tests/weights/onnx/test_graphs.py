"""Branches, loops, functions: whose names are seen where, and what the layers are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from gate.weights.onnx.naming import module_name, node_name
from gate.weights.onnx.records import Node
from tests.weights.onnx.build import OPSETS, constant, dynamic, model, node, only, random, read

if TYPE_CHECKING:
    from pathlib import Path


def branch(name: str, nodes: list[Any], initializers: list[Any], inputs: list[Any] | None = None) -> Any:
    return helper.make_graph(nodes, name, inputs or [], [dynamic(nodes[-1].output[0])], initializers)


def test_branches_hold_weights_of_their_own_and_see_those_outside(tmp_path: Path) -> None:
    values = {"then": random(4, 4, seed=1), "else": random(4, 4, seed=2), "outer": random(4, 4, seed=3)}
    branches = {}
    for name in ("then", "else"):
        tensor = constant("encoder.fc.weight", values[name])
        nodes = [
            node("Constant", [], [f"encoder.fc.weight_{name}"], value=tensor),
            node("MatMul", ["x", f"encoder.fc.weight_{name}"], [f"{name}_a"]),
            node("MatMul", [f"{name}_a", "shared.weight"], [f"{name}_o"]),
        ]
        branches[f"{name}_branch"] = branch(name, nodes, [])
    proto = model(
        [node("If", ["cond"], ["y"], name="choose", **branches)],
        [constant("shared.weight", values["outer"])],
        inputs=[dynamic("x"), dynamic("cond", TensorProto.BOOL)],
    )
    weights = read(tmp_path, proto)
    found = {layer.name: layer.read() for layer in weights.layers}
    assert set(found) == {"encoder.fc.weight_then", "encoder.fc.weight_else", "shared"}
    np.testing.assert_array_equal(found["encoder.fc.weight_then"], values["then"].T)
    np.testing.assert_array_equal(found["shared"], values["outer"].T)


def test_equal_names_in_two_branches_are_told_apart_by_the_branch(tmp_path: Path) -> None:
    branches = {
        f"{name}_branch": branch(
            name,
            [node("MatMul", ["x", "fc.weight"], [f"{name}_o"])],
            [constant("fc.weight", random(4, 4, seed=i))],
        )
        for i, name in enumerate(("then", "else"))
    }
    proto = model([node("If", ["c"], ["y"], **branches)], [], inputs=[dynamic("x"), dynamic("c")])
    layers = read(tmp_path, proto).layers
    assert sorted(layer.name for layer in layers) == ["else_branch.fc", "then_branch.fc"]
    by_name = {layer.name: layer.read() for layer in layers}
    np.testing.assert_array_equal(by_name["then_branch.fc"], random(4, 4, seed=0).T)


def test_weight_carried_unchanged_through_a_loop(tmp_path: Path) -> None:
    body_nodes = [
        node("MatMul", ["h", "w_in"], ["h_out"]),
        node("Identity", ["w_in"], ["w_out"]),
        node("Identity", ["go"], ["go_out"]),
    ]
    body = helper.make_graph(
        body_nodes,
        "body",
        [dynamic("i"), dynamic("go"), dynamic("h"), dynamic("w_in")],
        [dynamic("go_out"), dynamic("h_out"), dynamic("w_out")],
    )
    proto = model(
        [node("Loop", ["n", "", "x", "cell.weight"], ["y", "w_final"], body=body)],
        [constant("n", [3]), constant("cell.weight", random(4, 4))],
    )
    layer = only(read(tmp_path, proto))
    assert (layer.name, layer.kind) == ("cell", "dense")
    body_nodes[1] = node("Tanh", ["w_in"], ["w_out"])
    changed = helper.make_graph(body_nodes, "body", body.input, body.output)
    proto = model(
        [node("Loop", ["n", "", "x", "cell.weight"], ["y", "w_final"], body=changed)],
        [constant("n", [3]), constant("cell.weight", random(4, 4))],
    )
    (skipped,) = read(tmp_path, proto).skipped
    assert (skipped.name, skipped.matrix) == ("cell.weight", True)


def test_function_called_twice_with_weights_and_an_attribute(tmp_path: Path) -> None:
    inner = node("Gemm", ["a", "w"], ["r"])
    reference = helper.make_attribute("transB", 0)
    reference.ClearField("i")
    reference.ref_attr_name = "turned"
    inner.attribute.append(reference)
    function = helper.make_function("local", "Linear", ["a", "w"], ["r"], [inner], OPSETS, ["turned"])
    nodes = [
        node("Linear", ["x", "one.weight"], ["h"], domain="local", turned=0),
        node("Linear", ["h", "two.weight"], ["y"], domain="local", turned=1),
    ]
    stored = [constant("one.weight", random(4, 5)), constant("two.weight", random(3, 5))]
    proto = model(nodes, stored, functions=[function], opsets=[*OPSETS, helper.make_opsetid("local", 1)])
    layers = read(tmp_path, proto).layers
    assert [(layer.name, layer.shape) for layer in layers] == [("one", (5, 4)), ("two", (3, 5))]
    np.testing.assert_array_equal(layers[1].read(), random(3, 5))


def test_invented_names_give_way_to_the_path_or_the_bias_or_the_node(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "onnx::MatMul_12"], ["a"], name="MatMul_3"),
        node("Add", ["encoder.layer.0.query.bias", "a"], ["b"]),
        node("MatMul", ["b", "onnx::MatMul_13"], ["c"], name="/encoder/layers.0/attention/key/MatMul"),
        node("MatMul", ["c", "14"], ["y"], name="MatMul_7"),
    ]
    stored = [
        constant(name, random(4, 4, seed=i))
        for i, name in enumerate(["onnx::MatMul_12", "onnx::MatMul_13", "14"])
    ]
    weights = read(tmp_path, model(nodes, [*stored, constant("encoder.layer.0.query.bias", random(4))]))
    assert [layer.name for layer in weights.layers] == [
        "encoder.layer.0.query",
        "encoder.layers.0.attention.key",
        "MatMul_7",
    ]


def test_stacked_recurrent_layers_have_the_names_of_pytorch(tmp_path: Path) -> None:
    nodes = [
        node("LSTM", ["x", "onnx::LSTM_1", "onnx::LSTM_2"], ["h"], name="/rnn/LSTM", hidden_size=2),
        node("LSTM", ["h", "onnx::LSTM_3", "onnx::LSTM_4"], ["y"], name="/rnn/LSTM_1", hidden_size=2),
    ]
    stored = [constant(f"onnx::LSTM_{i}", random(1, 8, 2, seed=i)) for i in (1, 2, 3, 4)]
    names = [layer.name for layer in read(tmp_path, model(nodes, stored)).layers]
    assert names == [f"rnn.weight_{gate}_l{layer}" for layer in (0, 1) for gate in ("ih", "hh")]


def test_names_are_unique_whatever_the_file_calls_them(tmp_path: Path) -> None:
    """Two tensors of one name, and a third whose own name is the one a copy would get."""
    names = ["fc.weight", "fc/kernel", "fc.kernel", "fc#2.weight"]
    nodes = [node("MatMul", ["x", name], [f"y{i}"]) for i, name in enumerate(names)]
    proto = model(nodes, [constant(name, random(4, 4, seed=i)) for i, name in enumerate(names)])
    found = [layer.name for layer in read(tmp_path, proto).layers]
    assert len(set(found)) == 4
    assert (found[0], found[3]) == ("fc", "fc#2")
    assert found == [layer.name for layer in read(tmp_path, proto).layers]


@pytest.mark.parametrize(
    ("tensor", "module"),
    [
        ("encoder.fc1.weight", "encoder.fc1"),
        ("model/dense/Tensordot/ReadVariableOp:0", "model.dense"),
        ("jax2tf_f_/pjit_f_/Net/Conv_0/transpose_3:0", "Net.Conv_0"),
        ("If_0_else_branch__Inline_0__encoder.0.weight", "encoder.0"),
        ("conv2d_3.w_0", "conv2d_3"),
        ("lstm.weight_ih_l0", "lstm.weight_ih_l0"),
        ("roberta.fc.weight_quantized", "roberta.fc"),
        ("onnx::LSTM_209", ""),
        ("/decoder/Constant_45_output_0", ""),
        ("391_quantized", ""),
        ("val_12", ""),
        ("const_fold_opt__212", ""),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", ""),
        ("w", "w"),
        ("weight", "weight"),
    ],
)
def test_module_names(tensor: str, module: str) -> None:
    assert module_name(tensor) == module


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("/encoder/layers.0/attention/query/MatMul", "encoder.layers.0.attention.query"),
        ("/encoder/layers.0/attention/MatMul_1", "encoder.layers.0.attention"),
        ("Conv_0_quant", "Conv_0"),
        ("node_linear_1", "linear_1"),
        ("", ""),
    ],
)
def test_node_names(name: str, module: str) -> None:
    assert node_name(Node("MatMul", "", "", name, (), (), {})) == module
