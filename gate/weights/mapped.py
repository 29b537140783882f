"""Tensors that lie uncompressed in a file: read by mapping it, one at a time.

Nothing is allocated before the bytes present in the file are known to hold what the container's
header claimed.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXTENDED: Final = frozenset(
    {
        "bfloat16",
        "float8_e4m3",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "float4_e2m1fn",
        "int4",
        "uint4",
    }
)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the dtype called ``name``; bfloat16 and the float8 family come from ml_dtypes.

    Raises
    ------
    gate.errors.ModelError
        Nobody knows a dtype of that name.
    """
    if name in _EXTENDED:
        import ml_dtypes  # noqa: PLC0415 - only files that store these types pay for the import

        extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return extended
    try:
        return np.dtype(name)
    except TypeError as error:
        raise ModelError(f"unknown tensor type {name!r}") from error


def to_float(values: NDArray[Any]) -> NDArray[Any]:
    """Return ``values`` as float16, float32 or float64; other types become float32 (a copy)."""
    return (
        values
        if values.dtype.kind == "f" and values.dtype.itemsize in {2, 4, 8}
        else values.astype(np.float32)
    )


@dataclass(frozen=True, slots=True)
class MappedTensor:
    """Reads a tensor whose elements lie at ``offset`` bytes into the file at ``path``.

    ``strides`` count elements, as in PyTorch; None means C order.  ``limit`` is the first byte
    that no longer belongs to the tensor's storage, where the container knows it.
    """

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None
    byte_order: str = "<"
    limit: int | None = None

    def __call__(self) -> NDArray[Any]:
        """Map the file and return a view of the tensor's elements as floats.

        Raises
        ------
        gate.errors.ModelError
            The file is shorter than the tensor, or cannot be read.
        """
        return to_float(self.stored())

    def stored(self) -> NDArray[Any]:
        """Return the elements in their storage type, integers included."""
        dtype = numpy_dtype(self.dtype)
        count = self.element_span()
        if count == 0:
            return np.empty(self.shape, dtype)
        end = self.offset + count * dtype.itemsize
        if self.byte_order == ">":
            dtype = dtype.newbyteorder(">")
        try:
            with Path(self.path).open("rb") as file:
                size = file.seek(0, 2)
                if self.offset < 0 or end > min(size, size if self.limit is None else self.limit):
                    raise ModelError(
                        f"{Path(self.path).name}: a tensor of {count} elements of {self.dtype} at byte "
                        f"{self.offset} ends at {end}, past what the file holds ({size} bytes)",
                        hint="The file is cut short or damaged: fetch or export it again.",
                    )
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ModelError(f"cannot read {Path(self.path).name}: {error.strerror}") from error
        steps = None if self.strides is None else tuple(step * dtype.itemsize for step in self.strides)
        return np.ndarray(self.shape, dtype, mapped, self.offset, steps)

    def element_span(self) -> int:
        """Return the number of elements from the first to one past the last.

        Raises
        ------
        gate.errors.ModelError
            A negative extent or stride.
        """
        if any(extent < 0 for extent in self.shape):
            raise ModelError(f"negative extent in tensor shape {self.shape}")
        if 0 in self.shape:
            return 0
        if self.strides is None:
            return math.prod(self.shape)
        if len(self.strides) != len(self.shape) or any(step < 0 for step in self.strides):
            raise ModelError(f"strides {self.strides} do not fit tensor shape {self.shape}")
        span = 1 + sum((extent - 1) * step for extent, step in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) > span:  # repeats elements: a few bytes could claim terabytes
            raise ModelError(f"tensor of shape {self.shape} repeats its {span} stored elements")
        return span
