"""From a tensor's description to its place in the file, and how to read it from there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.errors import ModelError
from gate.weights.bytes_in_file import CUT_SHORT, shown
from gate.weights.interface import StoredTensor
from gate.weights.mapped import MappedTensor
from gate.weights.pytorch.dtypes import ITEM_SIZES, STORED_AS, UNREADABLE
from gate.weights.pytorch.rebuild import element_span
from gate.weights.pytorch.values import OpaqueTensor, Tensor
from gate.weights.views import Dequantised, reshaped, root_mean_square

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gate.weights.views import StoredReader


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a storage's bytes lie in the file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the storages of one file lie: its path, its byte order, the extent of each storage key."""

    path: str
    byte_order: str
    extents: Mapping[str, Extent]

    def mapped(self, tensor: Tensor) -> StoredReader:
        """Return the reader of the tensor's elements as they are stored.

        Raises
        ------
        gate.errors.ModelError
            The storage is missing or has fewer bytes than the tensor views.
        """
        storage, width = tensor.storage, ITEM_SIZES[tensor.dtype]
        extent = self.extents.get(storage.key)
        if extent is None:
            raise ModelError(f"the file holds no storage {shown(storage.key)}", hint=CUT_SHORT)
        if (storage.start + storage.elements) * ITEM_SIZES[storage.dtype] > extent.size:
            raise ModelError(
                f"storage {shown(storage.key)} claims {storage.elements} elements of {storage.dtype}; "
                f"the file holds {extent.size} bytes of it",
                hint=CUT_SHORT,
            )
        start = storage.start * ITEM_SIZES[storage.dtype] + tensor.offset * width
        return MappedTensor(
            path=self.path,
            offset=extent.offset + start,
            dtype=stored_dtype(tensor),
            shape=tensor.shape,
            strides=None if is_contiguous(tensor) else tensor.strides,
            byte_order=self.byte_order,
            limit=extent.offset + extent.size,
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """Scales or zero points that stand in the pickle itself, as a reader of their own."""

    values: tuple[float, ...]
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return them as float64."""
        return np.array(self.values).reshape(self.shape)

    def stored(self) -> NDArray[Any]:
        """Return them as float64."""
        return self()


def stored_dtype(tensor: Tensor) -> str:
    """Return the type of the elements in the file: integers where the tensor is quantised."""
    return STORED_AS.get(tensor.dtype, tensor.dtype)


def is_contiguous(tensor: Tensor) -> bool:
    """Tell whether the elements lie in C order without gaps; strides of extents 1 do not matter."""
    expected = 1
    for extent, step in zip(reversed(tensor.shape), reversed(tensor.strides), strict=True):
        if extent not in {0, 1} and step != expected:
            return False
        expected *= extent
    return True


def unreadable(tensor: Tensor | OpaqueTensor) -> str | None:
    """Return why the tensor's values cannot be read, or None when they can."""
    if isinstance(tensor, OpaqueTensor):
        return tensor.reason
    if tensor.dtype in UNREADABLE:
        return f"it holds {UNREADABLE[tensor.dtype]}"
    if math.prod(tensor.shape) > element_span(tensor):
        return "it repeats its stored elements (an expanded view)"
    return None


def stored_tensor(name: str, tensor: Tensor, placement: Placement) -> StoredTensor:
    """Return the tensor as the weights room knows it; its bytes are known to be there.

    Raises
    ------
    gate.errors.ModelError
        They are not.
    """
    mapped = placement.mapped(tensor)
    if tensor.quantizer is None:
        return StoredTensor(name, tensor.shape, stored_dtype(tensor), mapped)
    scale = _channels(tensor.quantizer.scale, tensor, placement)
    zero_point = _channels(tensor.quantizer.zero_point, tensor, placement)
    read = Dequantised(mapped, scale, zero_point)
    return StoredTensor(name, tensor.shape, stored_dtype(tensor), read, root_mean_square(scale))


def _channels(
    parameter: float | Tensor | tuple[float, ...], tensor: Tensor, placement: Placement
) -> StoredReader:
    """Return a scale or zero point, one for all or one for each channel, broadcast over the tensor."""
    axis = tensor.quantizer.axis if tensor.quantizer else None
    shape = tuple(extent if index == axis else 1 for index, extent in enumerate(tensor.shape))
    if isinstance(parameter, Tensor):
        return reshaped(placement.mapped(parameter), shape)
    return Numbers(parameter if isinstance(parameter, tuple) else (parameter,), shape)


def referenced_bytes(tensors: Sequence[Tensor]) -> dict[str, int]:
    """Return, for each storage key, how many of its bytes lie between the ends of some tensor."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for tensor in tensors:
        storage, width = tensor.storage, ITEM_SIZES[tensor.dtype]
        start = storage.start * ITEM_SIZES[storage.dtype] + tensor.offset * width
        spans.setdefault(storage.key, []).append((start, start + element_span(tensor) * width))
    return {key: _union(parts) for key, parts in spans.items()}


def _union(spans: list[tuple[int, int]]) -> int:
    covered = position = 0
    for start, stop in sorted(spans):
        covered += max(0, stop - max(start, position))
        position = max(position, stop)
    return covered
