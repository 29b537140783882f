from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from gate.weights.interface import StoredTensor
from gate.weights.state_dict import describe
from gate.weights.state_dict.quantised import block_layout
from tests.weights.state_dict.build import Unread, arrays, shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RNG = np.random.default_rng(1)


def _fp8(*shape: int) -> NDArray[Any]:
    return _RNG.normal(size=shape).astype(ml_dtypes.float8_e4m3fn)


def test_fp8_blocks_of_128_with_a_last_one_cut_short() -> None:
    stored, scale = _fp8(200, 130), _RNG.uniform(0.5, 2, (2, 2)).astype(np.float32)
    described = describe(arrays({"proj.weight": stored, "proj.weight_scale_inv": scale}))
    (layer,) = described.layers
    assert (layer.name, layer.dtype, layer.kind, layer.quantisation_step) == (
        "proj",
        "float8_e4m3fn",
        "dense",
        None,
    )
    expected = stored.astype(np.float64)
    for row in range(200):
        for column in range(130):
            expected[row, column] *= scale[row // 128, column // 128]
    np.testing.assert_allclose(layer.read(), expected, rtol=1e-6)
    (companion,) = described.skipped
    assert (companion.name, companion.matrix) == ("proj.weight_scale_inv", False)


@pytest.mark.parametrize("shape", [(), (1,), (6,), (6, 1), (3, 2)])
def test_fp8_scales_of_the_tensor_its_rows_or_even_blocks(shape: tuple[int, ...]) -> None:
    stored, scale = _fp8(6, 4), np.asarray(_RNG.uniform(0.5, 2, shape), dtype=np.float32)
    (layer,) = describe(arrays({"w.weight": stored, "w.weight_scale": scale})).layers
    spread = scale.reshape(6, 1) if scale.size == 6 and shape != (3, 2) else scale
    if shape == (3, 2):
        spread = np.kron(scale, np.ones((2, 2), dtype=np.float32))
    np.testing.assert_allclose(layer.read(), stored.astype(np.float32) * spread, rtol=1e-6)


def test_stacked_experts_have_stacked_scales() -> None:
    stored, scale = _fp8(2, 4, 6), np.array([[[2.0]], [[3.0]]], dtype=np.float32)
    tensors = {"experts.gate_up_proj": stored, "experts.gate_up_proj_scale": scale}
    (layer,) = describe(arrays(tensors)).layers
    assert (layer.kind, layer.name) == ("expert", "experts.gate_up_proj")
    np.testing.assert_allclose(layer.read(), stored.astype(np.float32) * scale, rtol=1e-6)


def test_bitsandbytes_int8_is_scaled_by_its_rows_over_127() -> None:
    weight = _RNG.normal(size=(5, 8)).astype(np.float32)
    largest = np.abs(weight).max(axis=1)
    stored = np.round(weight * 127 / largest[:, None]).astype(np.int8)
    (layer,) = describe(arrays({"q.weight": stored, "q.SCB": largest})).layers
    assert layer.dtype == "int8"
    assert np.abs(layer.read() - weight).max() <= (largest / 254).max() * 1.001
    assert layer.quantisation_step == pytest.approx(np.sqrt(np.mean((largest / 127) ** 2)), rel=1e-6)


def test_asymmetric_int8_takes_its_zero_point_off_first() -> None:
    stored = np.array([[10, 12], [14, 200]], dtype=np.uint8)
    tensors = {
        "w.weight": stored,
        "w.weight_scale": np.array([[0.5], [2.0]], dtype=np.float32),
        "w.weight_zero_point": np.array([[10], [100]], dtype=np.uint8),
    }
    described = describe(arrays(tensors))
    np.testing.assert_array_equal(described.layers[0].read(), [[0, 1], [-172, 200]])
    assert {item.name for item in described.skipped} == {"w.weight_scale", "w.weight_zero_point"}


def test_a_scale_that_does_not_fit_leaves_the_weight_unmeasured_and_named() -> None:
    tensors = {"w.weight": np.ones((5, 4), np.int8), "w.weight_scale": np.ones((3, 2), np.float32)}
    described = describe(arrays(tensors))
    assert [item.matrix for item in described.skipped if item.name == "w.weight"] == [True]
    assert "w" not in {layer.name for layer in described.layers}


@pytest.mark.parametrize(
    ("tensors", "title", "parameters"),
    [
        (
            {
                "q.qweight": ((64, 96), "int32"),
                "q.qzeros": ((4, 12), "int32"),
                "q.scales": ((4, 96), "float16"),
            },
            "4-bit",  # GPTQ: 8 values of 4 bits along the inputs
            512 * 96,
        ),
        (
            {
                "q.qweight": ((128, 96), "int32"),
                "q.qzeros": ((4, 24), "int32"),
                "q.scales": ((4, 96), "float16"),
            },
            "8-bit",
            512 * 96,
        ),
        (
            {
                "q.weight": ((2048, 1), "uint8"),
                "q.weight.absmax": ((64,), "uint8"),
                "q.weight.quant_map": ((16,), "float32"),
            },
            "bitsandbytes",
            4096,
        ),
        ({"q.weight": ((2048, 1), "bfloat16"), "q.weight.absmax": ((64,), "uint8")}, "bitsandbytes", 8192),
        (
            {"e.down_proj_blocks": ((2, 8, 4, 16), "uint8"), "e.down_proj_scales": ((2, 8, 4), "uint8")},
            "MXFP4",
            2048,
        ),
        (
            {
                "w.weight": ((8, 16), "uint8"),
                "w.weight_scale": ((8, 2), "float8_e4m3fn"),
                "w.weight_scale_2": ((), "float32"),
            },
            "NVFP4",
            256,
        ),
        (
            {"w.weight_packed": ((8, 4), "int32"), "w.weight_scale": ((8, 1), "bfloat16")},
            "compressed-tensors",
            256,
        ),
    ],
)
def test_packed_weights_are_counted_and_named_not_measured(
    tensors: dict[str, tuple[tuple[int, ...], str]], title: str, parameters: int
) -> None:
    described = describe([StoredTensor(name, *rest, Unread(name)) for name, rest in tensors.items()])
    assert described.layers == ()
    packed = [item for item in described.skipped if item.matrix]
    assert [(item.name, item.parameters) for item in packed] == [(next(iter(tensors)), parameters)]
    assert title in packed[0].reason


def test_integers_that_the_reader_dequantises_itself_are_measured() -> None:
    tensor = StoredTensor("fc.weight", (4, 4), "qint8", Unread("fc"), quantisation_step=0.25)
    (layer,) = describe([tensor]).layers
    assert (layer.dtype, layer.quantisation_step) == ("qint8", 0.25)


def test_a_name_that_quantisation_makes_does_not_hide_another_tensor() -> None:
    tensors = {
        "q.weight._data": np.ones((2, 2), np.int8),
        "q.weight._scale": np.ones((2, 1), np.float32),
        "q.weight": np.ones((3, 3), np.float32),
    }
    assert sorted(layer.shape for layer in describe(arrays(tensors)).layers) == [(2, 2), (3, 3)]


def test_block_layout_refuses_what_does_not_divide() -> None:
    assert block_layout((256, 128), (2, 1)) == ((2, 1), (128, 128))
    assert block_layout((5, 4), (3, 2)) is None
    assert block_layout((4, 4), (2, 2, 1)) is None
    assert block_layout((4, 4), (0, 1)) is None


def test_plain_float8_needs_no_scale() -> None:
    (layer,) = describe(shapes({"w.weight": (4, 4)}, "float8_e5m2")).layers
    assert layer.dtype == "float8_e5m2"
