"""Where the bytes of an HDF5 file lie: in a file of their own, or in a window of another."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT, map_file
from gate.weights.hdf5.limits import MAX_INFLATED_FILE

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class MappedPlace:
    """``size`` bytes from ``offset`` of the file at ``path`` on, as they are."""

    path: str
    offset: int
    size: int

    @classmethod
    def whole(cls, path: Path) -> Self:
        """Return the place that is all of a file.

        Raises
        ------
        gate.errors.ModelError
            It is empty or cannot be read.
        """
        return cls(str(path), 0, len(map_file(path)))

    def bytes(self) -> memoryview:
        """Return the bytes; nothing of them is in memory yet."""
        return _window(self.path, self.offset, self.size)


@dataclass(frozen=True, slots=True)
class InflatedPlace:
    """``size`` bytes that lie deflated, as ``stored_size`` bytes, from ``offset`` of a file on."""

    path: str
    offset: int
    stored_size: int
    size: int

    def bytes(self) -> memoryview:
        """Return the bytes, inflated; those of the last place asked for are kept.

        Raises
        ------
        gate.errors.ModelError
            They inflate to another size.
        gate.errors.UnsafeModelError
            There are more than fit comfortably into memory.
        """
        return _inflated(self)


Place: TypeAlias = "MappedPlace | InflatedPlace"


@lru_cache(maxsize=1)  # one tensor is read after another, from one file
def _inflated(place: InflatedPlace) -> memoryview:
    if place.size > MAX_INFLATED_FILE:
        raise UnsafeModelError(
            f"its weights are compressed and would inflate to {place.size} bytes",
            hint="Keras stores them as they are: save the model again with model.save().",
        )
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        contents = inflater.decompress(_window(place.path, place.offset, place.stored_size), place.size + 1)
    except zlib.error as error:
        raise ModelError("its weights do not inflate", hint=CUT_SHORT) from error
    if len(contents) != place.size:
        raise ModelError(f"its weights do not inflate to {place.size} bytes", hint=CUT_SHORT)
    return memoryview(contents)


def _window(path: str, offset: int, size: int) -> memoryview:
    data = map_file(Path(path))[offset : offset + size]
    if len(data) != size:
        raise ModelError(f"{Path(path).name} is shorter than it was", hint=CUT_SHORT)
    return data
