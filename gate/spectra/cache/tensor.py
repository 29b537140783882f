"""A tensor's exact bytes and layout: what makes two readings of it the same.

The last bits of an eigenvalue depend on how the tensor lies in memory (which side's Gram matrix a
square one gives, whether it is cast in panels), so the layout is part of the digest, and a tensor
that was sent elsewhere is put back in the layout it had.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.layer import WeightLayer

_BLOCK: Final = 1 << 22
"""Bytes copied at a time where a tensor does not lie in one piece."""

_CACHE_LINE: Final = 64


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array lies in memory; ``phase`` is its address within a cache line."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    phase: int

    @classmethod
    def of(cls, values: NDArray[Any]) -> Layout:
        """Return the layout of ``values``."""
        address = int(values.__array_interface__["data"][0])
        return cls(values.dtype.str, values.shape, values.strides, address % _CACHE_LINE)

    @property
    def aligned(self) -> bool:
        """Whether each element lies at a multiple of its size."""
        return self.phase % np.dtype(self.dtype).itemsize == 0


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor that has been read already, as a :class:`gate.layer.TensorReader`."""

    values: NDArray[Any]

    def __call__(self) -> NDArray[Any]:
        """Return the tensor."""
        return self.values


def tensor_digest(values: NDArray[Any]) -> str:
    """Return the SHA-256 over type, shape, layout and elements, in hexadecimal."""
    layout = Layout.of(values)
    head = f"{layout.dtype} {layout.shape} {layout.strides} {layout.aligned}\0"
    digest = hashlib.sha256(head.encode())
    ordered = values.transpose(_memory_order(values))
    if ordered.flags.c_contiguous:
        digest.update(_as_bytes(ordered).data)
        return digest.hexdigest()
    depth = max(1, _BLOCK // max(1, ordered[:1].nbytes))
    for first in range(0, len(ordered), depth):
        digest.update(_as_bytes(np.ascontiguousarray(ordered[first : first + depth])).data)
    return digest.hexdigest()


def digests_of(layer: WeightLayer) -> tuple[WeightLayer, tuple[str, ...]]:
    """Read the layer's tensors, once; return the layer holding them, and their digests.

    Raises
    ------
    gate.errors.ModelError
        A tensor cannot be read.
    """
    from dataclasses import replace  # noqa: PLC0415

    left = layer.read()
    if layer.right is None:
        return replace(layer, read=Held(left)), (tensor_digest(left),)
    right = layer.right()
    return replace(layer, read=Held(left), right=Held(right)), (tensor_digest(left), tensor_digest(right))


def packed(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the elements in the order they lie in memory, without gaps; a view where there are none."""
    return _as_bytes(np.ascontiguousarray(values.transpose(_memory_order(values))))


def unpacked(data: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """Put packed elements back in their layout; read-only.

    Raises
    ------
    ValueError
        The bytes do not fill the shape.
    """
    order = _order_of(layout.strides)
    dense: NDArray[Any] = data.view(layout.dtype).reshape([layout.shape[axis] for axis in order])
    dense = dense.transpose(np.argsort(order))
    if Layout.of(dense) == layout:
        return dense
    itemsize = dense.dtype.itemsize
    reaches = [(extent - 1) * step for extent, step in zip(layout.shape, layout.strides, strict=True)]
    before = -sum(reach for reach in reaches if reach < 0)
    span = before + sum(reach for reach in reaches if reach > 0) + itemsize
    buffer = np.empty(span + _CACHE_LINE, np.uint8)
    offset = before + (layout.phase - before - Layout.of(buffer).phase) % _CACHE_LINE
    values: NDArray[Any] = np.ndarray(layout.shape, layout.dtype, buffer, offset, layout.strides)
    values[...] = dense
    values.flags.writeable = False
    return values


def _memory_order(values: NDArray[Any]) -> tuple[int, ...]:
    return _order_of(values.strides)


def _order_of(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes from the widest stride to the narrowest."""
    return tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))


def _as_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    if math.prod(values.shape) == 0:
        return np.empty(0, np.uint8)
    flat: NDArray[np.uint8] = values.reshape(-1).view(np.uint8)
    return flat
