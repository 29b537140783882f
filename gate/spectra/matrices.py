"""From a weight tensor to the matrices whose spectra are measured: slices, parts, groups, products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gate.layer import Part, WeightLayer
    from gate.spectra.interface import Convention

CONVOLUTIONS: Final = frozenset(
    {
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "depthwise",
    }
)
_MATRIX, _STACK, _CONV2D = 2, 3, 4


@dataclass(frozen=True, slots=True)
class Row:
    """The matrices of one row of the result, all of the same shape.

    Attributes
    ----------
    name:
        ``NAME``, ``NAME[forget]`` for a part, ``NAME[0,2]`` for a slice.
    shape:
        Shape of the layer, part or slice.
    stack:
        Matrices in the last two axes, views of the tensor; for ``right`` the left factor.
    rows, columns:
        N and M, as the convention counts them.
    scale:
        The convention's factor on eigenvalues.
    right:
        The right factor of a low-rank product, or None.
    """

    name: str
    shape: tuple[int, ...]
    stack: NDArray[Any]
    rows: int
    columns: int
    scale: float = 1.0
    right: NDArray[Any] | None = None

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def count(self) -> int:
        """Number of matrices."""
        return math.prod(self.stack.shape[:-2])

    def matrices(self) -> tuple[NDArray[Any], ...]:
        """Return every matrix, oriented N×M with N ≥ M; a low-rank product is multiplied out."""
        if self.right is not None:
            product = np.asarray(self.stack, np.float32) @ np.asarray(self.right, np.float32)
            return (_upright(product),)
        return tuple(_upright(self.stack[index]) for index in np.ndindex(self.stack.shape[:-2]))


def unmeasurable(layer: WeightLayer, convention: Convention) -> str | None:
    """Return why the convention takes no matrix from this layer, or None; nothing is read."""
    if 0 in layer.shape:
        return f"the tensor of shape {layer.shape} is empty"
    if convention.stored_whole:
        return _unstored(layer, convention)
    return _shapeless(layer) or (_lost_part(layer) if convention.split else None)


def _shapeless(layer: WeightLayer) -> str | None:
    """Return why the shape holds no matrix of the layer's kind."""
    dimensions = len(layer.shape)
    if layer.kind in CONVOLUTIONS:
        if dimensions < _STACK:
            return f"a convolution of shape {layer.shape} has no kernel axis"
        return None if layer.kind == "depthwise" else _ungrouped(layer)
    if dimensions == _MATRIX or (layer.kind == "expert" and dimensions == _STACK):
        return None
    return f"a tensor of shape {layer.shape} is not a matrix"


def _ungrouped(layer: WeightLayer) -> str | None:
    if layer.groups >= 1 and layer.shape[0] % layer.groups == 0:
        return None
    return f"{layer.shape[0]} output channels do not divide into {layer.groups} groups"


def _lost_part(layer: WeightLayer) -> str | None:
    for part in layer.parts:
        if not (part.axis < len(layer.shape) and 0 <= part.start < part.stop <= layer.shape[part.axis]):
            return f"part {part.label} lies outside the tensor of shape {layer.shape}"
    return None


def rows(layer: WeightLayer, convention: Convention) -> Iterator[Row]:
    """Read the layer's tensor, once, and yield the matrices of each of its rows.

    The layer must not be :func:`unmeasurable`.

    Raises
    ------
    gate.errors.ModelError
        The tensor cannot be read.
    """
    tensor = layer.read()
    right = None if layer.right is None else layer.right()
    shape = tensor.shape if right is None else (*tensor.shape[:1], *right.shape[1:])
    if shape != layer.shape or (right is not None and tensor.shape[1:] != right.shape[:1]):
        raise ModelError(
            f"layer {layer.name}: read a tensor of shape {shape} where {layer.shape} was announced"
        )
    if right is not None:
        yield _product(layer, tensor, right, convention)
    elif convention.stored_whole:
        yield from _whole(layer, tensor, convention)
    elif layer.kind in CONVOLUTIONS:
        for part, name in _parts(layer, tensor, convention):
            groups = 1 if layer.kind == "depthwise" or part is not tensor else layer.groups
            yield from _convolution(name, part, groups, convention)
    else:
        for part, name in _parts(layer, tensor, convention):
            yield _row(name, part.shape, part, convention)


def _parts(
    layer: WeightLayer, tensor: NDArray[Any], convention: Convention
) -> Iterator[tuple[NDArray[Any], str]]:
    if convention.split and layer.parts:
        for part in layer.parts:
            yield _cut(tensor, part, layer), f"{layer.name}[{part.label}]"
    elif convention.split and tensor.ndim == _STACK and layer.kind == "expert":
        for index, expert in enumerate(tensor):
            yield expert, f"{layer.name}[{index}]"
    else:
        yield tensor, layer.name


def _cut(tensor: NDArray[Any], part: Part, layer: WeightLayer) -> NDArray[Any]:
    index = [slice(None)] * tensor.ndim
    index[part.axis] = slice(part.start, part.stop)
    piece = tensor[tuple(index)]
    if layer.kind == "expert" and tensor.ndim == _STACK and part.axis == 0 and len(piece) == 1:
        piece = piece[0]
    return piece


def _row(
    name: str, shape: tuple[int, ...], stack: NDArray[Any], convention: Convention, scale: float = 1.0
) -> Row:
    high, low = sorted(stack.shape[-2:], reverse=True)
    return Row(name, tuple(shape), stack, high, low, scale / high if convention.per_n else scale)


def _product(layer: WeightLayer, left: NDArray[Any], right: NDArray[Any], convention: Convention) -> Row:
    high, low = max(layer.shape), min(layer.shape)
    return Row(layer.name, layer.shape, left, high, low, 1 / high if convention.per_n else 1.0, right)


def _convolution(name: str, tensor: NDArray[Any], groups: int, convention: Convention) -> Iterator[Row]:
    """Yield one row with every slice, or one row per slice; views, never copies."""
    out, into, *kernel = tensor.shape
    grouped = tensor.reshape(groups, out // groups, into, *kernel)
    slices = grouped.transpose(0, *range(3, grouped.ndim), 1, 2)  # (groups, *kernel, out/groups, in/groups)
    scale = _conv_scale(convention, math.prod(kernel))
    if convention.pooled:
        yield _row(name, tensor.shape, slices, convention, scale)
        return
    for index in np.ndindex(slices.shape[:-2]):
        group, place = index[0], ",".join(str(position) for position in index[1:])
        label = place if groups == 1 else f"group {group},{place}"
        single = slices[index]
        yield _row(f"{name}[{label}]", single.shape, single, convention, scale)


def _conv_scale(convention: Convention, kernel: int) -> float:
    return kernel / 2 if convention.conv_scale == "kernel/2" else convention.conv_scale


def _whole(layer: WeightLayer, tensor: NDArray[Any], convention: Convention) -> Iterator[Row]:
    """Yield what the reference tool takes: 2-D tensors, and the slices of 4-D ones."""
    if tensor.ndim == _MATRIX:
        yield _row(layer.name, tensor.shape, tensor, convention)
        return
    stored = _as_stored(layer, tensor)
    slices = stored.swapaxes(2, 3) if _channels_first(layer) else np.moveaxis(stored, (0, 1), (-2, -1))
    scale = _conv_scale(convention, math.prod(slices.shape[:2]))
    if convention.pooled:
        high, low = _counted(slices.shape)
        yield Row(layer.name, layer.shape, slices, high, low, scale)
        return
    for index in np.ndindex(slices.shape[:2]):
        single = slices[index]
        yield _row(f"{layer.name}[{index[0]},{index[1]}]", single.shape, single, convention, scale)


def _as_stored(layer: WeightLayer, tensor: NDArray[Any]) -> NDArray[Any]:
    """Turn a transposed convolution back to (in, out/groups, kh, kw), the order it is stored in."""
    if not layer.kind.startswith("conv_transpose"):
        return tensor
    out, into, *kernel = tensor.shape
    grouped = tensor.reshape(layer.groups, out // layer.groups, into, *kernel).swapaxes(1, 2)
    return grouped.reshape(layer.groups * into, out // layer.groups, *kernel)


def _stored_shape(layer: WeightLayer) -> tuple[int, ...]:
    if not layer.kind.startswith("conv_transpose"):
        return layer.shape
    out, into, *kernel = layer.shape
    return (layer.groups * into, out // layer.groups, *kernel)


def _channels_first(layer: WeightLayer) -> bool:
    """Tell whether the reference tool takes the first two axes for the kernel (``conv2D_Wmats``)."""
    shape = _stored_shape(layer)
    return layer.stored_shape == shape and sum(shape[:2]) < sum(shape[2:])


def _counted(slices: tuple[int, ...]) -> tuple[int, int]:
    """Return N and M as the reference tool counts them.

    It swaps the two once for each slice that is wider than tall, so that after an even number of
    slices they are back where they were: N < M.
    """
    *kernel, high, low = slices
    swapped = high < low and math.prod(kernel) % 2 == 1
    return (low, high) if swapped else (high, low)


def _unstored(layer: WeightLayer, convention: Convention) -> str | None:
    dimensions = len(layer.stored_shape)
    if layer.right is not None or dimensions not in {_MATRIX, _CONV2D} or len(layer.shape) != dimensions:
        return f"{convention.name} takes stored 2-D and 4-D tensors only"
    if layer.kind.startswith("conv_transpose") and _ungrouped(layer):
        return _ungrouped(layer)
    if convention.size_limits is None:
        return None
    high, low, kernel = max(layer.shape), min(layer.shape), 1
    if dimensions == _CONV2D:
        first, second, third, fourth = _stored_shape(layer)
        turned = (first, second, fourth, third) if _channels_first(layer) else (third, fourth, first, second)
        (high, low), kernel = _counted(turned), math.prod(turned[:2])
    smallest, largest, longest = convention.size_limits
    if not smallest <= low * kernel <= largest:
        return (
            f"{convention.name} keeps layers of {smallest} to {largest} eigenvalues; this has {low * kernel}"
        )
    if high > longest:
        return f"{convention.name} keeps matrices of at most {longest} rows; this has {high}"
    return None


def _upright(matrix: NDArray[Any]) -> NDArray[Any]:
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
