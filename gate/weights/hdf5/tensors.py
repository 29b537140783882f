"""Readers of a dataset's elements: frozen, small, and with nothing read before they are called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.errors import ModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.chunks import read_chunks
from gate.weights.hdf5.fields import Hdf5Bytes
from gate.weights.hdf5.filters import undone
from gate.weights.hdf5.places import MappedPlace
from gate.weights.mapped import MappedTensor, numpy_dtype, to_float

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.weights.hdf5.chunks import Grid
    from gate.weights.hdf5.fields import FileShape
    from gate.weights.hdf5.layouts import Chunked
    from gate.weights.hdf5.places import InflatedPlace, Place
    from gate.weights.views import StoredReader


def _dtype(name: str, byte_order: str) -> np.dtype[Any]:
    dtype = numpy_dtype(name)
    return dtype.newbyteorder(">") if byte_order == ">" else dtype


@dataclass(frozen=True, slots=True)
class InflatedTensor:
    """Reads a tensor that lies as it is in a file that is compressed as a whole."""

    place: InflatedPlace
    offset: int
    dtype: str
    shape: tuple[int, ...]
    byte_order: str

    def __call__(self) -> NDArray[Any]:
        """Return the tensor's elements as floats, a view where they are.

        Raises
        ------
        gate.errors.ModelError
            The file has changed.
        """
        return to_float(self.stored())

    def stored(self) -> NDArray[Any]:
        """Return a view of the elements in their storage type."""
        data = self.place.bytes()
        return np.ndarray(self.shape, _dtype(self.dtype, self.byte_order), data, self.offset)


@dataclass(frozen=True, slots=True)
class ChunkedTensor:
    """Reads a tensor that is stored in chunks."""

    file: FileShape
    layout: Chunked
    grid: Grid
    dtype: str
    byte_order: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        return self.grid.shape

    def __call__(self) -> NDArray[Any]:
        """Return the elements, put together, as floats.

        Raises
        ------
        gate.errors.ModelError
            A chunk is damaged.
        """
        return to_float(self.stored())

    def stored(self) -> NDArray[Any]:
        """Return the elements, put together, in their storage type."""
        grid, file = self.grid, Hdf5Bytes(self.file)
        chunks = read_chunks(file, self.layout, grid)
        values = np.empty(grid.shape, _dtype(self.dtype, self.byte_order))
        for chunk in chunks:
            start = file.shape.base + chunk.address
            raw = undone(file.data[start : start + chunk.size], grid.filters, chunk.mask, grid.chunk_bytes)
            corner = [place * step for place, step in zip(chunk.position, grid.chunk, strict=True)]
            target = values[tuple(slice(at, at + step) for at, step in zip(corner, grid.chunk, strict=True))]
            block = np.frombuffer(raw, values.dtype).reshape(grid.chunk)
            target[...] = block[tuple(slice(extent) for extent in target.shape)]
        return values


def whole_tensor(
    place: Place, offset: int, dtype: str, shape: tuple[int, ...], byte_order: str
) -> StoredReader:
    """Return the reader of elements that lie one after the other from ``offset`` of a place on.

    Raises
    ------
    gate.errors.ModelError
        They are not all in the place.
    """
    size = math.prod(shape) * numpy_dtype(dtype).itemsize
    if offset + size > place.size:
        raise ModelError(f"a tensor of {size} bytes begins at byte {offset} of {place.size}", hint=CUT_SHORT)
    if isinstance(place, MappedPlace):
        return MappedTensor(
            place.path,
            place.offset + offset,
            dtype,
            shape,
            byte_order=byte_order,
            limit=place.offset + offset + size,
        )
    return InflatedTensor(place, offset, dtype, shape, byte_order)
