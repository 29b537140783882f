"""Tensors that stand for a layer by themselves: the first rule that knows one names it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.layer import WeightLayer
from gate.weights.state_dict import tables
from gate.weights.state_dict.attention import attention
from gate.weights.state_dict.experts import experts
from gate.weights.state_dict.names import matches_any, module_and_parameter
from gate.weights.state_dict.stage import MATRIX, Claim, Weight, bias_beside
from gate.weights.state_dict.values import Reshaped

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


def _norm_scale(weight: Weight, weights: Mapping[str, Weight]) -> Skipped | None:
    """Take scales: a bias of their own shape tells them, one that is a vector beside them tells a matrix.

    Where there is no bias the name does, and what has the shape of a matrix counts against coverage.
    """
    module, parameter = module_and_parameter(weight.name)
    if parameter != "weight":
        return None
    bias = bias_beside(weight.name, weights)
    named, alike = matches_any(module, tables.NORMS), bias is not None and bias.shape == weight.shape
    if alike or (named and not _is_matrix(weight)):
        return weight.skipped("scale of a normalisation", matrix=False)
    if named and bias is None:
        return weight.skipped("scale of a normalisation, by its name alone", matrix=True)
    return None


def _is_matrix(weight: Weight) -> bool:
    return sum(extent > 1 for extent in weight.shape) >= MATRIX


def _unreadable(weight: Weight, _: Mapping[str, Weight]) -> Skipped | None:
    if weight.readable:
        return None
    parameter = module_and_parameter(weight.name)[1]
    if weight.dtype in _INDEX_TYPES and not parameter:
        return weight.skipped(f"table of {weight.dtype} values", matrix=False)
    why = "which is not measured" if "int" not in weight.dtype else "and no scale that is known belongs to it"
    return weight.skipped(f"stored as {weight.dtype}, {why}", matrix=True)


def _embedding(weight: Weight, weights: Mapping[str, Weight]) -> WeightLayer | None:
    """Take tables that rows are looked up in; they have no bias, and no framework calls them a kernel."""
    module, parameter = module_and_parameter(weight.name)
    looked_up = parameter in {"embedding", "embeddings"} or (
        matches_any(module, tables.EMBEDDINGS)
        and not matches_any(module, tables.NOT_EMBEDDINGS)
        and parameter != "kernel"
        and bias_beside(weight.name, weights) is None
    )
    return weight.layer("embedding") if looked_up and len(weight.shape) == MATRIX else None


def _bilinear(weight: Weight, _: Mapping[str, Weight]) -> WeightLayer | None:
    """Take a stack of forms ``xᵀ W_k y`` as the one matrix that it is to the products ``x_i y_j``."""
    module, parameter = module_and_parameter(weight.name)
    if len(weight.shape) != tables.STACK or not parameter or not matches_any(module, tables.BILINEAR):
        return None
    shape = (weight.shape[0], weight.shape[1] * weight.shape[2])
    return replace(weight, shape=shape, read=Reshaped(weight.read, shape)).layer("dense")


def _convolution(weight: Weight, weights: Mapping[str, Weight]) -> WeightLayer | None:
    dimensions = len(weight.shape)
    parameter = module_and_parameter(weight.name)[1]
    if dimensions not in tables.CONVOLUTIONS or not (
        parameter or matches_any(weight.name, _CONVOLUTION_NAMES)
    ):
        return None
    if max(weight.shape[2:]) > tables.LARGEST_KERNEL[dimensions]:
        return None
    plain, transposed = tables.CONVOLUTIONS[dimensions]
    if _is_transposed(weight, weights):
        return weight.permuted((1, 0, *range(2, dimensions))).layer(transposed)
    if weight.shape[1] == 1 and weight.shape[0] > 1:
        return weight.layer("depthwise", groups=weight.shape[0])
    return weight.layer(plain)


def _is_transposed(weight: Weight, weights: Mapping[str, Weight]) -> bool:
    """Tell a convolution stored as (in, out, *kernel): a bias is as long as there are outputs.

    A plain one has as many as its first axis.  With groups neither axis need be the bias's length, or
    either may, and the name tells.
    """
    bias = bias_beside(weight.name, weights)
    length = bias.shape[0] if bias is not None and len(bias.shape) == 1 else None
    first, second = weight.shape[:2]
    if length == second != first:
        return True
    if length == first and first % second:
        return False
    return matches_any(weight.name, tables.TRANSPOSED_CONVOLUTIONS)


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
    _bilinear,
    experts,
    _embedding,
    _convolution,
    _dense,
    _unknown,
)
"""Tried in this order; the last one knows everything."""
