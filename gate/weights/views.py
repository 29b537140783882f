"""Views of tensors that are still in their files: transposed, reshaped, cut, joined.

A view is a small frozen value around another reader; nothing is read before it is called.  All views
give the elements in storage type too (``stored``), so that integers can be rearranged before they
are dequantised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gate.weights.mapped import to_float

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StoredReader(Protocol):
    """A :class:`gate.layer.TensorReader` that knows its shape and can give the stored elements.

    Implementations are frozen: equal readers read the same bytes in the same way.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        ...

    def __call__(self) -> NDArray[Any]:
        """Return the elements as float16, float32 or float64."""
        ...

    def stored(self) -> NDArray[Any]:
        """Return the elements in their storage type."""
        ...


@dataclass(frozen=True, slots=True)
class Transposed:
    """``source`` with its axes in the order ``axes``, as ``numpy.transpose`` takes them."""

    source: StoredReader
    axes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        return tuple(self.source.shape[axis] for axis in self.axes)

    def __call__(self) -> NDArray[Any]:
        """Return the elements as floats; no copy."""
        return self.source().transpose(self.axes)

    def stored(self) -> NDArray[Any]:
        """Return the elements in their storage type."""
        return self.source.stored().transpose(self.axes)


@dataclass(frozen=True, slots=True)
class Reshaped:
    """``source`` in C order under another shape of the same size."""

    source: StoredReader
    shape: tuple[int, ...]

    def __call__(self) -> NDArray[Any]:
        """Return the elements as floats."""
        return self.source().reshape(self.shape)

    def stored(self) -> NDArray[Any]:
        """Return the elements in their storage type."""
        return self.source.stored().reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Sliced:
    """A cut of ``source``: one ``(start, stop, step)`` an axis, within it and with a positive step."""

    source: StoredReader
    ranges: tuple[tuple[int, int, int], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        return tuple(len(range(*cut)) for cut in self.ranges)

    def __call__(self) -> NDArray[Any]:
        """Return the elements as floats; no copy."""
        return self.source()[tuple(slice(*cut) for cut in self.ranges)]

    def stored(self) -> NDArray[Any]:
        """Return the elements in their storage type."""
        return self.source.stored()[tuple(slice(*cut) for cut in self.ranges)]


@dataclass(frozen=True, slots=True)
class Concatenated:
    """Readers of like shape joined along ``axis``; reading copies."""

    sources: tuple[StoredReader, ...]
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        extents = list(self.sources[0].shape)
        extents[self.axis] = sum(source.shape[self.axis] for source in self.sources)
        return tuple(extents)

    def __call__(self) -> NDArray[Any]:
        """Return the elements as floats."""
        return np.concatenate([source() for source in self.sources], self.axis)

    def stored(self) -> NDArray[Any]:
        """Return the elements in their storage type."""
        return np.concatenate([source.stored() for source in self.sources], self.axis)


@dataclass(frozen=True, slots=True)
class Dequantised:
    """Integers times their own scale: ``(stored - zero_point) * scale`` in float32.

    ``scale`` and ``zero_point`` have as many axes as ``source`` or none.  An extent of 1 is broadcast;
    a smaller one than the source's is repeated block by block, the last block may be cut short.
    """

    source: StoredReader
    scale: StoredReader
    zero_point: StoredReader | None = None
    block: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        return self.source.shape

    def __call__(self) -> NDArray[Any]:
        """Return the dequantised elements."""
        values = self.source.stored().astype(np.float32)
        with np.errstate(all="ignore"):  # a damaged scale gives weights that are not finite: a finding
            if self.zero_point is not None:
                values -= self._spread(self.zero_point.stored().astype(np.float32))
            values *= self._spread(self.scale().astype(np.float32, copy=False))
        return values

    def stored(self) -> NDArray[Any]:
        """Return the dequantised elements: what later views rearrange."""
        return self()

    def _spread(self, values: NDArray[Any]) -> NDArray[Any]:
        for axis, extent in enumerate(values.shape):
            if extent not in {1, self.shape[axis]}:
                values = np.repeat(values, self.block, axis).take(range(self.shape[axis]), axis)
        return values


def transposed(source: StoredReader, axes: tuple[int, ...]) -> StoredReader:
    """Return ``source`` transposed; two transpositions become one, and none becomes ``source``."""
    if isinstance(source, Transposed):
        axes = tuple(source.axes[axis] for axis in axes)
        source = source.source
    return source if axes == tuple(range(len(axes))) else Transposed(source, axes)


def reshaped(source: StoredReader, shape: tuple[int, ...]) -> StoredReader:
    """Return ``source`` under ``shape``; two changes of shape become one."""
    if isinstance(source, Reshaped):
        source = source.source
    return source if source.shape == shape else Reshaped(source, shape)


def sliced(source: StoredReader, ranges: tuple[tuple[int, int, int], ...]) -> StoredReader:
    """Return a cut of ``source``; the whole of one part of a concatenation becomes that part."""
    if all(cut == (0, extent, 1) for cut, extent in zip(ranges, source.shape, strict=True)):
        return source
    if isinstance(source, Concatenated):
        start = 0
        for part in source.sources:
            stop = start + part.shape[source.axis]
            whole = [(0, extent, 1) for extent in source.shape]
            whole[source.axis] = (start, stop, 1)
            if tuple(whole) == ranges:
                return part
            start = stop
    return Sliced(source, ranges)


def root_mean_square(scale: StoredReader) -> float | None:
    """Return the root mean square of ``scale``'s elements: the quantisation step over a tensor.

    None where they are not finite; the weights then are not either, and have no step.
    """
    with np.errstate(all="ignore"):
        values = to_float(scale()).astype(np.float64)
        mean = float(np.mean(values * values)) if values.size else 0.0
    return math.sqrt(mean) if math.isfinite(mean) else None
