"""What an artifact's flavours load is what is read, whatever lies beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save_model
from safetensors.numpy import save_file

from gate.errors import ModelError
from gate.weights import read_weights
from gate.weights.artifact.choose import weight_files

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights, Skipped


def save(path: Path, **values: float) -> Path:
    """Write one 3 x 4 matrix of each value, under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"{name}.weight": np.full((3, 4), value, np.float32) for name, value in values.items()}, path)
    return path


def save_onnx(path: Path, value: float) -> None:
    weight = numpy_helper.from_array(np.full((3, 4), value, np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    save_model(helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight])), path)


def mlmodel(folder: Path, **flavours: str) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [f"  {name}: {{{settings}}}" for name, settings in flavours.items()]
    (folder / "MLmodel").write_text("\n".join(["flavors:", *lines, ""]))
    return folder


def values_of(weights: ModelWeights) -> set[float]:
    return {float(layer.read().flat[0]) for layer in weights.layers}


def skipped(weights: ModelWeights) -> dict[str, Skipped]:
    return {item.name: item for item in weights.skipped}


# python_function


def test_what_python_function_loads_is_read_too(tmp_path: Path) -> None:
    own = "data: other.onnx, loader_module: mlflow.onnx"
    mlmodel(tmp_path, onnx="data: model.onnx", python_function=own)
    save_onnx(tmp_path / "model.onnx", 1)
    save_onnx(tmp_path / "other.onnx", 2)
    weights = read_weights(tmp_path)
    assert values_of(weights) == {1, 2}
    assert weights.unsafe_globals == ()


def test_what_python_function_loads_and_nothing_reads_counts_as_not_measured(tmp_path: Path) -> None:
    mlmodel(tmp_path, onnx="data: model.onnx", python_function="data: blob, loader_module: mlflow.onnx")
    save_onnx(tmp_path / "model.onnx", 1)
    (tmp_path / "blob").write_bytes(bytes(400))
    item = skipped(read_weights(tmp_path))["blob"]
    assert (item.parameters, item.matrix) == (100, True)
    (tmp_path / "blob").unlink()
    (tmp_path / "blob").mkdir()
    (tmp_path / "blob" / "inner").write_bytes(bytes(800))
    item = skipped(read_weights(tmp_path))["blob"]
    assert (item.parameters, item.matrix) == (200, True)


def test_python_function_without_a_place_loads_from_the_artifact_itself(tmp_path: Path) -> None:
    mlmodel(tmp_path, pytorch="model_data: data", python_function="loader_module: mlflow.pytorch")
    save(tmp_path / "data" / "weights.safetensors", a=1)
    save(tmp_path / "model.safetensors", a=2)
    assert values_of(read_weights(tmp_path)) == {1}  # its loader opens model.pth and model.pt2 only
    (tmp_path / "model.pth").write_bytes(b"\x80\x02}.")
    with pytest.raises(ModelError, match=r"model\.pth"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("mlflow.onnx", ()),
        ("mlflow.onnx.sub", ()),
        ("evil", ("loader_module evil",)),
        ("mlflow.sklearn", ("loader_module mlflow.sklearn",)),
        ("mlflow.onnxevil", ("loader_module mlflow.onnxevil",)),
    ],
)
def test_a_loader_that_is_not_the_flavours_own_is_reported(
    tmp_path: Path, module: str, found: tuple[str, ...]
) -> None:
    mlmodel(tmp_path, onnx="data: model.onnx", python_function=f"data: model.onnx, loader_module: {module}")
    save_onnx(tmp_path / "model.onnx", 1)
    assert read_weights(tmp_path).unsafe_globals == found


def test_a_custom_models_own_loader_is_not_reported(tmp_path: Path) -> None:
    mlmodel(tmp_path, python_function="loader_module: mine, data: artifacts")
    save(tmp_path / "artifacts" / "model.safetensors", a=1)
    assert read_weights(tmp_path).unsafe_globals == ()


# decoys beside what a loader opens


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"], 1),
        (["model.safetensors.index.json", "pytorch_model.bin", "onnx/model.onnx"], 2),
    ],
)
def test_transformers_opens_one_file_and_the_others_are_named(
    tmp_path: Path, names: list[str], read: float
) -> None:
    mlmodel(tmp_path, transformers="model_binary: model")
    contents = {
        "model.safetensors": 1,
        "pytorch_model.bin": 3,
        "onnx/model.onnx": 4,
        "tf_model.h5": 5,
        "other.safetensors": 6,
    }
    for name in names:
        if name in contents:
            save(tmp_path / "model" / name, a=contents[name])
    if "model.safetensors.index.json" in names:
        save(tmp_path / "model" / "shard.safetensors", a=2)
        index = json.dumps({"weight_map": {"a.weight": "shard.safetensors"}})
        (tmp_path / "model" / "model.safetensors.index.json").write_text(index)
    weights = read_weights(tmp_path)
    assert values_of(weights) == {read}
    for name in names[1:]:
        item = skipped(weights)[f"model/{name}"]
        assert (item.reason, item.matrix) == ("not what the transformers flavour loads", False)


def test_weights_that_transformers_configuration_names_are_read(tmp_path: Path) -> None:
    mlmodel(tmp_path, transformers="model_binary: model")
    save(tmp_path / "model" / "model.safetensors", a=1)
    save(tmp_path / "model" / "other.safetensors", a=2)
    assert values_of(read_weights(tmp_path)) == {1}
    (tmp_path / "model" / "config.json").write_text('{"transformers_weights": "other.safetensors"}')
    assert values_of(read_weights(tmp_path)) == {1, 2}


def test_modules_of_sentence_transformers_are_each_read_from_what_is_opened(tmp_path: Path) -> None:
    mlmodel(tmp_path, sentence_transformers="x: y")
    place = tmp_path / "model.sentence_transformer"
    save(place / "model.safetensors", a=1)
    save(place / "decoy.safetensors", a=2)
    save(place / "2_Dense" / "model.safetensors", a=3)
    weights = read_weights(tmp_path)
    assert values_of(weights) == {1, 3}
    assert set(skipped(weights)) == {"model.sentence_transformer/decoy.safetensors"}


def test_a_file_of_training_state_that_the_model_names_is_the_model(tmp_path: Path) -> None:
    mlmodel(tmp_path, onnx="data: optimizer.pt")
    (tmp_path / "optimizer.pt").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"optimizer\.pt"):
        read_weights(tmp_path)
    save(tmp_path / "x.safetensors", a=2)
    mlmodel(tmp_path, pytorch="model_data: optimizer.pt", onnx="data: x.safetensors")
    with pytest.raises(ModelError, match=r"optimizer\.pt"):
        read_weights(tmp_path)


@pytest.mark.torch
def test_transformers_opens_a_pickle_where_there_is_nothing_else_that_it_opens(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mlmodel(tmp_path, transformers="model_binary: model")
    save(tmp_path / "model" / "other.safetensors", a=1)
    save(tmp_path / "model" / "tf_model.h5", a=1)
    torch.save({"a.weight": torch.full((3, 4), 2.0)}, tmp_path / "model" / "pytorch_model.bin")
    weights = read_weights(tmp_path)
    assert values_of(weights) == {2}
    assert set(skipped(weights)) == {"model/other.safetensors", "model/tf_model.h5"}


@pytest.mark.torch
def test_a_pickle_beside_safetensors_is_compared_with_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save(tmp_path / "model.safetensors", a=1)
    for value, matrix in ((1.0, False), (2.0, True)):
        torch.save({"a.weight": torch.full((3, 4), value)}, tmp_path / "pytorch_model.bin")
        assert skipped(read_weights(tmp_path))["pytorch_model.bin"].matrix == matrix


@pytest.mark.torch
def test_a_pytorch_flavour_reads_what_torch_loads_and_no_safetensors_beside_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mlmodel(tmp_path, pytorch="model_data: data", python_function="data: data, loader_module: mlflow.pytorch")
    save(tmp_path / "data" / "model.safetensors", a=1)
    torch.save({"a.weight": torch.full((3, 4), 2.0)}, tmp_path / "data" / "model.pth")
    weights = read_weights(tmp_path)
    assert values_of(weights) == {2}
    assert skipped(weights)["data/model.safetensors"].reason == "not what the pytorch flavour loads"


# two formats of one model in a plain folder


def write_index(folder: Path, **values: float) -> None:
    save(folder / "shard.safetensors", **values)
    index = {"weight_map": {f"{name}.weight": "shard.safetensors" for name in values}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_the_same_model_in_two_formats_is_left_out_when_its_matrices_are_equal(tmp_path: Path) -> None:
    write_index(tmp_path, a=1, b=2)
    save(tmp_path / "model.safetensors", a=1, b=2)
    item = skipped(read_weights(tmp_path))["model.safetensors"]
    assert (item.matrix, item.parameters) == (False, 0)
    assert item.reason == "the same model as model.safetensors.index.json in another format"


def test_tied_weights_that_one_format_stores_once_are_no_difference(tmp_path: Path) -> None:
    write_index(tmp_path, a=1, b=2)
    save(tmp_path / "model.safetensors", a=1, b=2, tied=1)
    assert not skipped(read_weights(tmp_path))["model.safetensors"].matrix


@pytest.mark.parametrize(
    ("other", "differs"),
    [({"a": 1, "b": 3}, "b.weight"), ({"a": 1}, "b.weight"), ({"a": 1, "b": 2, "c": 3}, "c.weight")],
)
def test_another_model_under_the_same_name_counts_as_not_measured(
    tmp_path: Path, other: dict[str, float], differs: str
) -> None:
    write_index(tmp_path, a=1, b=2)
    save(tmp_path / "model.safetensors", **other)
    item = skipped(read_weights(tmp_path))["model.safetensors"]
    assert item.matrix
    assert item.parameters >= 24  # as much as was measured, so that half is the most that can be
    assert item.reason.endswith(f"differs from it in {differs}")


def test_formats_that_cannot_be_compared_say_so(tmp_path: Path) -> None:
    save(tmp_path / "model.safetensors", a=1)
    save_onnx(tmp_path / "model.onnx", 2)
    (tmp_path / "flax_model.msgpack").write_bytes(b"x")
    for name in ("model.onnx", "flax_model.msgpack"):
        item = skipped(read_weights(tmp_path))[name]
        assert not item.matrix
        assert item.reason == "the same model as model.safetensors in another format, not compared"


def test_what_a_hub_converted_beside_the_model_is_no_other_model(tmp_path: Path) -> None:
    save(tmp_path / "model.safetensors", a=1)
    for name in ("openvino/openvino_model.bin", "openvino_model.bin", "coreml/x.mlpackage/weight.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(1000))
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    assert [item.name for item in read_weights(tmp_path).skipped if item.matrix] == []


@pytest.mark.parametrize("name", ["real.gguf", "real.bin", "real.npy", "real.npz"])
def test_weights_that_are_not_read_count_by_their_bytes(tmp_path: Path, name: str) -> None:
    save(tmp_path / "model.safetensors", a=1)
    (tmp_path / name).write_bytes(bytes(4000))
    (item,) = read_weights(tmp_path).skipped
    assert (item.name, item.parameters, item.matrix) == (name, 1000, True)


# MLmodel itself


def test_an_mlmodel_that_takes_long_to_parse_is_refused(tmp_path: Path) -> None:
    for text in ("x: " + "a" * (256 << 10), "x: [" + "[]," * 50_000 + "]"):
        (tmp_path / "MLmodel").write_text(f"flavors: {{}}\n{text}\n")
        with pytest.raises(ModelError, match=r"larger than 262144 bytes|more than 20000 values"):
            read_weights(tmp_path)


def test_an_mlmodel_with_a_long_signature_is_read(tmp_path: Path) -> None:
    mlmodel(tmp_path, onnx="data: model.onnx")
    save_onnx(tmp_path / "model.onnx", 1)
    columns = json.dumps([{"type": "double", "name": f"column {index}"} for index in range(3000)])
    with (tmp_path / "MLmodel").open("a") as file:
        file.write(f"signature:\n  inputs: '{columns}'\n")
    assert values_of(read_weights(tmp_path)) == {1}


# files that name a module


@pytest.mark.parametrize(
    ("file", "module", "reported"),
    [
        ("pickle_module_info.txt", "mlflow.pytorch.pickle_module", ()),
        ("pickle_module_info.txt", "evil", ("module evil",)),
        ("pickle_module_info.txt", "\x1b[2Jevil\n", (r"module \x1b[2Jevil",)),
        ("keras_module.txt", "tensorflow.keras", ()),
        ("keras_module.txt", "tensorflow.python.keras.api._v2.keras", ()),
        ("keras_module.txt", "kerasevil", ("module kerasevil",)),
        ("notes.txt", "evil", ()),
    ],
)
def test_a_module_that_loading_imports_is_reported(
    file: str, module: str, reported: tuple[str, ...], tmp_path: Path
) -> None:
    mlmodel(tmp_path, onnx="data: model.onnx")
    save_onnx(tmp_path / "model.onnx", 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / file).write_text(module, encoding="utf-8")
    assert read_weights(tmp_path).unsafe_globals == reported
    assert weight_files([(f"data/{file}", len(module))]) == (() if file == "notes.txt" else (f"data/{file}",))
