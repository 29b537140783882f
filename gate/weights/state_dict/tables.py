"""The names and schemes that state dicts use, as data; patterns are globs over case-folded names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.layer import LayerKind

NOT_MATRICES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("bias", ("bias", "*.bias", "*_bias", "*.bias_*", "*/bias", "*/bias:0")),
    ("attention mask", ("mask", "*.mask", "*_mask", "*.masked_bias", "*.tril")),
    ("index table", ("*position_ids", "*token_type_ids", "*relative_position_index")),
    (
        "rotary position table",
        ("*inv_freq", "*freqs_cis", "*freqs_cos", "*freqs_sin", "*cos_cached", "*sin_cached"),
    ),
    (
        "position table, only added",
        (
            "*pos_emb",
            "*pos_embed",
            "*pos_embedding",
            "*position_embedding",
            "*position_embeddings",
            "*positional_embedding",
            "*positional_encoding",
            "*.pe",
            "*position_bias_table",
            "*.attention_biases",
            "*.rel_pos_[hw]",
        ),
    ),
    ("token vector", ("*cls_token", "*mask_token", "*dist_token", "*class_embedding", "*register_tokens")),
    ("state-space decay rates", ("*.a_log",)),
    ("vector of a power iteration", ("*/vector_u", "*/vector_u:0")),  # Keras's SpectralNormalization
    ("running statistics", ("*running_mean", "*running_var", "*num_batches_tracked")),
)
"""Tensors that are added, compared or counted with, never multiplied as a matrix."""

NORMS: Final = (
    "*norm",
    "*norm[0-9]*",
    "*layernorm*",
    "ln",
    "ln_*",
    "ln[0-9]*",
    "*_ln",
    "bn",
    "bn[0-9]*",
    "*_bn",
)
"""Modules whose ``weight`` is a scale, if nothing beside it tells."""

RUNNING_STATISTICS: Final = (
    ("running_mean", "running_var"),
    ("moving_mean", "moving_variance"),
    ("moving_mean:0", "moving_variance:0"),
)
"""What a batch norm of PyTorch, of Keras and of its older releases keeps beside its scale."""

EMBEDDINGS: Final = (
    "*embedding",
    "*embeddings",
    "*embed",
    "*emb",
    "*emb[0-9]*",
    "embed_*",
    "embedding_*",
    "embeddings_*",
    "embeddingbag",
    "relative_attention_bias",
    "shared",
    "tok_embeddings",
    "wpe",
    "wte",
)
"""Modules that look rows up instead of multiplying; ``shared`` is T5's."""

NOT_EMBEDDINGS: Final = ("*proj*", "*out", "*dense*", "*linear*", "*mapping*", "*norm*", "*conv*", "patch*")
"""Modules whose name speaks of an embedding and that multiply: heads and projections of one."""

TRANSPOSED_CONVOLUTIONS: Final = (
    "*conv_transpose*",
    "*conv[123]d_transpose*",  # Keras
    "*convtranspose*",
    "*transposed_conv*",
    "*deconv*",
)
"""Convolutions of which a state dict cannot tell that they are transposed but by their name."""

BILINEAR: Final = ("*bilinear*", "*biaffine*")
"""Modules whose ``weight`` of three dimensions is a matrix for each output: ``xᵀ W_k y``."""

CONVOLUTIONS: Final[dict[int, tuple[LayerKind, LayerKind]]] = {
    3: ("conv1d", "conv_transpose1d"),
    4: ("conv2d", "conv_transpose2d"),
    5: ("conv3d", "conv_transpose3d"),
}
"""Number of dimensions, and the kinds of convolution that have it."""

LARGEST_KERNEL: Final[dict[int, int]] = {3: 1024, 4: 128, 5: 64}
"""Kernel extents beyond these are no convolution; short-time Fourier bases reach some hundred."""

FUSED_PROJECTIONS: Final[dict[str, bool]] = {
    "in_proj_weight": True,  # torch.nn.MultiheadAttention
    "qkv": True,  # timm, Swin, DINO
    "qkv_proj": True,  # Phi-3
    "to_qkv": True,
    "qkv_linear": True,
    "attn_qkv": True,
    "Wqkv": True,  # MPT, DBRX, ModernBERT
    "W_pack": True,  # Baichuan
    "att_proj": True,  # OLMo
    "c_attn": True,  # GPT-2, Qwen
    "query_key_value": False,  # GPT-NeoX, BLOOM, Falcon: query, key and value of one head lie together
    "wqkv": False,  # InternLM 2: of one group of heads
}
"""Modules that hold query, key and value in one matrix, and whether one after the other.

Where they are interleaved head by head, the number of heads would be needed to take them apart, and a
state dict does not hold it: such a matrix is measured whole.
"""

SEPARATE_PROJECTIONS: Final = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
"""Parameters of torch.nn.MultiheadAttention when the three differ in width."""

ATTENTION_OUTPUTS: Final = (
    "o_proj",
    "out_proj",
    "c_proj",
    "proj",
    "dense",
    "Wo",
    "wo",
    "attn_out",
    "out_linear",
    "to_out.0",
)
"""Modules beside a fused projection whose input width is the query's width."""

GPT2_WIDE: Final = ("c_attn", "c_fc")
GPT2_CONV1D: Final = ("c_attn", "c_proj", "c_fc", "q_attn")
"""Modules that GPT-2 stores as (in, out); the wide ones tell whether a file does."""

KERNEL_AXES: Final[dict[int, tuple[int, ...]]] = {
    2: (1, 0),
    3: (2, 1, 0),
    4: (3, 2, 0, 1),
    5: (4, 3, 0, 1, 2),
}
"""From the (*kernel, in, out) of Keras and Flax to PyTorch's (out, in, *kernel), by dimensions."""

KERNELS: Final = ("kernel", "pointwise_kernel", "recurrent_kernel")
"""Parameters that Keras and Flax store as (*kernel, in, out)."""

FLAX_HEADS: Final[dict[str, tuple[int, ...]]] = {
    "query": (1, 2, 0),
    "key": (1, 2, 0),
    "value": (1, 2, 0),
    "out": (2, 0, 1),
    "attention_output": (2, 0, 1),
}
"""The attention of Flax and Keras keeps heads apart: (in, heads, width), at its end (heads, width, out)."""

PYTORCH_HEADS: Final[dict[str, tuple[int, ...]]] = {
    "rel_attn.q": (1, 2, 0),  # XLNet
    "rel_attn.k": (1, 2, 0),
    "rel_attn.v": (1, 2, 0),
    "rel_attn.r": (1, 2, 0),
    "rel_attn.o": (0, 1, 2),
    "attention.r_kernel": (1, 2, 0),  # Funnel
}
"""Parameters of PyTorch that keep heads apart: (in, heads, width), at the end (out, heads, width)."""

GATES: Final[dict[int, tuple[LayerKind, tuple[str, ...]]]] = {
    4: ("lstm", ("input", "forget", "cell", "output")),
    3: ("gru", ("reset", "update", "new")),
    1: ("rnn", ()),
}
"""Rows per hidden unit, and the gates in PyTorch's order."""

KERAS_GATES: Final[dict[int, tuple[LayerKind, tuple[str, ...]]]] = {
    **GATES,
    3: ("gru", ("update", "reset", "new")),
}
"""The same in Keras's order."""

LORA_PAIRS: Final = (
    ("lora_A", "lora_B"),  # PEFT
    ("lora_embedding_A", "lora_embedding_B"),
    ("lora_down", "lora_up"),  # kohya
    ("lora.down", "lora.up"),  # diffusers
    ("lora_linear_layer.down", "lora_linear_layer.up"),
    ("lora_a", "lora_b"),  # torchtune
)
"""The inner and the outer half of a low-rank product."""

STACK: Final = 3
"""Dimensions of a stack of matrices."""

STACKED_LINEAR: Final = ("*linear",)
"""Modules whose ``weight`` of three dimensions is a matrix for each expert (JetMoe, Granite)."""

WIDEST_LINEAR_CONVOLUTION: Final = 15
"""A convolution may be called a linear layer if its kernel is no larger than this; inputs are wider."""

EXPERT_STACKS: Final = ("gate_up_proj", "down_proj", "gate_proj", "up_proj")
"""Parameters that are stacks of experts when they have three dimensions and no ``weight`` of their own."""

MOST_EXPERTS: Final = 4096


@dataclass(frozen=True, slots=True)
class ScaledScheme:
    """Weights of eight bits beside their scales: ``value * scale / divisor``.

    ``suffix`` ends the name of the stored values; what it leaves of the name and ``weight`` is what
    the weight is called, and with ``scale`` its scales.
    """

    title: str
    suffix: str
    weight: str
    scale: str
    divisor: float = 1.0
    zero_point: str | None = None


SCALED: Final = (
    ScaledScheme("bitsandbytes int8", ".weight", ".weight", ".SCB", divisor=127.0),
    ScaledScheme("scaled", "", "", "_scale_inv"),  # DeepSeek, transformers' FP8 experts
    ScaledScheme("scaled", "", "", "_scale", zero_point="_zero_point"),  # compressed-tensors, Llama 4
    ScaledScheme("scaled", ".weight", ".weight", ".scale_weight"),  # ComfyUI
    ScaledScheme("EETQ int8", ".weight", ".weight", ".weight_scales"),
    ScaledScheme("quanto", ".weight._data", ".weight", ".weight._scale"),
    ScaledScheme("torchao", "._weight_qdata", ".weight", "._weight_scale", zero_point="._weight_zero_point"),
)
"""Schemes of eight-bit storage; the values are measured after dequantisation."""


_PACKED_STORAGE: Final = frozenset({"uint8", "int16", "int32", "uint32", "int64"})


@dataclass(frozen=True, slots=True)
class PackedScheme:
    """Weights of fewer than eight bits packed into wider integers: named, counted, not measured.

    ``needed`` are the neighbours without which it is not this scheme, ``others`` those that belong
    to it too.  ``bits`` is 0 where the zero points tell it.
    """

    title: str
    suffix: str
    needed: tuple[str, ...]
    others: tuple[str, ...] = ()
    bits: int = 4
    storage: frozenset[str] = _PACKED_STORAGE


PACKED: Final = (
    PackedScheme("GPTQ or AWQ", ".qweight", (".scales",), (".qzeros", ".g_idx"), bits=0),
    PackedScheme(
        "bitsandbytes 4-bit (NF4 or FP4)",
        ".weight",
        (".weight.absmax",),
        (".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map"),
        storage=_PACKED_STORAGE | {"float16", "bfloat16", "float32"},  # bnb_4bit_quant_storage
    ),
    PackedScheme("MXFP4", "_blocks", ("_scales",)),
    PackedScheme("NVFP4", ".weight", (".weight_scale", ".weight_scale_2")),
    PackedScheme(
        "compressed-tensors packed",
        ".weight_packed",
        (".weight_scale",),
        (".weight_zero_point", ".weight_global_scale", ".weight_g_idx"),
    ),
    PackedScheme("HQQ", ".W_q", (), (".scale", ".zero", ".meta")),
    PackedScheme("torchao packed", "._weight_qdata", ("._weight_scale",), ("._weight_zero_point",)),
)
"""Schemes whose values are not unpacked yet."""
