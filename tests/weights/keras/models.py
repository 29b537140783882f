"""Models that the real Keras builds, with torch for its backend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("torch")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
L: Any = keras.layers
Model: Any = keras.Model


def functional() -> Any:
    """Return a trained model, so that the file holds an optimizer's state too."""
    start = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 3, name="first")(start)
    x = L.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = L.SeparableConv2D(6, 3, padding="same")(x)
    x = L.Conv2DTranspose(5, 3)(x)
    x = L.BatchNormalization()(x)
    x = L.Reshape((-1, 5))(x)
    x = L.MultiHeadAttention(2, 4)(x, x)
    x = L.Bidirectional(L.LSTM(7, return_sequences=True))(x)
    x = L.GRU(6)(x)
    inner = keras.Sequential([keras.Input((6,)), L.Dense(9), L.Dense(4)], name="inner")
    model = keras.Model(start, L.Dense(4, name="last")(inner(x)))
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 8, 8, 3)), np.zeros((2, 4)), verbose=0)
    return model


def sequential() -> Any:
    return keras.Sequential(
        [keras.Input((6,)), L.Dense(9), L.BatchNormalization(scale=False), L.Dense(4, use_bias=False)]
    )


def text() -> Any:
    return keras.Sequential(
        [
            keras.Input((12,)),
            L.Embedding(50, 8),
            L.Bidirectional(L.GRU(5, return_sequences=True)),
            L.LSTM(6),
            L.Dense(3),
        ]
    )


def convolutions() -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 8, 2)),
            L.Conv3D(4, 3),
            L.Conv3DTranspose(3, 2),
            L.Reshape((-1, 3)),
            L.Conv1D(6, 3),
            L.SeparableConv1D(5, 2),
            L.DepthwiseConv1D(2, depth_multiplier=2),
            L.Conv1DTranspose(4, 2),
            L.Flatten(),
            L.Dropout(0.2),
            L.Dense(2),
        ]
    )


def nested() -> Any:
    """Return two models within one, whose layers have the same names."""
    ends = []
    outer = keras.Input((6,))
    for name in ("left", "right"):
        start = keras.Input((6,))
        ends.append(keras.Model(start, L.Dense(5, name="same")(start), name=name)(outer))
    return keras.Model(outer, L.Dense(2)(L.Concatenate()(ends)))


def wrapped() -> Any:
    start = keras.Input((6, 8))
    x = L.TimeDistributed(L.Dense(4))(start)
    x = L.RNN([L.LSTMCell(4), L.GRUCell(3)], return_sequences=True)(x)
    x = L.SimpleRNN(4, return_sequences=True)(x)
    x = L.GroupQueryAttention(8, 4, 2)(x, x)
    x = L.EinsumDense("abc,cd->abd", output_shape=(None, 6))(x)
    x = L.LayerNormalization()(x)
    x = L.SpectralNormalization(L.Dense(5))(x)
    return keras.Model(start, L.GaussianDropout(0.1)(x))


class Subclassed(Model):  # type: ignore[misc]
    """Keeps its layers as attributes and in a list."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.body = keras.Sequential([L.Conv2D(3, 3, name="named"), L.Conv2D(4, 3)])
        self.narrow = L.Conv2D(1, 1)
        self.rest = [L.Dense(3), L.Dense(4)]
        self.up = L.Conv2DTranspose(3, 2)

    def call(self, x: Any) -> Any:
        x = self.up(self.narrow(self.body(x)))
        for layer in self.rest:
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {}


def subclassed() -> Any:
    model = Subclassed()
    model(np.zeros((1, 8, 8, 3)))
    return model


MODELS: Final[dict[str, Callable[[], Any]]] = {
    "functional": functional,
    "sequential": sequential,
    "text": text,
    "convolutions": convolutions,
    "nested": nested,
    "wrapped": wrapped,
    "subclassed": subclassed,
}


def filled(name: str) -> Any:
    """Return a model whose every weight is another number, biases too."""
    model = MODELS[name]()
    chance = np.random.default_rng(1)
    model.set_weights([chance.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model
