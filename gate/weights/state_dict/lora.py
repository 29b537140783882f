"""Low-rank adapters: the two halves of a product, measured as the product."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from gate.layer import WeightLayer
from gate.weights.state_dict.names import layer_name
from gate.weights.state_dict.stage import Claim, Weight, merged
from gate.weights.state_dict.tables import LORA_PAIRS
from gate.weights.state_dict.values import Reshaped

if TYPE_CHECKING:
    from collections.abc import Mapping

_HALF: Final = re.compile("|".join(re.escape(half) for pair in LORA_PAIRS for half in pair))


def claim_lora(weights: Mapping[str, Weight]) -> Claim:
    """Take the halves of low-rank adapters, A (r, in) and B (out, r), as one layer BA.

    A convolution's A (r, in, *kernel) is flattened to (r, in * kernel).  The factor alpha / r that a
    trainer multiplies the product with is not in the tensors and not applied.
    """
    claims: list[Claim] = []
    for weight in weights.values():
        if weight.is_vector or _HALF.search(weight.name) is None:  # vectors: alpha of a pair, a magnitude
            continue
        for inner, outer in LORA_PAIRS:
            if _contains(weight.name, inner):
                claims.append(_pair(weight, inner, outer, weights))
                break
            if _contains(weight.name, outer) and _other(weight.name, outer, inner) not in weights:
                claims.append(_lost(weight))
                break
    return merged(claims)


def _contains(name: str, half: str) -> bool:
    return f".{half}." in f".{name}."


def _other(name: str, half: str, replacement: str) -> str:
    return f".{name}.".replace(f".{half}.", f".{replacement}.")[1:-1]


def _lost(weight: Weight) -> Claim:
    reason = "half of a low-rank adapter whose other half is missing or does not fit"
    return Claim(frozenset({weight.name}), skipped=(weight.skipped(reason, matrix=True),))


def _pair(inner: Weight, a_name: str, b_name: str, weights: Mapping[str, Weight]) -> Claim:
    outer = weights.get(_other(inner.name, a_name, b_name))
    if outer is None:
        return _lost(inner)
    rank, width = inner.shape[0], math.prod(inner.shape[1:])
    if not _fits(inner, outer):
        return merged(_lost(half) for half in (inner, outer) if not half.is_vector)
    layer = WeightLayer(
        name=_name(inner.name, a_name),
        kind="lora",
        shape=(outer.shape[0], width),
        dtype=outer.dtype,
        read=Reshaped(outer.read, (outer.shape[0], rank)),
        tensor=outer.tensor,
        stored_shape=outer.stored_shape,
        right=Reshaped(inner.read, (rank, width)),
    )
    return Claim(frozenset({inner.name, outer.name}), (layer,))


def _fits(inner: Weight, outer: Weight) -> bool:
    if outer.is_vector or not (inner.readable and outer.readable):
        return False
    whole = inner.parameters > 0 and outer.parameters > 0
    return whole and inner.shape[0] == outer.shape[1] and math.prod(outer.shape[2:]) == 1


def _name(tensor: str, half: str) -> str:
    """Return ``MODULE.lora``, with the adapter's name behind it unless it is PEFT's ``default``."""
    module, _, adapter = layer_name(tensor).partition(half)
    adapter = adapter.strip(".")
    name = f"{module}lora"
    return name if adapter in {"", "default"} else f"{name}.{adapter}"
