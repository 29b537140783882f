"""Tensor readers made of others: reordered, dequantised, or computed from a parametrisation.

Each is frozen and holds no values, so that it can travel to another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.layer import TensorReader


@dataclass(frozen=True, slots=True)
class Permuted:
    """The values with their axes in another order, then in another shape where one is given."""

    values: TensorReader
    axes: tuple[int, ...]
    shape: tuple[int, ...] | None = None

    def __call__(self) -> NDArray[Any]:
        """Return a view where numpy can make one."""
        moved = self.values().transpose(self.axes)
        return moved if self.shape is None else moved.reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Reshaped:
    """The values in another shape."""

    values: TensorReader
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return a view where numpy can make one."""
        return self.values().reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Dequantised:
    """``(values - zero_point) * scale / divisor``, each scale standing for a block of values.

    ``blocks`` is the extent of a block along each axis; ``scale_shape`` has one entry per block.
    """

    values: TensorReader
    scale: TensorReader
    scale_shape: tuple[int, ...]
    blocks: tuple[int, ...]
    divisor: float = 1.0
    zero_point: TensorReader | None = None

    def __call__(self) -> NDArray[Any]:
        """Return a float32 array of the values' shape."""
        values = np.array(self.values(), dtype=np.float32)
        if self.zero_point is not None:
            values -= self._spread(self.zero_point, values.shape)
        values *= self._spread(self.scale, values.shape) / np.float32(self.divisor)
        return values

    def _spread(self, read: TensorReader, shape: tuple[int, ...]) -> NDArray[np.float32]:
        spread = np.asarray(read(), dtype=np.float32).reshape(self.scale_shape)
        for axis, (extent, block) in enumerate(zip(shape, self.blocks, strict=True)):
            if spread.shape[axis] != 1 and block != 1:
                spread = np.repeat(spread, block, axis=axis).take(range(extent), axis=axis)
        return spread


@dataclass(frozen=True, slots=True)
class WeightNormed:
    """``magnitude * direction / |direction|`` (Salimans & Kingma 2016, arXiv:1602.07868, eq. 2).

    The norm is over every axis along which ``magnitude_shape`` is 1.
    """

    direction: TensorReader
    magnitude: TensorReader
    magnitude_shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return a new array in the direction's type."""
        direction = self.direction()
        axes = tuple(axis for axis, extent in enumerate(self.magnitude_shape) if extent == 1)
        norm = np.sqrt(np.sum(np.square(direction, dtype=np.float64), axis=axes, keepdims=True))
        with np.errstate(divide="ignore", invalid="ignore"):  # a zero direction is a finding of the layer
            weight: NDArray[Any] = (direction * (self.magnitude() / norm)).astype(direction.dtype)
        return weight


@dataclass(frozen=True, slots=True)
class SpectrallyNormed:
    """``weight / (uᵀ W v)`` (Miyato et al. 2018, arXiv:1802.05957, eq. 8), with the stored u and v."""

    weight: TensorReader
    left: TensorReader
    right: TensorReader

    def __call__(self) -> NDArray[Any]:
        """Return a new array in the weight's type."""
        weight = self.weight()
        matrix = weight.reshape(weight.shape[0], -1).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):  # a zero weight is a finding of the layer
            normed: NDArray[Any] = (weight / (self.left() @ matrix @ self.right())).astype(weight.dtype)
        return normed


@dataclass(frozen=True, slots=True)
class Masked:
    """``weight * mask``, as ``torch.nn.utils.prune`` keeps a pruned weight."""

    weight: TensorReader
    mask: TensorReader

    def __call__(self) -> NDArray[Any]:
        """Return a new array in the weight's type."""
        weight = self.weight()
        pruned: NDArray[Any] = np.multiply(weight, self.mask(), dtype=weight.dtype)
        return pruned
