"""Fused attention projections, split into query, key and value where the layout is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.layer import Part
from gate.weights.state_dict.names import components, module_and_parameter
from gate.weights.state_dict.stage import MATRIX
from gate.weights.state_dict.tables import ATTENTION_OUTPUTS, FUSED_PROJECTIONS, SEPARATE_PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.layer import WeightLayer
    from gate.weights.state_dict.stage import Weight


def attention(weight: Weight, weights: Mapping[str, Weight]) -> WeightLayer | None:
    """Name a fused or separate attention projection, stored (out, in)."""
    module, _ = module_and_parameter(weight.name)
    if len(weight.shape) != MATRIX:
        return None
    if module in SEPARATE_PROJECTIONS:
        return weight.layer("attention")
    if module not in FUSED_PROJECTIONS:
        return None
    parts = _parts(weight, weights) if FUSED_PROJECTIONS[module] else ()
    return weight.layer("attention", parts)


def _parts(weight: Weight, weights: Mapping[str, Weight]) -> tuple[Part, ...]:
    """Return query, key and value; empty where their widths cannot be known.

    The width of the query is that of the output projection's input; without one beside it, three
    equal projections of the full width are the only layout that is certain.
    """
    rows, columns = weight.shape
    parent = _parent(weight)
    if f"{parent}q_attn.weight" in weights:  # GPT-2's cross-attention: the query stands by itself
        return (Part("key", 0, 0, rows // 2), Part("value", 0, rows // 2, rows)) if rows % 2 == 0 else ()
    query = _query_width(parent, weights) or (columns if rows == 3 * columns else 0)
    if not 0 < query < rows or (rows - query) % 2:
        return ()
    key = (rows - query) // 2
    if query % key:  # heads are shared in whole numbers, else this is another layout
        return ()
    return (
        Part("query", 0, 0, query),
        Part("key", 0, query, query + key),
        Part("value", 0, query + key, rows),
    )


def _parent(weight: Weight) -> str:
    parts = components(weight.name)
    return "".join(f"{part}." for part in parts[: -2 if parts[-1] == "weight" else -1])


def _query_width(parent: str, weights: Mapping[str, Weight]) -> int:
    for name in ATTENTION_OUTPUTS:
        output = weights.get(f"{parent}{name}.weight")
        if output is not None and output.is_matrix:
            return output.shape[1]
    return 0
