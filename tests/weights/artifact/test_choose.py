from __future__ import annotations

import pytest

from gate.errors import ModelError
from gate.weights import weight_files
from gate.weights.artifact.choose import choose


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.safetensors", "pytorch_model.bin"], [("model.safetensors",)]),
        (["model.pth", "model.onnx"], [("model.onnx",)]),
        (["adapter_model.bin", "adapter_model.safetensors"], [("adapter_model.safetensors",)]),
        (["b.onnx", "a.onnx"], [("a.onnx",), ("b.onnx",)]),
        (["v10.onnx", "v9.onnx"], [("v9.onnx",), ("v10.onnx",)]),
        (["one/model.onnx", "two/model.pt"], [("one/model.onnx",), ("two/model.pt",)]),
        (
            [
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
            ],
            [("model.safetensors.index.json",)],
        ),
        (
            ["pytorch_model.bin.index.json", "pytorch_model-1-of-2.bin", "pytorch_model-2-of-2.bin"],
            [("pytorch_model.bin.index.json",)],
        ),
        (
            ["model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", "pytorch_model.bin"],
            [("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")],
        ),
        (["model.PTH", ".onnx", "optimizer.pt", "notes.txt"], [("model.PTH",)]),
    ],
)
def test_one_model_is_read_once_and_several_all(names: list[str], expected: list[tuple[str, ...]]) -> None:
    choice = choose(names)
    assert [candidate.files for candidate in choice.chosen] == expected


def test_what_is_left_out_is_named_with_the_reason() -> None:
    choice = choose(["model.onnx", "model.pt", "training_args.bin"])
    assert [(item.name, item.matrix) for item in choice.left] == [("training_args.bin", False)]
    assert [(first.files, copy.files) for first, copy in choice.copies] == [(("model.onnx",), ("model.pt",))]


def test_a_file_that_a_loader_opens_is_read_whatever_its_name() -> None:
    names = ["model.safetensors", "optimizer.pt", "weights", "model.h5"]
    choice = choose(names, frozenset({"optimizer.pt", "weights", "model.h5"}))
    assert sorted(candidate.files[0] for candidate in choice.chosen) == sorted(names)
    assert (choice.left, choice.copies) == ((), ())


@pytest.mark.parametrize(
    "names", [["m-00001-of-00002.safetensors"], ["m-1-of-999999999.bin"], ["m-0-of-1.bin"]]
)
def test_an_incomplete_set_of_numbered_files_is_refused(names: list[str]) -> None:
    with pytest.raises(ModelError, match="is one of"):
        choose(names)


def test_weight_files_are_what_reading_needs_and_no_more() -> None:
    needed = [
        "MLmodel",
        "model/config.json",
        "model/model-00001-of-00002.safetensors",
        "model/model.safetensors.index.json",
        "data/model.pth",
        "python_model.pkl",
        "artifacts/model.h5",
    ]
    others = [
        "requirements.txt",
        "conda.yaml",
        "code/net.py",
        "model/tokenizer.json",
        "model/vocab.txt",
        "data.csv",
    ]
    listing = [(name, 10) for name in (*needed, *others)]
    assert weight_files(listing) == tuple(needed)


def test_external_data_is_kept_beside_an_onnx_model_only() -> None:
    data = ["m/weights.data", "m/onnx__MatMul_12", "m/layer.0.bias", "m/sub/tensor"]
    assert weight_files([(name, 1) for name in [*data, "m/readme.md"]]) == ()
    assert weight_files([(name, 1) for name in ["m/model.onnx", *data, "m/readme.md", "n/tensor"]]) == (
        "m/model.onnx",
        *data,
    )
