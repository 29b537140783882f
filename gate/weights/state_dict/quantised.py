"""Quantised weights: dequantised where a byte holds one value, named and counted where it holds more."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from gate.weights.state_dict.stage import MATRIX, Claim, Weight, companions, merged, named_for
from gate.weights.state_dict.tables import PACKED, SCALED, PackedScheme, ScaledScheme
from gate.weights.state_dict.values import Dequantised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gate.weights.state_dict.stage import NamesWeights

_Scheme = TypeVar("_Scheme", bound="NamesWeights")

_INT8: Final = frozenset({"int8", "uint8"})
_BLOCK: Final = 128  # DeepSeek-V3's, the one in use
_BITS: Final = {
    "uint8": 8,
    "int16": 16,
    "int32": 32,
    "uint32": 32,
    "int64": 64,
    "float16": 16,
    "bfloat16": 16,
    "float32": 32,
}


def claim_scaled(weights: Mapping[str, Weight]) -> Claim:
    """Take eight-bit values that stand beside their scales; return them as the weights they mean."""
    eight_bits = (weight for weight in named_for(weights, SCALED) if _has_eight_bits(weight))
    return _first_schemes(eight_bits, weights, SCALED, _scaled)


def claim_packed(weights: Mapping[str, Weight]) -> Claim:
    """Take values of fewer than eight bits with everything that belongs to them; none is measured."""
    return _first_schemes(named_for(weights, PACKED), weights, PACKED, _packed)


def _has_eight_bits(weight: Weight) -> bool:
    return weight.dtype in _INT8 or weight.dtype.startswith("float8_")


def _first_schemes(
    candidates: Iterable[Weight],
    weights: Mapping[str, Weight],
    schemes: Sequence[_Scheme],
    claim: Callable[[Weight, _Scheme, Mapping[str, Weight]], Claim | None],
) -> Claim:
    """Return, for each candidate that one of the schemes knows, what the first such makes of it."""
    tried = (
        (claim(weight, scheme, weights) for scheme in schemes if weight.name.endswith(scheme.suffix))
        for weight in candidates
    )
    firsts = (next((found for found in claims if found is not None), None) for claims in tried)
    return merged(found for found in firsts if found is not None)


def _scaled(weight: Weight, scheme: ScaledScheme, weights: Mapping[str, Weight]) -> Claim | None:
    if weight.is_vector:
        return None
    stem = weight.name.removesuffix(scheme.suffix)
    scale = weights.get(stem + scheme.scale)
    zero = weights.get(stem + scheme.zero_point) if scheme.zero_point else None
    if scale is None or not scale.readable or (weight.dtype == "uint8" and zero is None):
        return None
    layout = block_layout(weight.shape, scale.shape)
    if layout is None or (zero is not None and zero.parameters != scale.parameters):
        return None
    scale_shape, blocks = layout
    read = Dequantised(
        weight.read, scale.read, scale_shape, blocks, scheme.divisor, zero.read if zero is not None else None
    )
    step = None
    if weight.dtype in _INT8:
        step = float(np.sqrt(np.mean(np.square(scale.read(), dtype=np.float64)))) / scheme.divisor
    found = {item.name: item for item in (scale, zero) if item is not None}
    return Claim(
        taken=frozenset({weight.name, *found}),
        skipped=companions(found.values(), f"scale of the quantised weight {weight.name}"),
        weights=(replace(weight, name=stem + scheme.weight, read=read, readable=True, step=step),),
    )


def block_layout(
    shape: tuple[int, ...], scale: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the scales' shape with one entry an axis, and the extent of a block along each axis.

    One scale may stand for the whole tensor, for a row, or for a block; None where the shapes do
    not fit each other.  Blocks of 128 (the last one cut short) are tried before an exact division.
    """
    if math.prod(scale) == 1:
        return (1,) * len(shape), shape
    if len(scale) == 1:
        scale = (*scale, *(1,) * (len(shape) - 1))
    if len(scale) != len(shape) or 0 in scale:
        return None
    blocks = tuple(_block(extent, count) for extent, count in zip(shape, scale, strict=True))
    return (scale, blocks) if all(blocks) else None


def _block(extent: int, count: int) -> int:
    if count == 1:
        return extent
    if -(-extent // _BLOCK) == count:
        return _BLOCK
    return extent // count if extent % count == 0 else 0


def _packed(weight: Weight, scheme: PackedScheme, weights: Mapping[str, Weight]) -> Claim | None:
    if weight.is_vector or weight.dtype not in scheme.storage:
        return None
    stem = weight.name.removesuffix(scheme.suffix)
    if any(stem + name not in weights for name in scheme.needed):
        return None
    belonging = {
        stem + name: weights[stem + name]
        for name in (*scheme.needed, *scheme.others)
        if stem + name in weights
    }
    bits = scheme.bits or _gptq_bits(stem, weights)
    parameters = weight.parameters * _BITS[weight.dtype] // bits
    reason = f"{scheme.title}: packed {bits}-bit weights are not unpacked"
    return Claim(
        taken=frozenset({weight.name, *belonging}),
        skipped=(
            weight.skipped(reason, matrix=True, parameters=parameters),
            *companions(belonging.values(), f"belongs to the packed weight {weight.name}"),
        ),
    )


def _gptq_bits(stem: str, weights: Mapping[str, Weight]) -> int:
    """Return the bits a value takes: zero points are packed along the outputs as the values are."""
    zeros = weights.get(f"{stem}.qzeros")
    scales = weights[f"{stem}.scales"]
    if zeros is None or len(zeros.shape) != MATRIX or not scales.parameters:
        return 4
    bits = zeros.shape[1] * _BITS.get(zeros.dtype, 32) // scales.shape[-1]
    return bits if bits in {2, 3, 4, 8} else 4
