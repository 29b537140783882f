"""What the layers of Keras hold, as data; Keras 3.15, ``keras/src/layers``."""

from __future__ import annotations

from typing import Final

VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (
            "Dense",
            "EinsumDense",
            "Conv1D",
            "Conv2D",
            "Conv3D",
            "Conv1DTranspose",
            "Conv2DTranspose",
            "Conv3DTranspose",
        ),
        ("kernel", "bias"),
    ),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), ("depthwise_kernel", "bias")),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), ("depthwise_kernel", "pointwise_kernel", "bias")),
    **dict.fromkeys(
        ("LSTMCell", "GRUCell", "SimpleRNNCell", "ConvLSTMCell"), ("kernel", "recurrent_kernel", "bias")
    ),
    "Embedding": ("embeddings",),
    "ReversibleEmbedding": ("embeddings", "reverse_embeddings"),
    "LayerNormalization": ("gamma", "beta"),
    "GroupNormalization": ("gamma", "beta"),
    "RMSNormalization": ("scale",),
    "PReLU": ("alpha",),
    "Normalization": ("mean", "variance", "count"),
    "SpectralNormalization": ("kernel", "vector_u"),
    "SeedGenerator": ("seed_generator_state",),
}
"""The arrays of a layer in the order in which Keras 3 numbers them.

Those that a setting leaves out (``use_bias``) stand at the end, so that the others keep their place.
Depthwise kernels are named as Keras 2 and separable convolutions do: their axes have another order.
"""

BATCH_NORM: Final = "BatchNormalization"
STATISTICS: Final = ("moving_mean", "moving_variance")
"""Follow whatever scale and offset a batch norm has."""

REPEATED: Final[dict[str, int]] = {"SpectralNormalization": 0}
"""Wrappers that store an array of the layer they wrap once more, and its number."""

DEPTHWISE: Final = frozenset({"DepthwiseConv1D", "DepthwiseConv2D"})

CELLS: Final = {
    "LSTM": "LSTMCell",
    "GRU": "GRUCell",
    "SimpleRNN": "SimpleRNNCell",
    "ConvLSTM1D": "ConvLSTMCell",
    "ConvLSTM2D": "ConvLSTMCell",
    "ConvLSTM3D": "ConvLSTMCell",
}
"""The cell of a recurrent layer, which its configuration does not spell out."""

PROJECTIONS: Final = {
    "query_dense": "query",
    "key_dense": "key",
    "value_dense": "value",
    "gate_dense": "gate",
    "output_dense": "attention_output",
}
"""Attributes of an attention layer, with or without an underscore, and the names of what they hold.

Each is an ``EinsumDense``.
"""

ATTRIBUTES: Final = ("forward_layer", "backward_layer", *PROJECTIONS)
"""The order in which composed layers build their parts; files have them by name."""

SETTINGS: Final = {"forward_layer": "layer"}
"""Attributes whose configuration has another name."""

GRAPHS: Final = frozenset({"Functional", "Model"})
"""Models that open no name scope: their layers are named as if they stood outside."""

SAVED_BY_ATTRIBUTE: Final = ("layers", "_layer_checkpoint_dependencies")
"""Groups that hold the layers of a sequential or functional model."""

OPTIMIZERS: Final = ("optimizer", "optimizer_weights", "_optimizer")
"""Groups at the root that hold what training goes on from, and not the model."""

TRUSTED_PACKAGES: Final = frozenset({"keras", "keras_hub", "keras_cv", "keras_nlp", "tf_keras", "tensorflow"})
"""Packages whose classes Keras takes from a configuration without being told to trust it."""

MARSHALLED: Final = "keras.layers.Lambda"
"""How a layer is reported whose code stands in the file as bytecode."""
