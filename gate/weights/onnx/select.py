"""From everything a walk has seen to the layers and the skipped tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gate.layer import WeightLayer
from gate.weights.interface import Skipped
from gate.weights.onnx.naming import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.weights.onnx.values import Leaf
    from gate.weights.onnx.walk import Found, Inventory


def layers(found: Sequence[Found]) -> tuple[WeightLayer, ...]:
    """Return the chosen weights as layers, named."""
    return tuple(_layer(item, name) for item, name in zip(found, names(found), strict=True))


def _layer(found: Found, name: str) -> WeightLayer:
    weight, leaf = found.weight, found.weight.value.leaves[0]
    return WeightLayer(
        name=name,
        kind=weight.kind,
        shape=weight.value.shape,
        dtype=weight.dtype or leaf.element.name,
        read=weight.value.read,
        tensor=leaf.name,
        stored_shape=leaf.shape,
        parts=weight.parts,
        groups=weight.groups,
        quantisation_step=weight.value.step,
    )


def chosen(found: Sequence[Found]) -> tuple[Found, ...]:
    """Return each weight once, however many nodes use it.

    A tensor that several operators use whole is one layer, of the first use that multiplies by it: a
    token table that is the output head too is ``dense``, since that is where its spectrum acts.
    Operators that use different cuts of a tensor give one layer a cut.
    """
    best: dict[object, Found] = {}
    whole: set[Leaf] = set()
    for item in found:
        value = item.weight.value
        if not math.prod(value.shape):
            continue
        key = value.leaves if value.whole else value.read
        known = best.get(key)
        if known is None or (known.weight.kind == "embedding" != item.weight.kind):
            best[key] = item
        if value.whole:
            whole.update(value.leaves)
    kept = {id(item) for item in best.values()}
    return tuple(item for item in found if id(item) in kept and _counts(item, whole))


def _counts(item: Found, whole: set[Leaf]) -> bool:
    value = item.weight.value
    return value.whole or not whole.issuperset(value.leaves)


def skipped(inventory: Inventory, found: Sequence[Found]) -> Iterator[Skipped]:
    """Yield every tensor of two or more dimensions, or part of one, that no layer shows."""
    shown: dict[Leaf, int] = {}
    for item in found:
        value = item.weight.value
        for leaf in value.leaves:
            part = leaf.size if value.whole else math.prod(value.shape)
            shown[leaf] = shown.get(leaf, 0) + part
    yield from inventory.skipped
    for leaf in inventory.leaves:
        rest = leaf.size - shown.get(leaf, 0)
        if len(leaf.shape) > 1 and (leaf not in shown or rest > 0):
            reasons = inventory.reasons.get(leaf, {})
            reason = "only a part is used as a weight" if leaf in shown else _reason(leaf, reasons)
            matrix = leaf in shown or _is_matrix(leaf, any(reasons.values()))
            yield Skipped(leaf.name, reason, parameters=rest, matrix=matrix)


def _reason(leaf: Leaf, reasons: dict[str, bool]) -> str:
    if not leaf.size:
        return "holds no elements"
    return "; ".join(reasons) or "no operator uses it"


def _is_matrix(leaf: Leaf, used: bool) -> bool:  # noqa: FBT001 - one of two facts, named
    """Tell whether the tensor ought to have been measured: a vector under more dimensions need not."""
    wide = sum(extent > 1 for extent in leaf.shape)
    return used and leaf.element.name != "bool" and wide > 1
