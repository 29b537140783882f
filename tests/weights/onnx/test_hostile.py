"""Files that are damaged or built to harm: one clear error, little memory, little time."""

from __future__ import annotations

import random as stdlib_random
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from gate.errors import ModelError, UnsafeModelError
from gate.weights.onnx import OnnxReader, walk
from gate.weights.protobuf import scanner
from gate.weights.protobuf.wire import (
    FIXED32,
    FIXED64,
    LENGTH_DELIMITED,
    VARINT,
    Span,
    fields,
    signed,
    varint,
)
from tests.weights.damage import is_read
from tests.weights.onnx.build import OPSETS, constant, dynamic, model, node, random, read, write

if TYPE_CHECKING:
    from pathlib import Path


def rich_model() -> bytes:
    """Return a small model that takes every way through the reader."""
    numbers = np.arange(48, dtype=np.uint8)
    nested = helper.make_graph(
        [node("Constant", [], ["k"], value=constant("v", random(4, 4))), node("MatMul", ["x", "k"], ["o"])],
        "then",
        [],
        [dynamic("o")],
    )
    function = helper.make_function(
        "local", "F", ["a", "b"], ["c"], [node("MatMul", ["a", "b"], ["c"])], OPSETS
    )
    nodes = [
        node("Transpose", ["w0"], ["w0t"], perm=[1, 0]),
        node("MatMul", ["x", "w0t"], ["a"], name="/enc/q/MatMul"),
        node("Slice", ["w1", "zero", "four"], ["w1a"]),
        node("Slice", ["w1", "four", "eight"], ["w1b"]),
        node("Concat", ["w1b", "w1a"], ["w1c"], axis=0),
        node("Unsqueeze", ["w1c", "zero"], ["w1u"]),
        node("LSTM", ["x", "w1u", "r1"], ["l"], hidden_size=2),
        node("DequantizeLinear", ["wq", "sc", "zp"], ["wd"], axis=0),
        node("Conv", ["x", "wd"], ["c"], group=2),
        node("If", ["cond"], ["y"], then_branch=nested, else_branch=nested),
        node("ConvTranspose", ["x", "ct"], ["z"], group=2),
        node("Gather", ["emb", "ids"], ["e"]),
        node(
            "MatMulNBits", ["x", "nb", "nbs"], ["n"], domain="com.microsoft", N=3, K=32, bits=4, block_size=16
        ),
        node("Split", ["w6"], ["p", "q"], axis=0),
        node("MatMul", ["x", "p"], ["pp"]),
        node("Einsum", ["x", "w7"], ["ee"], equation="bij,jk->bik"),
        node("F", ["x", "w7"], ["f"], domain="local"),
    ]
    stored = [
        *(
            constant(name, random(*shape))
            for name, shape in [("w0", (6, 4)), ("w1", (8, 3)), ("r1", (1, 8, 2))]
        ),
        *(constant(name, [value]) for name, value in [("zero", 0), ("four", 4), ("eight", 8)]),
        constant("wq", np.arange(-36, 36).astype(np.int8).reshape(4, 2, 3, 3)),
        constant("sc", random(4)),
        constant("zp", np.zeros(4, np.int8)),
        *(
            constant(name, random(*shape))
            for name, shape in [("ct", (4, 3, 2)), ("emb", (7, 4)), ("w6", (8, 4))]
        ),
        constant("nb", numbers.reshape(3, 2, 8)),
        constant("nbs", random(6)),
        constant("w7", random(4, 3)),
        helper.make_tensor("half", TensorProto.FLOAT16, [2, 2], [1, 2, 3, 4]),
        helper.make_tensor("nibbles", TensorProto.INT4, [3, 3], range(-4, 5)),
    ]
    opsets = [*OPSETS, helper.make_opsetid("local", 1)]
    data: bytes = model(nodes, stored, functions=[function], opsets=opsets).SerializeToString()
    return data


def examine(path: Path) -> bool:
    """Read everything; tell whether it could be."""
    reader = OnnxReader()
    reader.matches(path)
    return is_read(reader, path)


def test_every_truncation(tmp_path: Path) -> None:
    data = rich_model()
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert examine(path)
    opsets_end = next(field.span.end for field in fields(data, Span(0, len(data))) if field.number == 8)
    for length in {*range(0, len(data), 7), *range(opsets_end - 40, opsets_end)}:
        path.write_bytes(data[:length])
        assert not examine(path) or length >= opsets_end  # a cut between whole fields cannot be told


def mutate(data: bytes, chance: stdlib_random.Random) -> bytes:
    result = bytearray(data)
    place = chance.randrange(len(result))
    way = chance.randrange(4)
    if way == 0:
        for _ in range(chance.randrange(1, 4)):
            result[chance.randrange(len(result))] ^= 1 << chance.randrange(8)
    elif way == 1:  # an enormous length or number
        result[place : place + chance.randrange(1, 10)] = b"\xff" * chance.randrange(1, 10) + b"\x7f"
    elif way == 2:  # a piece of the model in another place
        source, length = chance.randrange(len(result)), chance.randrange(1, 64)
        result[place : place + length] = result[source : source + length]
    else:
        result[place] = chance.choice([0, 1, 2, 0x7F, 0x80, 0xFF])
    return bytes(result)


def test_damaged_files(tmp_path: Path) -> None:
    data, chance = rich_model(), stdlib_random.Random(7)  # noqa: S311 - reproducible damage, no secret
    path = tmp_path / "model.onnx"
    readable = 0
    for _ in range(500):
        path.write_bytes(mutate(data, chance))
        readable += examine(path)
    assert 0 < readable < 500


def test_damaged_files_take_no_memory(tmp_path: Path) -> None:
    data, chance = rich_model(), stdlib_random.Random(8)  # noqa: S311 - reproducible damage, no secret
    path = tmp_path / "model.onnx"
    tracemalloc.start()
    for _ in range(40):
        path.write_bytes(mutate(data, chance))
        examine(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    examine(path)


@pytest.mark.parametrize("content", [None, b"", b"\x80\x05.", b"PK\x03\x04", b"{}", b"\x08\x0a"])
def test_other_files(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError):
        OnnxReader().read(path, root=tmp_path)
    assert OnnxReader().matches(path) == (content == b"\x08\x0a")  # an ir_version, and cut short


def test_only_files_called_onnx_match(tmp_path: Path) -> None:
    path = write(tmp_path, model([node("Relu", ["x"], ["y"])], []))
    assert OnnxReader().matches(path)
    other = path.rename(tmp_path / "model.bin")
    assert not OnnxReader().matches(other)
    assert not OnnxReader().matches(tmp_path)


def delimited(number: int, payload: bytes) -> bytes:
    """Return one length-delimited field."""
    length, header = len(payload), bytearray([number << 3 | LENGTH_DELIMITED])
    while length > 0x7F:
        header.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*header, length]) + payload


def test_nodes_that_cost_two_bytes_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte that would be hundreds of objects; the limit is lowered to keep the test short."""
    monkeypatch.setattr(scanner, "MOST_ELEMENTS", 10_000)
    path = tmp_path / "model.onnx"
    path.write_bytes(delimited(7, delimited(1, b"") * (1 << 19)))
    tracemalloc.start()
    with pytest.raises(UnsafeModelError, match="more than 10,000 nodes, names and attributes"):
        OnnxReader().read(path, root=tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_graphs_nested_without_end(tmp_path: Path) -> None:
    graph = b""
    for _ in range(2000):
        graph = delimited(1, delimited(5, delimited(6, graph)))
    path = tmp_path / "model.onnx"
    path.write_bytes(delimited(7, graph))
    with pytest.raises(UnsafeModelError, match="nested more than"):
        OnnxReader().read(path, root=tmp_path)


def functions(calls: list[list[str]]) -> Any:
    """Return a model whose function i calls the functions ``calls[i]``."""
    made = [
        helper.make_function(
            "local",
            f"f{i}",
            ["a"],
            ["b"],
            [node(name, ["a"], ["b"], domain="local") for name in called],
            OPSETS,
        )
        for i, called in enumerate(calls)
    ]
    opsets = [*OPSETS, helper.make_opsetid("local", 1)]
    return model([node("f0", ["x"], ["y"], domain="local")], [], functions=made, opsets=opsets)


def test_functions_that_call_themselves_or_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_WORK", 20_000)
    with pytest.raises(UnsafeModelError, match="nested more than"):
        read(tmp_path, functions([["f0"]]))
    laughs = [[f"f{i + 1}"] * 8 for i in range(20)] + [["Relu"]]
    with pytest.raises(UnsafeModelError, match="unfolds into more"):
        read(tmp_path, functions(laughs))


def test_name_of_a_megabyte(tmp_path: Path) -> None:
    with pytest.raises(UnsafeModelError, match="a name of"):
        read(tmp_path, model([node("Relu", ["x" * (1 << 20)], ["y"])], []))


def test_tensors_are_not_read_while_listing(tmp_path: Path) -> None:
    """A model of 64 MB is listed within one, and read within one tensor."""
    names = [f"w{i}" for i in range(4)]
    stored = [constant(name, np.zeros((2048, 2048), np.float32)) for name in names]
    path = write(tmp_path, model([node("MatMul", ["x", name], [f"y{name}"]) for name in names], stored))
    del stored
    tracemalloc.start()
    weights = OnnxReader().read(path, root=tmp_path)
    total = sum(float(layer.read()[0, 0]) for layer in weights.layers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(weights.layers), total) == (4, 0)
    assert peak < 1 << 20


@given(st.integers(0, (1 << 64) - 1))
def test_varints_as_protobuf_writes_them(value: int) -> None:
    """``i`` of an attribute is a signed 64-bit field; its bytes come from the protobuf package."""
    data = onnx.AttributeProto(i=signed(value)).SerializeToString()
    (field,) = fields(data, Span(0, len(data)))
    assert (field.number, field.wire_type, field.value) == (3, VARINT, value)


@pytest.mark.parametrize(
    "data",
    [b"\x80", b"\x80" * 11, b"\xff" * 9 + b"\x02", b"\x00\x00", b"\x0b", b"\x0f", b"\x0a\x05ab", b"\x0d123"],
)
def test_wire_format_that_is_broken(data: bytes) -> None:
    with pytest.raises(ModelError):
        list(fields(data, Span(0, len(data))))


def test_fixed_width_fields() -> None:
    data = bytes([1 << 3 | FIXED32, 1, 2, 3, 4, 2 << 3 | FIXED64, *range(8)])
    first, second = fields(data, Span(0, len(data)))
    assert (first.span, second.span) == (Span(1, 5), Span(6, 14))
    assert varint(b"\xac\x02", 0, 2) == (300, 2)
