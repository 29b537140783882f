"""What the numbered arrays of a layer are called, by its class or, where that is unknown, their shapes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from gate.weights.keras.config import snake_case
from gate.weights.keras.tables import BATCH_NORM, CELLS, DEPTHWISE, REPEATED, STATISTICS, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.weights.keras.config import LayerConfig

_NUMBERED: Final = re.compile(r"_[0-9]+$")
_BY_SNAKE_CASE: Final = {
    snake_case(name): name for name in (*VARIABLES, *CELLS, *REPEATED, BATCH_NORM, "Functional")
}
_KERAS_1: Final = re.compile(r"[^/]*_(W|b)(:0)?")
_CHANNELS_FIRST: Final = "th"
_MATRIX: Final = 2
_CONVOLUTION: Final = 3
_LARGEST_RANK: Final = 5


def class_by_name(*names: str) -> str:
    """Return the first class that one of the names was made from (``conv2d_3``), "" for none."""
    stems = (_NUMBERED.sub("", name) for name in names)
    return next((_BY_SNAKE_CASE[stem] for stem in stems if stem in _BY_SNAKE_CASE), "")


def variable_names(class_name: str, shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """Return a name for each array of a layer; its number where nobody can tell.

    Parameters
    ----------
    class_name:
        Class of the layer, "" where it is not known.
    shapes:
        Shape of each array, in the order of their numbers.
    """
    if class_name == BATCH_NORM:
        known = ("gamma", "beta")[: max(0, len(shapes) - len(STATISTICS))] + STATISTICS
    else:
        known = VARIABLES.get(class_name) or _by_shape(shapes)
    return [known[index] if index < len(known) else str(index) for index in range(len(shapes))]


def _by_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    """Name a kernel and its bias: the bias is as long as the kernel has outputs."""
    if not shapes or not _MATRIX <= len(shapes[0]) <= _LARGEST_RANK or len(shapes) > _MATRIX:
        return ()
    kernel, bias = shapes[0], shapes[-1]
    if len(shapes) == 1 or bias == kernel[-1:]:
        return ("kernel", "bias")
    if len(kernel) >= _CONVOLUTION and bias == (math.prod(kernel[-2:]),):
        return ("depthwise_kernel", "bias")
    return ()


def legacy_name(name: str, layer: LayerConfig, shape: tuple[int, ...]) -> str | None:
    """Return what an array of an HDF5 model is called in Keras 2; None where its axes cannot be told.

    Parameters
    ----------
    name:
        The array's name behind its layer's.
    layer:
        The layer, as far as it is known.
    shape:
        The array's shape.
    """
    module, _, parameter = name.rpartition("/")
    if parameter == "kernel" and layer.class_name in DEPTHWISE:
        return f"{module}/depthwise_kernel"
    old = _KERAS_1.fullmatch(parameter)
    if old is None:
        return name
    found = "bias" if old[1] == "b" else _kernel_of_keras_1(layer, shape)
    return f"{module}/{found}" if found else None


def _kernel_of_keras_1(layer: LayerConfig, shape: tuple[int, ...]) -> str | None:
    if layer.class_name == "Embedding":
        return "embeddings"
    order = layer.settings.get("dim_ordering")  # Theano's is PyTorch's: (out, in, *kernel)
    if len(shape) > _MATRIX and order == _CHANNELS_FIRST:
        return "weight"
    return "kernel" if len(shape) <= _MATRIX or layer.class_name else None
