"""What a tensor is told by the operator that uses it, however it is called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights import read_weights
from gate.weights.savedmodel import FrozenGraphReader, SavedModelReader
from tests.weights.savedmodel import build
from tests.weights.savedmodel.build import attribute, const, node, number, payload, used, weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gate.weights.interface import ModelWeights


def serve(folder: Path, nodes: Sequence[bytes], **variables: Any) -> ModelWeights:
    return SavedModelReader().read(build.served(variables, nodes, folder), root=folder)


def freeze(folder: Path, *nodes: bytes) -> ModelWeights:
    (folder / "frozen.pb").write_bytes(build.graph(nodes))
    return FrozenGraphReader().read(folder / "frozen.pb", root=folder)


def truth(key: str) -> bytes:
    return attribute(key, number(5, 1))


def moved(values: NDArray[Any], *axes: int) -> NDArray[Any]:
    return values.transpose(axes)


W2, W3, W4, W5 = weights(4, 6), weights(3, 4, 6), weights(2, 3, 4, 6), weights(2, 2, 3, 4, 6)
CASES = {
    "matmul": (W2, node("n", "MatMul", ["x", used("w")]), "dense", moved(W2, 1, 0)),
    "matmul transposed": (W2, node("n", "MatMul", ["x", used("w")], truth("transpose_b")), "dense", W2),
    "matmul from the left": (W2, node("n", "MatMul", [used("w"), "x"]), "dense", W2),
    "batched": (W2, node("n", "BatchMatMulV2", ["x", used("w")], truth("adj_y")), "dense", W2),
    "conv2d": (W4, node("n", "Conv2D", ["x", used("w")]), "conv2d", moved(W4, 3, 2, 0, 1)),
    "conv3d": (W5, node("n", "Conv3D", ["x", used("w")]), "conv3d", moved(W5, 4, 3, 0, 1, 2)),
    "transposed conv2d": (
        W4,
        node("n", "Conv2DBackpropInput", ["s", used("w"), "x"]),
        "conv_transpose2d",
        moved(W4, 2, 3, 0, 1),
    ),
    "transposed conv3d": (
        W5,
        node("n", "Conv3DBackpropInputV2", ["s", used("w"), "x"]),
        "conv_transpose3d",
        moved(W5, 3, 4, 0, 1, 2),
    ),
    "depthwise": (
        W4,
        node("n", "DepthwiseConv2dNative", ["x", used("w")]),
        "depthwise",
        moved(W4, 2, 3, 0, 1).reshape(24, 1, 2, 3),
    ),
    "lookup": (W2, node("n", "ResourceGather", ["w", "x"]), "embedding", W2),
    "heads": (
        W3,
        node("n", "Einsum", ["x", used("w")], attribute("equation", payload(2, "abc,cde->abde"))),
        "dense",
        moved(W3, 1, 2, 0).reshape(24, 3),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_tells_kind_and_order(tmp_path: Path, case: str) -> None:
    stored, user, kind, expected = CASES[case]
    weights = serve(tmp_path, [user], w=stored)
    (layer,) = weights.layers
    assert (layer.name, layer.kind, layer.shape) == ("w", kind, expected.shape)
    assert (layer.tensor, layer.stored_shape) == ("w", stored.shape)
    np.testing.assert_array_equal(layer.read(), expected)


def test_a_convolution_of_one_dimension_is_known_behind_its_extra_axis(tmp_path: Path) -> None:
    nodes = [
        const("zero", np.int32(0)),
        node("e", "ExpandDims", [used("w"), "zero:output:0"]),
        node("c", "Conv2D", ["x", "e:output:0"]),
    ]
    (layer,) = serve(tmp_path, nodes, w=W3).layers
    assert (layer.kind, layer.shape) == ("conv1d", (6, 4, 3))
    np.testing.assert_array_equal(layer.read(), moved(W3, 2, 1, 0))


def test_views_on_the_way_are_followed(tmp_path: Path) -> None:
    nodes = [
        const("axes", np.array([1, 0], np.int32)),
        const("shape", np.array([-1, 3], np.int32)),
        node("t", "Transpose", [used("w"), "axes:output:0"]),
        node("r", "Reshape", ["t:y:0", "shape:output:0"]),
        node("i", "Identity", ["r:output:0"]),
        node("m", "MatMul", ["x", "i:output:0"]),
    ]
    (layer,) = serve(tmp_path, nodes, w=W2).layers
    np.testing.assert_array_equal(layer.read(), W2.T.reshape(-1, 3).T)


def test_what_is_only_added_is_no_matrix(tmp_path: Path) -> None:
    weights = serve(tmp_path, [node("a", "AddV2", ["x", used("w")])], w=W2)
    assert weights.layers == ()
    (skipped,) = weights.skipped
    assert (skipped.name, skipped.reason, skipped.matrix) == ("w", "second operand of AddV2", False)


def test_an_operator_that_is_not_known_leaves_it_to_the_name(tmp_path: Path) -> None:
    weights = serve(tmp_path, [node("a", "Addons>Gated", ["x", used("kernel")])], kernel=W4)
    (layer,) = weights.layers
    assert (layer.kind, layer.shape) == ("conv2d", (6, 4, 2, 3))
    assert weights.unsafe_globals == ("tensorflow.load_op_library.Addons>Gated",)


def test_a_changed_weight_is_left_to_its_name(tmp_path: Path) -> None:
    nodes = [
        const("c", np.float32(2)),
        node("s", "Mul", [used("kernel"), "c:output:0"]),
        node("m", "MatMul", ["x", "s:z:0"]),
    ]
    (layer,) = serve(tmp_path, nodes, kernel=W2).layers
    np.testing.assert_array_equal(layer.read(), W2.T)


def test_functions_within_functions_are_followed_and_a_loop_keeps_its_variables(tmp_path: Path) -> None:
    call = attribute("f", payload(10, payload(1, "inner")))
    inner = build.function(
        "inner", ["a", "b"], [node("r", "ReadVariableOp", ["b"])], {"out": "r:value:0", "x": "a"}
    )
    body = build.function(
        "body",
        ["i", "v"],
        [node("m", "Conv2DBackpropInput", ["s", "r2:value:0", "i"]), node("r2", "ReadVariableOp", ["v"])],
    )
    loop = node("l", "While", ["x", "v"], attribute("body", payload(10, payload(1, "body"))))
    outer = build.function(
        "__inference_signature_wrapper_7",
        ["x", "w", "v"],
        [node("c", "PartitionedCall", ["x", "w"], call), node("m", "MatMul", ["x", "c:output:0"]), loop],
    )
    objects = build.saved_objects(["w", "v"], {"__inference_signature_wrapper_7": [1, 2]})
    tensors = {name + build.VALUE: values for name, values in {"w": W2, "v": W4}.items()}
    build.Checkpoint(tensors, {"w": "w", "v": "v"}).write(tmp_path / "variables")
    graph = build.graph([], [outer, inner, body])
    (tmp_path / "saved_model.pb").write_bytes(build.saved_model(graph, objects))
    found = {layer.name: layer for layer in read_weights(tmp_path).layers}
    assert {name: layer.kind for name, layer in found.items()} == {"w": "dense", "v": "conv_transpose2d"}
    np.testing.assert_array_equal(found["w"].read(), W2.T)


def test_layers_stand_in_the_order_of_the_data(tmp_path: Path) -> None:
    nodes = [node("m", "MatMul", ["n:product:0", used("a")]), node("n", "MatMul", ["x", used("b")])]
    weights = serve(tmp_path, nodes, a=W2, b=W2 + 1, c=W2 + 2)
    assert [layer.name for layer in weights.layers] == ["b", "a", "c"]


def test_a_frozen_graph_gives_its_constants(tmp_path: Path) -> None:
    weights = freeze(
        tmp_path,
        node("x", "Placeholder"),
        const("up/kernel/ReadVariableOp/resource", W4),
        node("up/read", "Identity", ["up/kernel/ReadVariableOp/resource"]),
        node("up", "Conv2DBackpropInput", ["s", "up/read", "x"]),
        const("bias", W2[0]),
        node("b", "BiasAdd", ["up", "bias"]),
        const("position", W2),
        node("p", "AddV2", ["b", "position"]),
        const("odd", W2),
        node("o", "Mystery", ["p", "odd"]),
        const("unused", W2),
    )
    assert weights.format == "tensorflow-graph"
    (layer,) = weights.layers
    assert (layer.name, layer.kind, layer.stored_shape) == ("up", "conv_transpose2d", W4.shape)
    np.testing.assert_array_equal(layer.read(), moved(W4, 2, 3, 0, 1))
    assert weights.vectors == 1
    assert [(item.name, item.reason, item.matrix) for item in weights.skipped] == [
        ("position", "second operand of AddV2", False),
        ("odd", "second operand of Mystery", True),
    ]


def test_a_constant_that_only_claims_its_size_is_named_and_not_read(tmp_path: Path) -> None:
    one_value = number(1, 1) + payload(2, build.shape_proto((100_000, 100_000))) + payload(5, b"\0\0\0\0")
    weights = freeze(
        tmp_path,
        node("c", "Const", (), attribute("value", payload(8, one_value))),
        node("m", "MatMul", ["x", "c"]),
    )
    assert weights.layers == ()
    (skipped,) = weights.skipped
    assert (skipped.parameters, skipped.matrix) == (10**10, True)


@pytest.mark.parametrize(
    ("operator", "reported"),
    [
        ("WriteFile", True),
        ("EagerPyFunc", True),
        ("DebugIdentityV3", True),
        ("SaveV2", True),
        ("Relu", False),
        ("PrintV2", False),
    ],
)
def test_operators_that_reach_out_are_reported(tmp_path: Path, operator: str, *, reported: bool) -> None:
    weights = serve(tmp_path, [node("n", operator, ["x"]), node("m", "MatMul", ["x", used("w")])], w=W2)
    assert weights.unsafe_globals == ((f"tensorflow.raw_ops.{operator}",) if reported else ())


def test_printing_to_a_file_is_reported(tmp_path: Path) -> None:
    where = attribute("output_stream", payload(2, "file:///tmp/x"))
    weights = serve(tmp_path, [node("n", "PrintV2", ["x"], where)], w=W2)
    assert weights.unsafe_globals == ("tensorflow.raw_ops.PrintV2",)


def test_operators_of_functions_that_nothing_calls_are_reported_too(tmp_path: Path) -> None:
    stray = build.function("stray", [], [node("n", "ReadFile", ["x"])])
    path = build.served({"w": W2}, [], tmp_path)
    path.write_bytes(build.saved_model(build.graph([], [stray])))
    assert read_weights(tmp_path).unsafe_globals == ("tensorflow.raw_ops.ReadFile",)


def described(**configuration: Any) -> bytes:
    """Return a keras_metadata.pb of one layer."""
    return payload(1, number(2, 1) + payload(3, "root.layer-1") + payload(5, json.dumps(configuration)))


@pytest.mark.parametrize(
    ("configuration", "reported"),
    [
        ({"class_name": "Dense", "config": {"name": "d"}}, ()),
        (
            {"class_name": "Lambda", "config": {"function": ["4wEAAA==", None, None]}},
            ("keras.layers.Lambda",),
        ),
        ({"training_config": {"optimizer_config": {"class_name": "Custom>Adam", "config": {}}}}, ()),
        ({"class_name": "Mine>Gated", "config": {}}, ("Mine>Gated",)),
    ],
)
@pytest.mark.parametrize("place", ["file", "object"])
def test_code_that_keras_keeps_beside_the_graph_is_reported(
    tmp_path: Path, place: str, configuration: dict[str, Any], reported: tuple[str, ...]
) -> None:
    path = build.served({"w": W2}, [], tmp_path)
    if place == "file":
        (tmp_path / "keras_metadata.pb").write_bytes(described(**configuration))
    else:  # as before TensorFlow 2.5
        layer = payload(1, payload(4, payload(1, "_tf_keras_layer") + payload(3, json.dumps(configuration))))
        path.write_bytes(build.saved_model(build.graph([]), layer))
    found = read_weights(tmp_path)
    assert found.unsafe_globals == reported
    assert ("keras_metadata.pb" in found.files) is (place == "file")


@pytest.mark.parametrize("data", [b"\xff", payload(1, payload(5, "{")), payload(1, payload(5, "[1]"))])
def test_a_damaged_description_of_layers_is_refused(tmp_path: Path, data: bytes) -> None:
    build.served({"w": W2}, [], tmp_path)
    (tmp_path / "keras_metadata.pb").write_bytes(data)
    with pytest.raises(ModelError):
        read_weights(tmp_path)


def test_a_weight_that_calls_itself_optimizer_state_is_measured(tmp_path: Path) -> None:
    name = "optimizer/_variables/3"
    alone = serve(tmp_path, [], **{name: W2, "optimizer/iter": np.int64(1)})
    assert [(item.name, item.reason) for item in alone.skipped] == [(name, "state of the optimizer")]
    user = node("m", "MatMul", ["x", used(name)])
    (layer,) = serve(tmp_path, [user], **{name: W2, "optimizer/iter": np.int64(1)}).layers
    assert (layer.name, layer.kind) == (name, "dense")


def test_a_weight_that_only_the_call_multiplies_by_is_measured(tmp_path: Path) -> None:
    serving, calling = "__inference_signature_wrapper_1", "__inference_call_2"
    read = node("r", "ReadVariableOp", ["w"])
    functions = [
        build.function(serving, ["x", "w"], [read, node("a", "AddV2", ["x", "r:value:0"])]),
        build.function(calling, ["x", "w"], [read, node("m", "MatMul", ["x", "r:value:0"])]),
    ]
    build.Checkpoint({"w" + build.VALUE: W2}, {"w": "w"}).write(tmp_path / "variables")
    objects = build.saved_objects(["w"], {serving: [1], calling: [1]})
    (tmp_path / "saved_model.pb").write_bytes(build.saved_model(build.graph([], functions), objects))
    (layer,) = read_weights(tmp_path).layers
    assert (layer.name, layer.kind) == ("w", "dense")


@pytest.mark.parametrize("what", ["nodes", "functions"])
def test_one_name_for_two_is_refused(tmp_path: Path, what: str) -> None:
    twice = [node("n", "NoOp"), node("n", "NoOp")]
    functions = [build.function("f", [], []), build.function("f", [], [])]
    graph = build.graph(twice) if what == "nodes" else build.graph([node("n", "NoOp")], functions)
    (tmp_path / "frozen.pb").write_bytes(graph)
    with pytest.raises(UnsafeModelError, match=f"two {what}"):
        read_weights(tmp_path / "frozen.pb")


@pytest.mark.parametrize("name", ["saved_model.pb", "frozen.pb"])
def test_a_graph_without_the_values_of_its_variables_is_no_model_without_weights(
    tmp_path: Path, name: str
) -> None:
    graph = build.graph([node("w", "VarHandleOp"), node("m", "MatMul", ["x", "w"])])
    data = build.saved_model(graph) if name == "saved_model.pb" else graph
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match="no checkpoint with their values"):
        read_weights(tmp_path)


@pytest.mark.parametrize("branch", ["then_branch", "else_branch"])
def test_branches_are_followed(tmp_path: Path, branch: str) -> None:
    inner = build.function("inner", ["x", "v"], [node("d", "DepthwiseConv2dNative", ["x", "v"])])
    choice = node("i", "StatelessIf", ["x", "x", "w"], attribute(branch, payload(10, payload(1, "inner"))))
    (tmp_path / "frozen.pb").write_bytes(build.graph([const("w", W4), choice], [inner]))
    (layer,) = read_weights(tmp_path).layers
    assert (layer.kind, layer.groups) == ("depthwise", 4)


def test_the_use_that_tells_most_counts_and_a_constant_stored_twice_once(tmp_path: Path) -> None:
    nodes = [
        const("w", W2),
        node("a", "AddV2", ["x", "w"]),
        node("o", "Mystery", ["x", "w"]),
        node("m", "MatMul", ["a", "w"]),
        const("again", W2),
        node("n", "MatMul", ["m", "again"]),
    ]
    weights = freeze(tmp_path, *nodes)
    assert [(layer.name, layer.kind) for layer in weights.layers] == [("w", "dense")]
    assert weights.skipped == ()


def test_a_copy_that_is_only_added_does_not_hide_the_weight(tmp_path: Path) -> None:
    signature = "__inference_signature_wrapper_1"
    body = build.function(
        signature,
        ["x", "a", "b"],
        [
            node("a_read", "ReadVariableOp", ["a"]),
            node("b_read", "ReadVariableOp", ["b"]),
            node("s", "AddV2", ["x", used("a")]),
            node("m", "MatMul", ["s", used("b")]),
        ],
    )
    tensors = {"a" + build.VALUE: W2, "b" + build.VALUE: W2}
    build.Checkpoint(tensors, {"a": "w", "b": "w"}).write(tmp_path / "variables")
    objects = build.saved_objects(["a", "b"], {signature: [1, 2]})
    (tmp_path / "saved_model.pb").write_bytes(build.saved_model(build.graph([], [body]), objects))
    (layer,) = read_weights(tmp_path).layers
    assert (layer.name, layer.kind) == ("w", "dense")
