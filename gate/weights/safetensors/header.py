"""The header of a safetensors file: eight bytes of length, a JSON object, then the tensors' bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ModelError
from gate.weights.interface import StoredTensor
from gate.weights.mapped import MappedTensor
from gate.weights.strict_json import parse_object

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_HEADER: Final = 100_000_000
"""The format's own limit."""

_LENGTH: Final = 8
_MOST_DIMENSIONS: Final = 32
_LONGEST_NAME: Final = 4096
_LARGEST_EXTENT: Final = 2**63 - 1

DTYPES: Final[dict[str, tuple[str, int]]] = {
    "BOOL": ("bool", 8),
    "F4": ("float4_e2m1fn", 4),
    "F6_E2M3": ("float6_e2m3fn", 6),
    "F6_E3M2": ("float6_e3m2fn", 6),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "U8": ("uint8", 8),
    "I8": ("int8", 8),
    "U16": ("uint16", 16),
    "I16": ("int16", 16),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "U32": ("uint32", 32),
    "I32": ("int32", 32),
    "F32": ("float32", 32),
    "U64": ("uint64", 64),
    "I64": ("int64", 64),
    "F64": ("float64", 64),
    "C64": ("complex64", 64),
}
"""The format's type names, ours, and the bits an element takes."""


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors in the order of their bytes, and how many bytes follow the last of them."""

    tensors: tuple[StoredTensor, ...]
    unreferenced_bytes: int


def read_header(path: Path) -> Header:
    """Return the tensors of the file at ``path``, none of them read.

    Raises
    ------
    gate.errors.ModelError
        The file is not what the format demands: see https://github.com/huggingface/safetensors,
        section "Format".
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            start = file.read(_LENGTH)
            length = int.from_bytes(start, "little")
            if len(start) < _LENGTH or length > min(LARGEST_HEADER, size - _LENGTH):
                raise _broken(path, f"its header claims {length} bytes, the file has {size}")
            text = file.read(length)
    except OSError as error:
        raise ModelError(f"cannot read {path.name}: {error.strerror}") from error
    if not text.startswith(b"{"):
        raise _broken(path, "its header does not start with '{'")
    entries = parse_object(text, f"the header of {path.name}")
    return _checked(path, entries, _LENGTH + length, size)


def _checked(path: Path, entries: dict[str, Any], start: int, size: int) -> Header:
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _broken(path, "its __metadata__ is not a map of texts")
    placed = sorted(
        (_entry(path, name, entry) for name, entry in entries.items()),
        key=lambda item: (item.begin, item.end),
    )
    expected = 0
    for item in placed:
        if item.begin != expected:
            raise _broken(
                path, f"tensor {item.name[:80]!r} begins at byte {item.begin}, expected at {expected}"
            )
        expected = item.end
    if start + expected > size:
        raise _broken(path, f"its tensors need {start + expected} bytes, the file has {size}")
    tensors = (
        StoredTensor(
            item.name,
            item.shape,
            item.dtype,
            MappedTensor(str(path), start + item.begin, item.dtype, item.shape, limit=start + item.end),
        )
        for item in placed
    )
    return Header(tuple(tensors), size - start - expected)


@dataclass(frozen=True, slots=True)
class _Placed:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _entry(path: Path, name: str, entry: object) -> _Placed:
    if len(name) > _LONGEST_NAME:
        raise _broken(path, f"the tensor name {name[:80]!r}... has {len(name)} characters")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _broken(path, f"the entry of tensor {name[:80]!r} is not its dtype, shape and data_offsets")
    dtype = entry["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _broken(path, f"tensor {name[:80]!r} has the unknown type {str(dtype)[:40]!r}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _counts(shape) or len(shape) > _MOST_DIMENSIONS:
        raise _broken(path, f"tensor {name[:80]!r} has no valid shape")
    if not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:  # noqa: PLR2004
        raise _broken(path, f"tensor {name[:80]!r} has no valid data_offsets")
    ours, bits = DTYPES[dtype]
    if math.prod(shape) * bits != (offsets[1] - offsets[0]) * 8:
        raise _broken(
            path,
            f"tensor {name[:80]!r} of shape {tuple(shape)} and type {dtype} cannot take "
            f"{offsets[1] - offsets[0]} bytes",
        )
    return _Placed(name, ours, tuple(shape), offsets[0], offsets[1])


def _counts(value: object) -> bool:
    """Tell whether ``value`` is a list of integers from 0 to 2⁶³ − 1."""
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item <= _LARGEST_EXTENT for item in value
    )


def _broken(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path.name} is not a valid safetensors file: {why}",
        hint="The file is cut short or damaged: fetch or export it again.",
    )
