from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.layer import LAYER_KINDS
from gate.weights.interface import StoredTensor
from gate.weights.state_dict import describe
from tests.weights.state_dict.build import Unread, arrays, by_name, labels, shapes


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("encoder.layer.0.attention.self.query.weight", (768, 768), "dense"),
        ("lm_head.weight", (32000, 64), "dense"),
        ("classifier.weight", (1, 512), "dense"),
        ("text_projection", (512, 512), "dense"),
        ("features.0.weight", (64, 3, 7, 7), "conv2d"),
        ("conv.weight", (64, 3, 7), "conv1d"),
        ("patch_embed.proj.weight", (8, 3, 2, 4, 4), "conv3d"),
        ("dw.weight", (32, 1, 3, 3), "depthwise"),
        ("mixer.conv1d.weight", (1536, 1, 4), "depthwise"),
        ("final_conv.weight", (1, 128, 1), "conv1d"),
        ("model.embed_tokens.weight", (32000, 64), "embedding"),
        ("h.wpe.weight", (1024, 768), "embedding"),
        ("bert.embeddings.token_type_embeddings.weight", (2, 32), "embedding"),
        ("shared.weight", (32128, 512), "embedding"),
        ("block.0.layer.0.SelfAttention.relative_attention_bias.weight", (32, 8), "embedding"),
        ("embed_out.weight", (500, 64), "dense"),
        ("embeddings_project.weight", (512, 768), "dense"),
        ("attn.in_proj_weight", (96, 32), "attention"),
        ("attn.q_proj_weight", (32, 24), "attention"),
        ("model.layers.0.mlp.experts.gate_up_proj", (4, 20, 6), "expert"),
    ],
)
def test_the_kind_follows_from_name_and_shape(name: str, shape: tuple[int, ...], kind: str) -> None:
    (layer,) = describe(shapes({name: shape})).layers
    assert layer.kind == kind
    assert layer.shape == layer.stored_shape == shape
    assert layer.name == name.removesuffix(".weight")
    assert layer.tensor == name


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "matrix"),
    [
        ("h.0.attn.bias", (1, 1, 1024, 1024), "bool", False),
        ("h.0.attn.masked_bias", (2, 2), "float32", False),
        ("embeddings.position_ids", (1, 512), "int64", False),
        ("encoder.pos_embed", (1, 197, 768), "float32", False),
        ("cls_token", (1, 1, 768), "float32", False),
        ("rel.relative_position_index", (49, 49), "int64", False),
        ("freqs_cis", (64, 32), "float32", False),
        ("layer_norm.weight", (4, 8), "float32", True),  # by its name alone: counted against coverage
        ("layer_norm.weight", (4, 1, 1), "float32", False),
        ("experts.gate_up_proj_bias", (4, 20), "float32", False),
        ("mixer.A_log", (1536, 16), "float32", False),
        ("empty.weight", (0, 16), "float32", False),
        ("layer_scale", (1, 1, 768), "float32", False),
        ("linear.weight", (4, 8), "int8", True),
        ("linear.weight", (4, 8), "complex64", True),
        ("spectral.weights", (4, 8, 16, 16), "float32", True),
        ("conv.weight", (4, 8, 500, 500), "float32", True),
    ],
)
def test_what_is_no_matrix_or_cannot_be_measured_is_named(
    name: str, shape: tuple[int, ...], dtype: str, matrix: bool
) -> None:
    described = describe(shapes({name: shape}, dtype))
    assert described.layers == ()
    (skipped,) = described.skipped
    assert (skipped.name, skipped.matrix, skipped.parameters) == (name, matrix, math.prod(shape))
    assert skipped.reason


def test_vectors_and_batch_norms_are_counted() -> None:
    tensors = {"conv.weight": (8, 4, 3, 3), "conv.bias": (8,)}
    for part in ("weight", "bias", "running_mean", "running_var"):
        tensors[f"bn.{part}"] = (8,)
    tensors |= {"bn.num_batches_tracked": (), "odd.running_mean": (3,)}
    described = describe(shapes(tensors))
    assert described.batch_norms == 1
    assert described.vectors == 7
    assert described.vector_parameters == 5 * 8 + 1 + 3


def test_a_transposed_convolution_comes_out_as_out_in() -> None:
    values = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    (layer,) = describe(arrays({"up.deconv1.weight": values})).layers
    assert (layer.kind, layer.shape, layer.stored_shape) == ("conv_transpose2d", (3, 2, 2, 2), (2, 3, 2, 2))
    np.testing.assert_array_equal(layer.read()[2, 1], values[1, 2])


@pytest.mark.parametrize(
    ("name", "shape", "bias", "kind"),
    [
        ("shared.weight", (64, 48), (64,), "dense"),  # a table that rows are looked up in has no bias
        ("obs_embed.weight", (64, 48), (64,), "dense"),
        ("final_norm.weight", (64, 48), (64,), "dense"),
        ("final_norm.weight", (64, 48), (64, 48), None),
        ("anything.weight", (64, 48), (64, 48), None),  # torch.nn.LayerNorm((64, 48))
        ("shared/kernel", (48, 64), None, "dense"),  # Keras's and Flax's tables are no kernels
        ("embedding.kernel", (48, 64), None, "dense"),
        ("up.weight", (64, 48, 2, 2), (48,), "conv_transpose2d"),
        ("deconv.weight", (64, 48, 3, 3), (64,), "conv2d"),
        ("deconv.weight", (64, 16, 3, 3), (64,), "conv_transpose2d"),  # with groups either may be
        ("up/kernel", (2, 2, 48, 64), (48,), "conv_transpose2d"),
        ("conv.weight", (64, 48, 3), (64,), "conv1d"),
    ],
)
def test_a_bias_tells_what_a_name_does_not(
    name: str, shape: tuple[int, ...], bias: tuple[int, ...] | None, kind: str | None
) -> None:
    beside = {} if bias is None else {re.sub("(weight|kernel)$", "bias", name): bias}
    described = describe(shapes({name: shape, **beside}))
    assert [layer.kind for layer in described.layers] == ([] if kind is None else [kind])
    assert {item.matrix for item in described.skipped} == ({False} if kind is None else set())


def test_torch_says_the_same_of_its_modules() -> None:
    torch = pytest.importorskip("torch")
    modules = {
        "shared": torch.nn.Linear(48, 64),
        "final_norm": torch.nn.Linear(48, 64),
        "ln": torch.nn.LayerNorm((50, 60)),
        "tokens": torch.nn.ModuleDict({"embedding": torch.nn.Embedding(100, 64)}),
        "up": torch.nn.ConvTranspose2d(64, 32, 2),
        "deconv": torch.nn.Conv2d(48, 64, 3),
        "bilinear": torch.nn.Bilinear(20, 30, 40),
    }
    state = torch.nn.ModuleDict(modules).state_dict()
    described = describe(arrays({name: value.numpy() for name, value in state.items()}))
    assert {layer.name: (layer.kind, layer.shape) for layer in described.layers} == {
        "shared": ("dense", (64, 48)),
        "final_norm": ("dense", (64, 48)),
        "tokens.embedding": ("embedding", (100, 64)),
        "up": ("conv_transpose2d", (32, 64, 2, 2)),
        "deconv": ("conv2d", (64, 48, 3, 3)),
        "bilinear": ("dense", (40, 600)),
    }
    assert [item.name for item in described.skipped if item.matrix] == []
    x, y = torch.randn(3, 20), torch.randn(3, 30)
    flat = torch.from_numpy(by_name(described)["bilinear"].read())
    products = torch.einsum("bi,bj->bij", x, y).flatten(1)
    expected = modules["bilinear"](x, y) - modules["bilinear"].bias
    torch.testing.assert_close(products @ flat.T, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("mlp.input_linear.weight", (4, 192, 64), "expert"),  # JetMoe's and Granite's
        ("linear.weight", (64, 48, 1), "conv1d"),
        ("linear.weight", (64, 48, 9), "conv1d"),
    ],
)
def test_stacks_of_linear_layers_are_experts(name: str, shape: tuple[int, ...], kind: str) -> None:
    (layer,) = describe(shapes({name: shape})).layers
    assert (layer.kind, layer.shape) == (kind, shape)
    assert len(layer.parts) == (shape[0] if kind == "expert" else 0)


def test_heads_kept_apart_are_joined_as_the_attention_uses_them() -> None:
    """XLNet: q = einsum("ibh,hnd->ibnd", x, q), out = einsum("ibnd,hnd->ibh", heads, o)."""
    rng = np.random.default_rng(0)
    names = ("rel_attn.q", "rel_attn.o", "attention.r_kernel")
    stored = {f"layer.0.{name}": rng.standard_normal((24, 4, 5)) for name in names}
    layers = by_name(describe(arrays(stored)))
    x, heads = rng.standard_normal((2, 24)), rng.standard_normal((2, 4, 5))
    for name in ("layer.0.rel_attn.q", "layer.0.attention.r_kernel"):
        expected = np.einsum("bh,hnd->bnd", x, stored[name]).reshape(2, -1)
        assert layers[name].shape == (20, 24)
        np.testing.assert_allclose(x @ layers[name].read().T, expected)
    out = layers["layer.0.rel_attn.o"]
    expected = np.einsum("bnd,hnd->bh", heads, stored["layer.0.rel_attn.o"])
    np.testing.assert_allclose(heads.reshape(2, -1) @ out.read().T, expected)


def test_gpt2_stores_inputs_first_and_is_turned() -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "transformer.h.0.attn.c_attn.weight": rng.normal(size=(4, 12)),
        "transformer.h.0.attn.c_proj.weight": rng.normal(size=(4, 4)),
        "transformer.h.0.mlp.c_fc.weight": rng.normal(size=(4, 16)),
        "transformer.h.0.mlp.c_proj.weight": rng.normal(size=(16, 4)),
    }
    layers = describe(arrays(tensors)).layers
    assert [layer.shape for layer in layers] == [(12, 4), (4, 4), (16, 4), (4, 16)]
    for layer, stored in zip(layers, tensors.values(), strict=True):
        np.testing.assert_array_equal(layer.read(), stored.T)
    assert labels(layers[0]) == [("query", 0, 0, 4), ("key", 0, 4, 8), ("value", 0, 8, 12)]


def test_the_same_names_with_linear_layers_stay_as_they_are() -> None:
    tensors = {
        "h.0.attn.c_attn.weight": (12, 4),
        "h.0.attn.c_proj.weight": (4, 4),
        "h.0.mlp.c_fc.weight": (16, 4),
    }
    assert [layer.shape for layer in describe(shapes(tensors)).layers] == list(tensors.values())


def test_gpt2_cross_attention_fuses_key_and_value_only() -> None:
    tensors = {
        "h.0.crossattention.c_attn.weight": (4, 8),
        "h.0.crossattention.q_attn.weight": (4, 4),
        "h.0.attn.c_attn.weight": (4, 12),
    }
    assert labels(describe(shapes(tensors)).layers[0]) == [("key", 0, 0, 4), ("value", 0, 4, 8)]


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ({"attn.in_proj_weight": (96, 32)}, [32, 32, 32]),
        ({"blocks.0.attn.qkv.weight": (96, 32)}, [32, 32, 32]),
        # grouped queries: the output projection's width is the query's; 96 = 64 + 16 + 16, not 3 * 32
        ({"attn.qkv_proj.weight": (96, 48), "attn.o_proj.weight": (48, 64)}, [64, 16, 16]),
        ({"attn.Wqkv.weight": (96, 48)}, []),
        ({"attn.query_key_value.weight": (96, 32), "attn.dense.weight": (32, 32)}, []),
        ({"attn.wqkv.weight": (96, 32)}, []),
        ({"attn.qkv.weight": (97, 32), "attn.proj.weight": (32, 32)}, []),
        ({"attn.qkv.weight": (90, 40), "attn.proj.weight": (40, 40)}, []),
    ],
)
def test_fused_projections_are_split_only_where_the_layout_is_known(
    tensors: dict[str, tuple[int, ...]], expected: list[int]
) -> None:
    layer = describe(shapes(tensors)).layers[0]
    assert layer.kind == "attention"
    assert [part.stop - part.start for part in layer.parts] == expected
    assert [part.label for part in layer.parts] == (["query", "key", "value"] if expected else [])
    assert not expected or (layer.parts[0].start, layer.parts[-1].stop) == (0, layer.shape[0])


def test_expert_stacks_are_split_and_turned_where_the_pair_tells_the_order() -> None:
    up, down = np.arange(2 * 5 * 12.0).reshape(2, 5, 12), np.arange(2 * 6 * 5.0).reshape(2, 6, 5)
    turned = by_name(describe(arrays({"mlp.experts.gate_up_proj": up, "mlp.experts.down_proj": down})))
    assert turned["mlp.experts.gate_up_proj"].shape == (2, 12, 5)
    assert turned["mlp.experts.down_proj"].shape == (2, 5, 6)
    np.testing.assert_array_equal(turned["mlp.experts.down_proj"].read()[1], down[1].T)
    assert labels(turned["mlp.experts.down_proj"]) == [("0", 0, 0, 1), ("1", 0, 1, 2)]
    straight = {"mlp.experts.gate_up_proj": (2, 12, 5), "mlp.experts.down_proj": (2, 5, 6)}
    assert [layer.shape for layer in describe(shapes(straight)).layers] == list(straight.values())


@pytest.mark.parametrize(
    ("name", "stored", "kind", "shape"),
    [
        ("dense/kernel:0", (3, 5), "dense", (5, 3)),
        ("params.Dense_0.kernel", (3, 5), "dense", (5, 3)),
        ("conv/kernel", (7, 3, 5), "conv1d", (5, 3, 7)),
        ("conv/kernel", (7, 6, 3, 5), "conv2d", (5, 3, 7, 6)),
        ("conv/kernel", (7, 6, 2, 3, 5), "conv3d", (5, 3, 7, 6, 2)),
        ("dw/depthwise_kernel:0", (7, 6, 3, 2), "depthwise", (6, 1, 7, 6)),
        ("attn.query.kernel", (12, 2, 3), "dense", (6, 12)),
        ("attn.out.kernel", (2, 3, 12), "dense", (12, 6)),
        ("embedding/embeddings:0", (50, 8), "embedding", (50, 8)),
        ("wte.embedding", (50, 8), "embedding", (50, 8)),
    ],
)
def test_keras_and_flax_kernels_come_out_in_pytorch_order(
    name: str, stored: tuple[int, ...], kind: str, shape: tuple[int, ...]
) -> None:
    values = np.arange(math.prod(stored), dtype=np.float32).reshape(stored)
    (layer,) = describe(arrays({name: values})).layers
    assert (layer.kind, layer.shape, layer.stored_shape) == (kind, shape, stored)
    read = layer.read()
    assert read.shape == shape
    if "query" in name:
        np.testing.assert_array_equal(read, values.reshape(12, 6).T)
    elif "out" in name:
        np.testing.assert_array_equal(read, values.reshape(6, 12).T)
    elif "depthwise" in name:
        np.testing.assert_array_equal(read[3, 0], values[:, :, 1, 1])
    elif "kernel" in name:
        np.testing.assert_array_equal(read[4, 2], values[..., 2, 4])


def test_layers_keep_the_order_of_the_file_or_get_the_natural_one() -> None:
    names = [f"layers.{index}.weight" for index in (0, 10, 2, 1)]
    tensors = shapes(dict.fromkeys(names, (2, 2)))
    assert [layer.tensor for layer in describe(tensors).layers] == names
    in_order = [layer.name for layer in describe(tensors, ordered=False).layers]
    assert in_order == ["layers.0", "layers.1", "layers.2", "layers.10"]


def test_layer_names_are_unique() -> None:
    layers = describe(shapes({"a": (2, 2), "a.weight": (2, 2), "a.kernel": (2, 2)})).layers
    assert [layer.name for layer in layers] == ["a", "a.weight", "a.kernel"]


def test_a_tied_tensor_is_measured_once() -> None:
    shared = Unread("shared values")
    tensors = [StoredTensor(name, (50, 8), "float32", shared) for name in ("wte.weight", "lm_head.weight")]
    described = describe(tensors)
    assert [layer.name for layer in described.layers] == ["wte"]
    (skipped,) = described.skipped
    assert (skipped.name, skipped.matrix) == ("lm_head.weight", False)
    assert "wte.weight" in skipped.reason


_NAMES = """
weight weight_ih_l0 weight_hh_l0 weight_hr_l0 weight_g weight_v weight_u weight_orig weight_mask SCB
qweight scales qzeros lora_A lora_B kernel recurrent_kernel experts gate_up_proj down_proj c_attn c_proj
qkv weight_scale weight_scale_inv _data weight.absmax x_blocks x_scales embed conv_transpose 99999999999
"""
_PIECES = st.sampled_from([*_NAMES.split(), "", "\ud7ff"])
_TENSORS = st.dictionaries(
    st.lists(_PIECES, min_size=1, max_size=3).map(".".join),
    st.tuples(
        st.lists(st.integers(0, 6), max_size=5).map(tuple),
        st.sampled_from(["float32", "bfloat16", "float8_e4m3fn", "uint8", "int32", "bool", "float4_e2m1fn"]),
    ),
    max_size=12,
)


@given(_TENSORS)
@settings(max_examples=400, deadline=None)
def test_every_tensor_is_accounted_for_whatever_the_names(
    tensors: dict[str, tuple[tuple[int, ...], str]],
) -> None:
    """No combination of names and shapes crashes it, loses a tensor or measures one twice."""
    described = describe([StoredTensor(name, *rest, Unread(name)) for name, rest in tensors.items()])
    matrices = {name for name, (shape, _) in tensors.items() if len(shape) > 1}
    named = [layer.tensor for layer in described.layers] + [item.name for item in described.skipped]
    halves = {
        name for layer in described.layers if layer.kind == "lora" for name in tensors if "lora" in name
    }
    assert len(named) == len(set(named))
    assert matrices - set(named) <= halves
    assert set(named) <= matrices
    assert len({layer.name for layer in described.layers}) == len(described.layers)
    for layer in described.layers:
        assert layer.kind in LAYER_KINDS
        assert all(0 <= part.start < part.stop <= layer.shape[part.axis] for part in layer.parts)


_ARRAYS = st.dictionaries(
    st.lists(_PIECES, min_size=1, max_size=2).map(".".join),
    st.tuples(
        st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
        st.sampled_from([np.float32, np.float64, np.int8]),
    ),
    max_size=8,
)


@given(_ARRAYS)
@settings(max_examples=200, deadline=None)
def test_what_is_read_has_the_shape_that_was_promised(tensors: dict[str, Any]) -> None:
    made = {name: np.ones(shape, dtype) for name, (shape, dtype) in tensors.items()}
    for layer in describe(arrays(made)).layers:
        values = layer.read() if layer.right is None else layer.read() @ layer.right()
        assert values.shape == layer.shape
        assert values.dtype in (np.float32, np.float64)


def test_a_vector_longer_than_any_bias_is_a_matrix_that_is_not_measured() -> None:
    flat = {"l.weight": (65_537,), "l.bias": (65_536,), "fc.weight": (64, 64)}
    described = describe(shapes(flat))
    (item,) = described.skipped
    assert (item.name, item.parameters, item.matrix) == ("l.weight", 65_537, True)
    assert described.vectors == 2


def test_the_bias_of_a_large_vocabulary_is_none() -> None:
    vocabulary = {"lm_head.weight": (250_002, 32), "lm_head.bias": (250_002,), "steps": (1000,)}
    assert describe(shapes(vocabulary)).skipped == ()
    narrow = {"lm_head.weight": (250_002, 8), "lm_head.bias": (250_002,)}  # no bias hides weights of its size
    assert [item.name for item in describe(shapes(narrow)).skipped] == ["lm_head.bias"]


def test_long_tables_of_integers_and_scales_of_quantised_weights_are_no_lost_weights() -> None:
    assert describe(shapes({"index": (100_000,)}, "int64")).skipped == ()
