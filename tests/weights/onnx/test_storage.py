"""Every storage type and container of values, bit for bit against onnx.numpy_helper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gate.errors import ModelError, UnsafeModelError
from gate.weights.onnx import OnnxReader
from gate.weights.onnx.storage import ELEMENT_TYPES
from tests.weights.onnx.build import model, node, only, random, read, write

if TYPE_CHECKING:
    from pathlib import Path

FLOATS: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.FLOAT16: np.float16,
    TensorProto.BFLOAT16: ml_dtypes.bfloat16,
    TensorProto.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    TensorProto.FLOAT8E5M2: ml_dtypes.float8_e5m2,
}
INTEGERS = [
    TensorProto.INT8,
    TensorProto.UINT8,
    TensorProto.INT16,
    TensorProto.UINT16,
    TensorProto.INT32,
    TensorProto.UINT32,
    TensorProto.INT64,
    TensorProto.UINT64,
    TensorProto.INT4,
    TensorProto.UINT4,
]


def product(tensor: Any) -> Any:
    """Return a model that multiplies by ``tensor`` from the left: canonical as stored."""
    return model([node("MatMul", ["w", "x"], ["y"])], [tensor])


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("element", list(FLOATS), ids=TensorProto.DataType.Name)
def test_floats(tmp_path: Path, element: int, raw: bool) -> None:
    values = random(5, 7).astype(FLOATS[element])
    tensor = helper.make_tensor("w", element, (5, 7), values.tobytes() if raw else values, raw=raw)
    layer = only(read(tmp_path, product(tensor)))
    assert layer.dtype == ELEMENT_TYPES[element].name
    result = layer.read()
    native = element in {TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE}
    assert result.dtype == (values.dtype if native else np.float32)
    np.testing.assert_array_equal(result, numpy_helper.to_array(tensor).astype(result.dtype))


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("element", INTEGERS, ids=TensorProto.DataType.Name)
def test_integers_through_a_scale_of_one(tmp_path: Path, element: int, raw: bool) -> None:
    low, high = (-8, 8) if element in {TensorProto.INT4, TensorProto.UINT4} else (-100, 100)
    if "UINT" in TensorProto.DataType.Name(element):
        low, high = 0, high - low
    numbers = np.random.default_rng(0).integers(low, high, 35)
    tensor = helper.make_tensor("w", element, (5, 7), numbers.tolist())
    if raw:
        tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), "w")
        assert tensor.raw_data
    nodes = [node("DequantizeLinear", ["w", "s"], ["d"]), node("MatMul", ["d", "x"], ["y"])]
    scale = numpy_helper.from_array(np.array(1, np.float32), "s")
    layer = only(read(tmp_path, model(nodes, [tensor, scale])))
    assert (layer.dtype, layer.quantisation_step) == (ELEMENT_TYPES[element].name, 1)
    np.testing.assert_array_equal(layer.read(), numbers.reshape(5, 7))


@pytest.mark.parametrize("change", [-1, 1, 4])
@pytest.mark.parametrize("raw", [True, False])
def test_values_that_are_not_as_many_as_the_shape_tells(tmp_path: Path, change: int, raw: bool) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, (2, 2), random(2, 2).tobytes(), raw=True)
    if raw:
        tensor.raw_data = (tensor.raw_data + bytes(8))[: 16 + change]
    else:
        tensor.ClearField("raw_data")
        tensor.float_data.extend([0.0] * (4 + change))
    with pytest.raises(ModelError, match=r"^model\.onnx: tensor 'w' of shape \[2, 2\] needs 16 bytes"):
        read(tmp_path, product(tensor))


@pytest.mark.parametrize("shape", [(1 << 62, 1 << 62), (-1, 4), (1 << 40, 1), (1,) * 40])
def test_shapes_that_lie(tmp_path: Path, shape: tuple[int, ...]) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, (2, 2), random(2, 2).tobytes(), raw=True)
    del tensor.dims[:]
    tensor.dims.extend(shape)
    with pytest.raises(ModelError, match="tensor 'w'"):
        read(tmp_path, product(tensor))


def test_values_given_twice_are_refused(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, (2, 2), random(2, 2).tobytes(), raw=True)
    tensor.float_data.extend([0.0] * 4)
    with pytest.raises(ModelError, match="in more than one place"):
        read(tmp_path, product(tensor))


def test_field_given_twice_is_refused(tmp_path: Path) -> None:
    """Readers take the first, the last or both: the gate would see another model than the runtime."""
    path = write(tmp_path, product(numpy_helper.from_array(random(2, 2), "w")))
    graph = product(numpy_helper.from_array(random(2, 2), "v")).graph.SerializeToString()
    path.write_bytes(path.read_bytes() + b"\x3a" + bytes([len(graph)]) + graph)
    assert len(onnx.load(path).graph.initializer) == 2  # merged by this one
    with pytest.raises(UnsafeModelError, match="'graph' is given twice"):
        OnnxReader().read(path, root=tmp_path)


def external(folder: Path, **entries: str) -> ModelError | None:
    """Return the error of a model whose tensor lies where ``entries`` say, or None."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    try:
        only(read(folder, product(tensor))).read()
    except ModelError as error:
        return error
    return None


def test_external_data_written_by_onnx(tmp_path: Path) -> None:
    weights = {name: random(30, 20, seed=seed) for seed, name in enumerate(("a", "b"))}
    nodes = [node("MatMul", ["a", "x"], ["c"]), node("MatMul", ["c", "b"], ["y"])]
    proto = model(nodes, [numpy_helper.from_array(values, name) for name, values in weights.items()])
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.data", size_threshold=0)
    listed = OnnxReader().read(path, root=tmp_path)
    assert listed.files == ("model.onnx", "weights.data")
    by_name = {layer.name: layer.read() for layer in listed.layers}
    np.testing.assert_array_equal(by_name["a"], weights["a"])
    np.testing.assert_array_equal(by_name["b"], weights["b"].T)
    padding = listed.unreferenced_bytes  # onnx aligns tensors to pages
    with (tmp_path / "weights.data").open("ab") as file:
        file.write(b"hidden")
    assert OnnxReader().read(path, root=tmp_path).unreferenced_bytes == padding + 6


@pytest.mark.parametrize(
    "location",
    [
        "../outside",
        "/etc/hostname",
        "",
        ".",
        "a/../../outside",
        "link",
        "C:\\x",
        "..\\outside",
        "a\0b",
        "x" * 5000,
    ],
)
def test_external_data_outside_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "outside").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    assert isinstance(external(folder, location=location), UnsafeModelError)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": "8"}, "ends at byte 24 of data, which holds 16"),
        ({"offset": "9" * 19}, "which holds 16"),
        ({"offset": "-1"}, "needs a number"),
        ({"offset": "1e3"}, "needs a number"),
        ({"offset": "9" * 5000}, "needs a number"),
        ({"length": "12"}, "needs 16 bytes, its external data has 12"),
        ({"location": "gone"}, "not there"),
        ({"location": "y" * 300}, "names|cannot be read|not there"),
    ],
)
def test_external_data_that_is_not_there(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    (tmp_path / "data").write_bytes(bytes(16))
    assert external(tmp_path, location="data") is None
    error = external(tmp_path, **{"location": "data", **entries})
    assert error is not None
    with pytest.raises(ModelError, match=message):
        raise error


def test_unknown_fields_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, product(numpy_helper.from_array(random(2, 2), "w")))
    hidden = b"secret payload"
    path.write_bytes(path.read_bytes() + b"\xfa\x07" + bytes([len(hidden)]) + hidden)  # field 127
    assert OnnxReader().read(path, root=tmp_path).unreferenced_bytes == len(hidden)
