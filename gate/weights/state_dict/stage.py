"""What the stages of the description pass to each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from gate.layer import WeightLayer
from gate.weights.interface import Skipped
from gate.weights.state_dict.names import layer_name
from gate.weights.state_dict.values import Permuted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.layer import LayerKind, Part, TensorReader
    from gate.weights.interface import StoredTensor, Told

FLOATING: Final = frozenset({"float16", "float32", "float64", "bfloat16"})
_PARAMETERS: Final = (".weight", ".kernel", "/kernel")
MATRIX: Final = 2
"""Dimensions of a matrix; tensors of fewer are vectors and are only counted."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor on its way to becoming a layer; it may stand for several stored ones.

    ``name`` is what it would be called unquantised and unparametrised, ``tensor`` and
    ``stored_shape`` belong to the stored tensor that holds the values.  ``readable`` tells whether
    ``read`` gives real weights (not bare integers, and not packed).  ``told`` is what the container
    says of the stored tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: TensorReader
    tensor: str
    stored_shape: tuple[int, ...]
    readable: bool
    step: float | None = None
    told: Told | None = None

    @classmethod
    def of(cls, tensor: StoredTensor) -> Weight:
        """Return the weight that one stored tensor is by itself."""
        step = tensor.quantisation_step
        readable = tensor.dtype in FLOATING or tensor.dtype.startswith("float8_") or step is not None
        return cls(
            name=tensor.name,
            shape=tensor.shape,
            dtype=tensor.dtype,
            read=tensor.read,
            tensor=tensor.name,
            stored_shape=tensor.shape,
            readable=readable,
            step=step,
            told=tensor.told,
        )

    @property
    def is_vector(self) -> bool:
        """Tell whether it has fewer dimensions than a matrix."""
        return len(self.shape) < MATRIX

    @property
    def is_matrix(self) -> bool:
        """Tell whether it is a matrix that can be read and holds something."""
        return len(self.shape) == MATRIX and self.readable and self.parameters > 0

    @property
    def parameters(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def permuted(self, axes: tuple[int, ...]) -> Weight:
        """Return the same weight with its axes in another order."""
        shape = tuple(self.shape[axis] for axis in axes)
        return replace(self, shape=shape, read=Permuted(self.read, axes))

    def layer(self, kind: LayerKind, parts: tuple[Part, ...] = (), groups: int = 1) -> WeightLayer:
        """Return the layer this weight is, in its present shape."""
        return WeightLayer(
            name=layer_name(self.name),
            kind=kind,
            shape=self.shape,
            dtype=self.dtype,
            read=self.read,
            tensor=self.tensor,
            stored_shape=self.stored_shape,
            parts=parts,
            groups=groups,
            quantisation_step=self.step,
        )

    def skipped(self, reason: str, *, matrix: bool, parameters: int | None = None) -> Skipped:
        """Return the record of leaving it out."""
        return Skipped(self.tensor, reason, self.parameters if parameters is None else parameters, matrix)


class NamesWeights(Protocol):
    """A scheme that knows its weights by how their names end."""

    @property
    def suffix(self) -> str:
        """How they end."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """What a stage made of some weights: layers, reasons, or other weights for the stages after it."""

    taken: frozenset[str] = frozenset()
    layers: tuple[WeightLayer, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    weights: tuple[Weight, ...] = ()


def merged(claims: Iterable[Claim]) -> Claim:
    """Return the claims of one stage as one; where two take the same tensor the earlier one counts."""
    taken: set[str] = set()
    kept: list[Claim] = []
    for claim in claims:
        if taken.isdisjoint(claim.taken):
            taken |= claim.taken
            kept.append(claim)
    return Claim(
        taken=frozenset(taken),
        layers=tuple(layer for claim in kept for layer in claim.layers),
        skipped=tuple(item for claim in kept for item in claim.skipped),
        weights=tuple(weight for claim in kept for weight in claim.weights),
    )


def named_for(weights: Mapping[str, Weight], schemes: Iterable[NamesWeights]) -> Iterator[Weight]:
    """Yield the weights whose names end as one of the schemes says, for the schemes to look at."""
    suffixes = tuple(scheme.suffix for scheme in schemes)
    return (weight for weight in weights.values() if weight.name.endswith(suffixes))


def bias_beside(name: str, weights: Mapping[str, Weight]) -> Weight | None:
    """Return the bias of the module that a weight called ``name`` belongs to, None where it has none."""
    stem = name.removesuffix(":0")
    for parameter in _PARAMETERS:
        if stem.endswith(parameter):
            bias = stem.removesuffix(parameter) + parameter[0] + "bias" + name[len(stem) :]
            return weights.get(bias)
    return None


def companions(weights: Iterable[Weight], reason: str) -> tuple[Skipped, ...]:
    """Return the records of tensors that belong to another one, those with two dimensions or more."""
    return tuple(weight.skipped(reason, matrix=False) for weight in weights if not weight.is_vector)
