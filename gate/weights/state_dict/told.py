"""Tensors of which the container itself says what they do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gate.weights.state_dict.stage import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.layer import WeightLayer
    from gate.weights.interface import Skipped
    from gate.weights.state_dict.stage import Weight


def claim_told(weights: Mapping[str, Weight]) -> Claim:
    """Take the tensors whose kind, or whose being no weight, is told; names are not asked."""
    taken: list[str] = []
    layers: list[WeightLayer] = []
    skipped: list[Skipped] = []
    for weight in weights.values():
        told = weight.told
        if told is None or weight.is_vector or not weight.readable:
            continue
        taken.append(weight.name)
        if told.kind is None or told.read is None:
            skipped.append(weight.skipped(told.reason, matrix=False))
        else:
            turned = replace(weight, shape=told.shape, read=told.read)
            layers.append(turned.layer(told.kind, groups=told.groups))
    return Claim(frozenset(taken), tuple(layers), tuple(skipped))
