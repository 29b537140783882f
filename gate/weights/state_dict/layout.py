"""Weights stored in another order than (out, in, *kernel): GPT-2's, Keras's and Flax's."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from gate.weights.state_dict.names import components, module_and_parameter
from gate.weights.state_dict.stage import MATRIX, Claim, Weight
from gate.weights.state_dict.tables import (
    FLAX_HEADS,
    GPT2_CONV1D,
    GPT2_WIDE,
    KERNEL_AXES,
    KERNELS,
    PYTORCH_HEADS,
)
from gate.weights.state_dict.values import Permuted

if TYPE_CHECKING:
    from collections.abc import Mapping


def claim_layout(weights: Mapping[str, Weight]) -> Claim:
    """Return weights in PyTorch's order for those whose names and shapes tell of another one."""
    others = (_heads(weight) or _kernel(weight) for weight in weights.values())
    turned = [*_gpt2(weights), *(found for found in others if found is not None)]
    return Claim(taken=frozenset(weight.name for weight in turned), weights=tuple(turned))


def _gpt2(weights: Mapping[str, Weight]) -> list[Weight]:
    """Turn the ``Conv1D`` modules of GPT-2, if the file's wide projections are wider than tall.

    The same names with ordinary linear layers (nanoGPT, Qwen) are taller than wide.
    """
    named = [
        (weight, module_and_parameter(weight.name))
        for weight in weights.values()
        if len(weight.shape) == MATRIX
    ]
    found = [
        (weight, module) for weight, (module, name) in named if module in GPT2_CONV1D and name == "weight"
    ]
    wide = [weight.shape for weight, module in found if module in GPT2_WIDE]
    if not wide or not all(columns > rows for rows, columns in wide):
        return []
    return [weight.permuted((1, 0)) for weight, _ in found]


def _kernel(weight: Weight) -> Weight | None:
    parts = components(weight.name)
    if parts[-1] == "depthwise_kernel" and len(weight.shape) in {3, 4}:
        return _depthwise(weight)
    if parts[-1] not in KERNELS or len(weight.shape) not in KERNEL_AXES:
        return None
    module = parts[-2] if len(parts) > 1 else ""
    if len(weight.shape) == 3 and module in FLAX_HEADS:  # noqa: PLR2004
        return _joined_heads(weight, FLAX_HEADS[module])
    return weight.permuted(KERNEL_AXES[len(weight.shape)])


def _heads(weight: Weight) -> Weight | None:
    axes = PYTORCH_HEADS.get(".".join(components(weight.name)[-2:]))
    if axes is None or len(weight.shape) != len(axes):
        return None
    return _joined_heads(weight, axes)


def _joined_heads(weight: Weight, axes: tuple[int, ...]) -> Weight:
    """Join the axes of heads: the first two where the input stood first, else the last two."""
    inward = axes[-1] == 0
    extents = [weight.shape[axis] for axis in axes]
    shape = (math.prod(extents[:2]), extents[2]) if inward else (extents[0], math.prod(extents[1:]))
    return replace(weight, shape=shape, read=Permuted(weight.read, axes, shape))


def _depthwise(weight: Weight) -> Weight:
    """Turn Keras's (*kernel, channels, multiplier) to (channels * multiplier, 1, *kernel)."""
    *kernel, channels, multiplier = weight.shape
    last = len(kernel)
    axes = (last, last + 1, *range(last))
    shape = (channels * multiplier, 1, *kernel)
    return replace(weight, shape=shape, read=Permuted(weight.read, axes, shape))
