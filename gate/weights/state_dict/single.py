"""Tensors that stand for a layer by themselves: the first rule that knows one names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.layer import WeightLayer
from gate.weights.state_dict import tables
from gate.weights.state_dict.attention import attention
from gate.weights.state_dict.experts import experts
from gate.weights.state_dict.names import matches_any, module_and_parameter
from gate.weights.state_dict.stage import MATRIX, Claim, Weight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.weights.interface import Skipped

_INDEX_TYPES: Final = frozenset({"bool", "int16", "uint16", "int32", "uint32", "int64", "uint64"})
_OF_NO_MATRIX: Final = tuple(pattern for _, patterns in tables.NOT_MATRICES for pattern in patterns)
_CONVOLUTION_NAMES: Final = ("*conv*", "*filter*", "*kernel*", "*kernel:0", "*basis*")


def claim_single(weights: Mapping[str, Weight]) -> Claim:
    """Take everything that is left; whatever no rule knows is skipped with a reason."""
    layers: list[WeightLayer] = []
    skipped: list[Skipped] = []
    for weight in weights.values():
        if weight.is_vector:
            continue
        found = next(result for rule in RULES if (result := rule(weight, weights)) is not None)
        if isinstance(found, WeightLayer):
            layers.append(found)
        else:
            skipped.append(found)
    return Claim(frozenset(weights), tuple(layers), tuple(skipped))


def _empty(weight: Weight, _: Mapping[str, Weight]) -> Skipped | None:
    return weight.skipped("holds no element", matrix=False) if not weight.parameters else None


def _not_a_matrix(weight: Weight, _: Mapping[str, Weight]) -> Skipped | None:
    if not matches_any(weight.name, _OF_NO_MATRIX):
        return None
    reason = next(reason for reason, patterns in tables.NOT_MATRICES if matches_any(weight.name, patterns))
    return weight.skipped(reason, matrix=False)


def _norm_scale(weight: Weight, _: Mapping[str, Weight]) -> Skipped | None:
    module, parameter = module_and_parameter(weight.name)
    scales = parameter == "weight" and matches_any(module, tables.NORMS)
    return weight.skipped("scale of a normalisation", matrix=False) if scales else None


def _unreadable(weight: Weight, _: Mapping[str, Weight]) -> Skipped | None:
    if weight.readable:
        return None
    parameter = module_and_parameter(weight.name)[1]
    if weight.dtype in _INDEX_TYPES and not parameter:
        return weight.skipped(f"table of {weight.dtype} values", matrix=False)
    why = "which is not measured" if "int" not in weight.dtype else "and no scale that is known belongs to it"
    return weight.skipped(f"stored as {weight.dtype}, {why}", matrix=True)


def _embedding(weight: Weight, _: Mapping[str, Weight]) -> WeightLayer | None:
    module, parameter = module_and_parameter(weight.name)
    looked_up = parameter in {"embedding", "embeddings"} or (
        matches_any(module, tables.EMBEDDINGS) and not matches_any(module, tables.NOT_EMBEDDINGS)
    )
    return weight.layer("embedding") if looked_up and len(weight.shape) == MATRIX else None


def _convolution(weight: Weight, _: Mapping[str, Weight]) -> WeightLayer | None:
    dimensions = len(weight.shape)
    parameter = module_and_parameter(weight.name)[1]
    if dimensions not in tables.CONVOLUTIONS or not (
        parameter or matches_any(weight.name, _CONVOLUTION_NAMES)
    ):
        return None
    if max(weight.shape[2:]) > tables.LARGEST_KERNEL[dimensions]:
        return None
    plain, transposed = tables.CONVOLUTIONS[dimensions]
    if matches_any(weight.name, tables.TRANSPOSED_CONVOLUTIONS):
        return weight.permuted((1, 0, *range(2, dimensions))).layer(transposed)
    if weight.shape[1] == 1 and weight.shape[0] > 1:
        return weight.layer("depthwise", groups=weight.shape[0])
    return weight.layer(plain)


def _dense(weight: Weight, _: Mapping[str, Weight]) -> WeightLayer | None:
    return weight.layer("dense") if len(weight.shape) == MATRIX else None


def _unknown(weight: Weight, _: Mapping[str, Weight]) -> Skipped:
    if sum(extent > 1 for extent in weight.shape) < MATRIX:
        return weight.skipped("a vector in the shape of a tensor", matrix=False)
    return weight.skipped(f"a tensor of shape {weight.shape} that no known layer has", matrix=True)


RULES: Final[tuple[Callable[[Weight, Mapping[str, Weight]], WeightLayer | Skipped | None], ...]] = (
    _empty,
    _not_a_matrix,
    _norm_scale,
    _unreadable,
    attention,
    experts,
    _embedding,
    _convolution,
    _dense,
    _unknown,
)
"""Tried in this order; the last one knows everything."""
