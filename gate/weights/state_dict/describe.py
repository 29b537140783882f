"""The stages in their order, and the layers they leave."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.weights.names import natural_key, spare_names, unique_names
from gate.weights.state_dict.layout import claim_layout
from gate.weights.state_dict.lora import claim_lora
from gate.weights.state_dict.parametrised import claim_parametrised
from gate.weights.state_dict.quantised import claim_packed, claim_scaled
from gate.weights.state_dict.recurrent import claim_recurrent
from gate.weights.state_dict.single import claim_single
from gate.weights.state_dict.stage import MATRIX, Claim, Weight
from gate.weights.state_dict.tables import RUNNING_STATISTICS
from gate.weights.state_dict.told import claim_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gate.layer import TensorReader, WeightLayer
    from gate.weights.interface import Skipped, StoredTensor

_LONGEST_VECTOR: Final = 65_536
_LEAST_SIDE: Final = 16
"""The other side of a matrix whose side a longer vector may have: it is then small beside the matrix."""


@dataclass(frozen=True, slots=True)
class StateDictLayers:
    """What the tensors of a state dict are; fields as in :class:`gate.weights.interface.ModelWeights`."""

    layers: tuple[WeightLayer, ...]
    skipped: tuple[Skipped, ...]
    vectors: int
    vector_parameters: int
    batch_norms: int


def describe(tensors: Sequence[StoredTensor], *, ordered: bool = True) -> StateDictLayers:
    """Tell which layers the tensors are.

    Parameters
    ----------
    tensors:
        Every tensor of the file; of several with one name the last counts.
    ordered:
        Whether they stand in the order in which the model was built; if not (safetensors sorts by
        name), they are put in natural order, ``layers.2`` before ``layers.10``.

    Raises
    ------
    gate.errors.ModelError
        The scales of an integer weight could not be read.
    """
    if not ordered:
        tensors = sorted(tensors, key=lambda tensor: natural_key(tensor.name))
    weights = {tensor.name: Weight.of(tensor) for tensor in tensors}
    vectors = [weight for weight in weights.values() if weight.is_vector]
    position = {name: index for index, name in enumerate(weights)}
    batch_norms = _batch_norms(weights)
    layers: list[WeightLayer] = []
    skipped: list[Skipped] = []
    loose: list[Weight] = []
    for stage in STAGES:
        if stage is STAGES[-1]:
            loose = [weight for weight in weights.values() if weight.is_vector]  # no scheme's
        claim = stage(weights)
        layers += claim.layers
        skipped += claim.skipped
        weights = _without(weights, claim)
    skipped += _flattened(loose, layers)
    layers.sort(key=lambda layer: position[layer.tensor])
    skipped.sort(key=lambda item: position[item.name])
    names = unique_names((layer.name, layer.tensor) for layer in layers)
    return StateDictLayers(
        layers=tuple(
            layer if layer.name == name else replace(layer, name=name)
            for layer, name in zip(layers, names, strict=True)
        ),
        skipped=tuple(skipped),
        vectors=len(vectors),
        vector_parameters=sum(math.prod(weight.shape) for weight in vectors),
        batch_norms=batch_norms,
    )


def _flattened(weights: Iterable[Weight], layers: Iterable[WeightLayer]) -> Iterator[Skipped]:
    """Yield the vectors that are longer than any bias: weights without their shape, as FSDP keeps them.

    A vocabulary's bias is as long as one side of a matrix, and so is anything that is added to what
    a layer puts out.
    """
    sides = {extent for layer in layers for extent in layer.shape if layer.parameters >= _LEAST_SIDE * extent}
    for weight in weights:
        size = weight.parameters
        if weight.readable and size > _LONGEST_VECTOR and size not in sides:
            yield weight.skipped("a vector longer than any bias: weights without their shape", matrix=True)


def _without(weights: dict[str, Weight], claim: Claim) -> dict[str, Weight]:
    """Return the weights left for the next stage; a claim's own stand last under their new names.

    A new name that another tensor already has gets a mark, so that neither is lost.
    """
    if not claim.taken and not claim.weights:
        return weights
    left = {name: weight for name, weight in weights.items() if name not in claim.taken}
    for weight in claim.weights:
        name = next(name for name in spare_names(weight.name, weight.tensor) if name not in left)
        left[name] = replace(weight, name=name)
    return left


def _batch_norms(weights: Mapping[str, Weight]) -> int:
    return sum(
        name.endswith(mean) and name.removesuffix(mean) + variance in weights
        for name in weights
        for mean, variance in RUNNING_STATISTICS
    )


def claim_tied(weights: Mapping[str, Weight]) -> Claim:
    """Take tensors that are the same stored values as an earlier one, such as a tied output layer."""
    first: dict[tuple[tuple[int, ...], TensorReader], str] = {}
    taken: list[str] = []
    skipped: list[Skipped] = []
    for weight in weights.values():
        if len(weight.shape) < MATRIX:
            continue
        try:
            earlier = first.setdefault((weight.shape, weight.read), weight.name)
        except TypeError:  # a reader that holds something mutable is never recognised as the same
            continue
        if earlier != weight.name:
            taken.append(weight.name)
            skipped.append(weight.skipped(f"the same stored values as {earlier}", matrix=False))
    return Claim(frozenset(taken), skipped=tuple(skipped))


STAGES: Final[tuple[Callable[[Mapping[str, Weight]], Claim], ...]] = (
    claim_tied,
    claim_packed,
    claim_scaled,
    claim_parametrised,
    claim_lora,
    claim_recurrent,
    claim_told,
    claim_layout,
    claim_single,
)
"""Each takes the weights it understands; what it makes of them, the later ones see."""
