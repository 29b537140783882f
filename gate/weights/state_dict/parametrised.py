"""Weights kept as something else: weight norm, spectral norm, pruning masks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.weights.state_dict.stage import Claim, Weight, companions, merged, named_for
from gate.weights.state_dict.values import Masked, SpectrallyNormed, WeightNormed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gate.layer import TensorReader


def _weight_norm(weight: Weight, others: Sequence[Weight]) -> TensorReader | None:
    (magnitude,) = others
    fits = len(magnitude.shape) == len(weight.shape) and all(
        extent in {1, full} for extent, full in zip(magnitude.shape, weight.shape, strict=True)
    )
    return WeightNormed(weight.read, magnitude.read, magnitude.shape) if fits else None


def _spectral_norm(weight: Weight, others: Sequence[Weight]) -> TensorReader | None:
    left, right = others
    fits = left.shape == (weight.shape[0],) and right.shape == (math.prod(weight.shape[1:]),)
    return SpectrallyNormed(weight.read, left.read, right.read) if fits else None


def _pruned(weight: Weight, others: Sequence[Weight]) -> TensorReader | None:
    (mask,) = others
    return Masked(weight.read, mask.read) if mask.shape == weight.shape else None


@dataclass(frozen=True, slots=True)
class Parametrisation:
    """The tensor that has the weight's shape, its neighbours, and how they make the weight."""

    suffix: str
    others: tuple[str, ...]
    compose: Callable[[Weight, Sequence[Weight]], TensorReader | None]


PARAMETRISATIONS: Final = (
    Parametrisation("weight_v", ("weight_g",), _weight_norm),
    Parametrisation(
        "parametrizations.weight.original1", ("parametrizations.weight.original0",), _weight_norm
    ),
    Parametrisation("weight_orig", ("weight_u", "weight_v"), _spectral_norm),
    Parametrisation(
        "parametrizations.weight.original",
        ("parametrizations.weight.0._u", "parametrizations.weight.0._v"),
        _spectral_norm,
    ),
    Parametrisation("weight_orig", ("weight_mask",), _pruned),
)
"""The parametrisations of torch.nn.utils, in their older and newer names."""


def claim_parametrised(weights: Mapping[str, Weight]) -> Claim:
    """Take the parts of parametrised weights; return the weights the model multiplies with."""
    known = named_for(weights, PARAMETRISATIONS)
    tried = (_composed(weight, scheme, weights) for weight in known for scheme in PARAMETRISATIONS)
    return merged(claim for claim in tried if claim is not None)


def _composed(weight: Weight, scheme: Parametrisation, weights: Mapping[str, Weight]) -> Claim | None:
    if weight.is_vector or not weight.readable or not weight.name.endswith(scheme.suffix):
        return None
    stem = weight.name.removesuffix(scheme.suffix)
    if any(stem + name not in weights for name in scheme.others):
        return None
    others = {stem + name: weights[stem + name] for name in scheme.others}
    read = scheme.compose(weight, tuple(others.values()))
    if read is None:
        return None
    return Claim(
        taken=frozenset({weight.name, *others}),
        skipped=companions(others.values(), f"part of the parametrised weight {stem}weight"),
        weights=(replace(weight, name=f"{stem}weight", read=read),),
    )
