"""Files that are damaged or built to harm: one clear error, little memory, little time."""

from __future__ import annotations

import shutil
import tracemalloc
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from gate.errors import UnsafeModelError
from gate.weights.readers import reader_of
from gate.weights.savedmodel import FrozenGraphReader, SavedModelReader, graph, trace
from tests.weights.damage import is_read, mutated
from tests.weights.savedmodel import build
from tests.weights.savedmodel.build import VALUE, attribute, const, node, number, payload, used, weights

if TYPE_CHECKING:
    from pathlib import Path


MOST_MEMORY: Final = 32 << 20
PARTS: Final = (
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
)


def rich_model(folder: Path) -> Path:
    """Write a small SavedModel that takes most ways through the reader; return its graph's file."""
    call = attribute("f", payload(10, payload(1, "inner")))
    body = attribute("body", payload(10, payload(1, "loop")))
    nodes = [
        const("axes", np.array([1, 0], np.int32)),
        const("shape", np.array([-1, 3], np.int32)),
        const("zero", np.int32(0)),
        const("matrix", weights(4, 6)),
        node("a_read", "ReadVariableOp", ["a"]),
        node("b_read", "ReadVariableOp", ["b"]),
        node("t", "Transpose", [used("a"), "axes:output:0"]),
        node("r", "Reshape", ["t:y:0", "shape:output:0"]),
        node("e", "ExpandDims", [used("b"), "zero:output:0"]),
        node("s", "Squeeze", ["e:output:0"], attribute("squeeze_dims", payload(1, payload(3, b"\0")))),
        node("m", "MatMul", ["x", "r:output:0"]),
        node("k", "Conv2D", ["m:product:0", "s:output:0"]),
        node("q", "MatMul", ["k:output:0", "matrix:output:0"]),
        node("p", "PartitionedCall", ["q:product:0", "c"], call),
        node("w", "While", ["x", "c"], body),
        node("h", "Einsum", ["x", used("b")], attribute("equation", payload(2, "xy,hwio->xhwi"))),
    ]
    inner = build.function(
        "inner", ["x", "v"], [node("g", "ResourceGather", ["v", "x"])], {"o": "g:output:0"}
    )
    loop = build.function("loop", ["x", "v"], [node("n", "WriteFile", ["x"])])
    name = "__inference_signature_wrapper_1"
    signature = build.function(name, ["x", "a", "b", "c"], nodes)
    objects = build.saved_objects(["a", "b", "c"], {name: [1, 2, 3]})
    stored = {"a": weights(4, 6), "b": weights(2, 3, 4, 6), "c": weights(5, 7)}
    tensors = {key + VALUE: values for key, values in stored.items()}
    build.Checkpoint(tensors, {"a": "first/kernel", "b": "", "c": "c"}).write(folder / "variables")
    graph_def = build.graph([node("NoOp", "NoOp")], [signature, inner, loop])
    (folder / "saved_model.pb").write_bytes(build.saved_model(graph_def, objects))
    return folder / "saved_model.pb"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that no test changes."""
    folder = tmp_path_factory.mktemp("pristine")
    rich_model(folder)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """Return a copy of the model that a test may spoil."""
    shutil.copytree(pristine, tmp_path / "model")
    return tmp_path / "model"


def examine(path: Path) -> bool:
    """Read everything; tell whether it could be."""
    reader = reader_of(path)
    return reader is not None and is_read(reader, path)


def test_the_model_that_is_spoiled_is_whole(pristine: Path) -> None:
    found = SavedModelReader().read(pristine / "saved_model.pb", root=pristine)
    kinds = {layer.name: layer.kind for layer in found.layers}
    assert kinds == {"first": "dense", "b": "conv2d", "matrix": "dense", "c": "embedding"}
    assert found.unsafe_globals == ("tensorflow.raw_ops.WriteFile",)


@pytest.mark.parametrize("part", PARTS)
def test_every_truncation(folder: Path, part: str) -> None:
    data = (folder / part).read_bytes()
    for length in range(0, len(data), 1 + len(data) // 150):
        (folder / part).write_bytes(data[:length])
        assert not examine(folder / "saved_model.pb")


@pytest.mark.parametrize("part", PARTS)
def test_changed_bytes(folder: Path, part: str) -> None:
    chance = Random(part)  # noqa: S311
    data = (folder / part).read_bytes()
    tracemalloc.start()
    for _ in range(300):
        (folder / part).write_bytes(mutated(data, chance))
        examine(folder / "saved_model.pb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def test_changed_entries_behind_right_checksums(folder: Path) -> None:
    chance = Random(3)  # noqa: S311
    stored = build.Checkpoint({"a" + VALUE: weights(4, 6), "b": weights(3, 3)}, {"a": "a"})
    index = stored.write(folder / "variables")
    whole = {
        b"": number(1, 1),
        b"a" + VALUE.encode(): build.entry(1, (4, 6), 0, 96),
        b"b": build.entry(1, (3, 3), 96, 36),
    }
    for _ in range(300):
        key = chance.choice(list(whole))
        index.write_bytes(build.table({**whole, key: mutated(whole[key], chance)}))
        examine(folder / "saved_model.pb")


def test_a_frozen_graph_of_changed_bytes(tmp_path: Path) -> None:
    chance = Random(5)  # noqa: S311
    data = build.graph([const("w", weights(4, 6)), node("m", "MatMul", ["x", "w"])])
    for _ in range(300):
        (tmp_path / "frozen.pb").write_bytes(mutated(data, chance))
        examine(tmp_path / "frozen.pb")


def calling(name: str, function: str) -> bytes:
    """Return a node that calls ``function`` with ``x``."""
    return node(name, "PartitionedCall", ["x"], attribute("f", payload(10, payload(1, function))))


def test_functions_that_call_each_other_twice_at_each_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty levels of two calls each are a million million walks, unless one walk serves for all."""
    calls = [
        build.function(f"f{level}", ["x"], [calling(name, f"f{level + 1}") for name in "ab"])
        for level in range(40)
    ]
    monkeypatch.setattr(trace, "_MOST_NODES", 1000)
    (tmp_path / "frozen.pb").write_bytes(build.graph([calling("s", "f0")], calls))
    assert FrozenGraphReader().read(tmp_path / "frozen.pb", root=tmp_path).layers == ()


def test_a_function_that_calls_itself(tmp_path: Path) -> None:
    again = build.function("f", ["x"], [calling("s", "f")], {"y": "s:output:0"})
    (tmp_path / "frozen.pb").write_bytes(build.graph([calling("s", "f")], [again]))
    assert FrozenGraphReader().read(tmp_path / "frozen.pb", root=tmp_path).layers == ()


def test_functions_nested_too_deep(tmp_path: Path) -> None:
    calls = [build.function(f"f{level}", ["x"], [calling("s", f"f{level + 1}")]) for level in range(500)]
    (tmp_path / "frozen.pb").write_bytes(build.graph([calling("s", "f0")], calls))
    with pytest.raises(UnsafeModelError, match="nested"):
        FrozenGraphReader().read(tmp_path / "frozen.pb", root=tmp_path)


def test_a_graph_that_unfolds_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_MOST_NODES", 100)
    (tmp_path / "frozen.pb").write_bytes(build.graph([node(f"n{at}", "NoOp") for at in range(101)]))
    with pytest.raises(UnsafeModelError, match="more than 100 nodes"):
        FrozenGraphReader().read(tmp_path / "frozen.pb", root=tmp_path)


def test_nodes_that_cost_two_bytes_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.weights.savedmodel.program.MOST_ELEMENTS", 10_000)
    assert graph.MOST_ELEMENTS > 10_000
    (tmp_path / "frozen.pb").write_bytes(payload(1, node("n", "NoOp")) + payload(1, b"") * (1 << 18))
    with pytest.raises(UnsafeModelError, match="more than 10,000"):
        FrozenGraphReader().read(tmp_path / "frozen.pb", root=tmp_path)


def test_a_chain_of_views_longer_than_python_may_recurse(tmp_path: Path) -> None:
    nodes = [const("axes", np.array([1, 0], np.int32)), const("v0", weights(4, 6))]
    for at in range(3000):
        shape = const(f"s{at}", np.array([4, 6], np.int32))
        nodes += [
            shape,
            node(f"t{at}", "Transpose", [f"v{at}", "axes"]),
            node(f"v{at + 1}", "Reshape", [f"t{at}", f"s{at}"]),
        ]
    nodes.append(node("m", "MatMul", ["x", "v3000"]))
    (tmp_path / "frozen.pb").write_bytes(build.graph(nodes))
    found = FrozenGraphReader().read(tmp_path / "frozen.pb", root=tmp_path)
    assert found.layers == ()
    (skipped,) = found.skipped
    assert (skipped.name, skipped.matrix) == ("v0", True)


def test_nodes_in_a_circle(tmp_path: Path) -> None:
    nodes = [node("a", "Identity", ["b"]), node("b", "Identity", ["a"]), node("m", "MatMul", ["a", "b"])]
    (tmp_path / "frozen.pb").write_bytes(build.graph(nodes))
    assert FrozenGraphReader().read(tmp_path / "frozen.pb", root=tmp_path).layers == ()


def test_objects_in_a_circle(folder: Path) -> None:
    circle = payload(
        1, payload(1, number(1, 0) + payload(2, "self")) + payload(1, number(1, 1 << 40) + payload(2, "far"))
    )
    graph_def = build.graph([node("NoOp", "NoOp")])
    (folder / "saved_model.pb").write_bytes(build.saved_model(graph_def, circle))
    assert examine(folder / "saved_model.pb")
