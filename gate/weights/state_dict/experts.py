"""Stacks of experts: one three-dimensional tensor that holds a matrix per expert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.layer import Part
from gate.weights.state_dict import tables
from gate.weights.state_dict.names import components, matches_any, module_and_parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.layer import WeightLayer
    from gate.weights.state_dict.stage import Weight


def experts(weight: Weight, weights: Mapping[str, Weight]) -> WeightLayer | None:
    """Name a stack of experts, turned to (experts, out, in) where its neighbour tells the order."""
    module, parameter = module_and_parameter(weight.name)
    named = any("expert" in part.casefold() for part in components(weight.name)[:-1])
    stacked = module in tables.EXPERT_STACKS and not parameter
    if len(weight.shape) != tables.STACK or weight.shape[0] > tables.MOST_EXPERTS:
        return None
    if not (named or stacked or _is_linear(weight, module, parameter)):
        return None
    turned = weight.permuted((0, 2, 1)) if _stored_in_out(weight, weights) else weight
    parts = tuple(Part(str(index), 0, index, index + 1) for index in range(weight.shape[0]))
    return turned.layer("expert", parts)


def _is_linear(weight: Weight, module: str, parameter: str) -> bool:
    return (
        parameter == "weight"
        and matches_any(module, tables.STACKED_LINEAR)
        and weight.shape[2] > tables.WIDEST_LINEAR_CONVOLUTION
    )


def _stored_in_out(weight: Weight, weights: Mapping[str, Weight]) -> bool:
    """Tell whether stacks stand as (experts, in, out), from the widths of a gated pair.

    ``gate_up_proj`` is twice as wide as ``down_proj``'s input, and their other widths are equal;
    both layouts occur (Llama 4 and gpt-oss, Mixtral and Qwen).
    """
    up = weights.get(weight.name.replace("down_proj", "gate_up_proj"))
    down = weights.get(weight.name.replace("gate_up_proj", "down_proj"))
    if up is None or down is None or up is down:
        return False
    if len(up.shape) != tables.STACK or len(down.shape) != tables.STACK:
        return False
    return up.shape[2] == 2 * down.shape[1] and up.shape[1] == down.shape[2]
