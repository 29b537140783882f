"""State dicts for tests: values that are not read, and arrays that are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.weights.interface import StoredTensor
from gate.weights.mapped import to_float

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gate.layer import WeightLayer
    from gate.weights.state_dict import StateDictLayers


@dataclass(frozen=True)
class Unread:
    """A tensor whose values must not be asked for."""

    name: str

    def __call__(self) -> NDArray[Any]:
        raise AssertionError(f"{self.name} was read")


@dataclass(frozen=True, eq=False)
class Held:
    values: NDArray[Any]

    def __call__(self) -> NDArray[Any]:
        return to_float(self.values)


def shapes(tensors: Mapping[str, tuple[int, ...]], dtype: str = "float32") -> list[StoredTensor]:
    return [StoredTensor(name, shape, dtype, Unread(name)) for name, shape in tensors.items()]


def arrays(tensors: Mapping[str, Any]) -> list[StoredTensor]:
    return [
        StoredTensor(name, value.shape, value.dtype.name, Held(np.asarray(value)))
        for name, value in tensors.items()
    ]


def by_name(described: StateDictLayers) -> dict[str, WeightLayer]:
    return {layer.name: layer for layer in described.layers}


def labels(layer: WeightLayer) -> list[tuple[str, int, int, int]]:
    return [(part.label, part.axis, part.start, part.stop) for part in layer.parts]
