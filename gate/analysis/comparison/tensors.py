"""Two tensors beside each other: distances, zeros, and whether one is the other rounded."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gate.layer import Part, WeightLayer

    Array = NDArray[Any]

_ROWS: Final = 1 << 20
"""Elements converted to double precision at once."""


@dataclass(frozen=True, slots=True)
class Distance:
    """What a pair's values have to do with each other; None where values are not finite or all zero.

    ``on_support`` is the relative change over the entries that are not zero in b, ``rescaled`` what is
    left of it when each output row of a may be multiplied by a number; ``rms_a`` is the root mean square
    of a's values.
    """

    equal: bool
    relative: float | None
    cosine: float | None
    largest: float | None
    on_support: float | None
    rescaled: float | None
    sparsity_a: float
    sparsity_b: float
    rms_a: float = 0.0


def values_of(layer: WeightLayer) -> Array:
    """Return the layer's values in its canonical shape, parts ordered by their labels.

    Containers order the gates of an LSTM and the projections of an attention differently.
    """
    tensor = layer.read()
    if layer.right is not None:
        tensor = np.asarray(tensor, np.float32) @ np.asarray(layer.right(), np.float32)
    if not layer.parts or len({part.axis for part in layer.parts}) > 1:
        return tensor
    ordered = sorted(layer.parts, key=lambda part: part.label)
    pieces = [_piece(tensor, part) for part in ordered]
    covered = sum(part.stop - part.start for part in ordered)
    return (
        np.concatenate(pieces, axis=ordered[0].axis) if covered == tensor.shape[ordered[0].axis] else tensor
    )


def _piece(tensor: Array, part: Part) -> Array:
    place = [slice(None)] * tensor.ndim
    place[part.axis] = slice(part.start, part.stop)
    return tensor[tuple(place)]


def digest_of(layer: WeightLayer) -> str:
    """Return a digest of the values in single precision, the same in whatever container they are stored."""
    values = np.ascontiguousarray(values_of(layer), dtype=np.float32)
    return hashlib.sha256(values.view(np.uint8).data if values.size else b"").hexdigest()


def distance(a: Array, b: Array) -> Distance:
    """Compare two tensors of one shape, in blocks of rows."""
    sums = np.zeros(6)
    largest, equal, residue = 0.0, True, 0.0
    with np.errstate(all="ignore"):
        for left, right in _blocks(a, b):
            gap = right - left
            support = right != 0
            sums += (
                np.vdot(left, left),
                np.vdot(right, right),
                np.vdot(left, right),
                np.vdot(gap, gap),
                np.vdot(gap[support], gap[support]),
                np.vdot(left[support], left[support]),
            )
            largest = max(largest, float(np.abs(gap).max(initial=0.0)))
            equal = equal and bool((left == right).all())
            residue += _residue(left, right)
    aa, bb, ab, gg, gs, ls = sums.tolist()
    return Distance(
        equal=equal,
        relative=_root(gg, aa),
        cosine=_finite(ab / math.sqrt(aa * bb)) if aa > 0 and bb > 0 else None,
        largest=_finite(largest),
        on_support=_root(gs, ls),
        rescaled=_root(residue, bb),
        sparsity_a=_zeros(a),
        sparsity_b=_zeros(b),
        rms_a=_finite(math.sqrt(aa / a.size)) or 0.0 if a.size and aa >= 0 else 0.0,
    )


def _blocks(a: Array, b: Array) -> Iterator[tuple[Array, Array]]:
    rows = a.shape[0] if a.ndim else 1
    left, right = a.reshape(rows, -1), b.reshape(rows, -1)
    step = max(1, _ROWS // max(1, left.shape[1]))
    for start in range(0, rows, step):
        block = slice(start, start + step)
        yield np.asarray(left[block], np.float64), np.asarray(right[block], np.float64)


def _residue(left: Array, right: Array) -> float:
    """Return the squared distance that is left when every row of ``left`` is scaled to fit best."""
    power = np.einsum("ij,ij->i", left, left)
    scale = np.where(power > 0, np.einsum("ij,ij->i", left, right) / np.where(power > 0, power, 1.0), 0.0)
    rest = right - scale[:, None] * left
    return float(np.vdot(rest, rest))


def _root(part: float, whole: float) -> float | None:
    return _finite(math.sqrt(part / whole)) if whole > 0 and part >= 0 else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _zeros(values: Array) -> float:
    return 1.0 - np.count_nonzero(values) / values.size if values.size else 0.0


def is_rounded(a: Array, b: Array, dtype: str) -> bool:
    """Tell whether ``b`` is ``a`` rounded to ``dtype`` (``float16`` or ``bfloat16``), value for value."""
    if dtype == "bfloat16":
        import ml_dtypes  # noqa: PLC0415 - only where this type is asked for

        kind: Any = ml_dtypes.bfloat16
    else:
        kind = np.float16
    with np.errstate(all="ignore"):
        rounded = np.asarray(a, np.float32).astype(kind).astype(np.float32)
    return bool(np.array_equal(rounded, np.asarray(b, np.float32)))
