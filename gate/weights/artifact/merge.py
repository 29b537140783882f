"""Several files' weights as one model's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gate.weights.interface import ModelWeights
from gate.weights.names import unique_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.layer import WeightLayer
    from gate.weights.interface import Skipped


def merged(parts: Sequence[tuple[str, ModelWeights]]) -> ModelWeights:
    """Return the weights of all parts, the names of each behind its prefix and a slash.

    An empty prefix leaves names as they are; a name that two parts have gets a number.
    """
    if len(parts) == 1 and not parts[0][0]:
        return parts[0][1]
    layers = [layer for prefix, part in parts for layer in _prefixed(prefix, part.layers)]
    names = unique_names((layer.name, layer.name) for layer in layers)
    every = [part for _, part in parts]
    return ModelWeights(
        format="+".join(sorted({part.format for part in every})),
        files=tuple(dict.fromkeys(name for part in every for name in part.files)),
        layers=tuple(replace(layer, name=name) for layer, name in zip(layers, names, strict=True)),
        skipped=tuple(item for prefix, part in parts for item in _prefixed_items(prefix, part.skipped)),
        vectors=sum(part.vectors for part in every),
        vector_parameters=sum(part.vector_parameters for part in every),
        batch_norms=sum(part.batch_norms for part in every),
        unsafe_globals=tuple(sorted({name for part in every for name in part.unsafe_globals})),
        unreferenced_bytes=sum(part.unreferenced_bytes for part in every),
        nested_archives=tuple(name for part in every for name in part.nested_archives),
    )


def _prefixed(prefix: str, layers: Sequence[WeightLayer]) -> list[WeightLayer]:
    return [replace(layer, name=_joined(prefix, layer.name)) for layer in layers]


def _prefixed_items(prefix: str, items: Sequence[Skipped]) -> list[Skipped]:
    return [replace(item, name=_joined(prefix, item.name)) for item in items]


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name
