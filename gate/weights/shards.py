"""The index of a model that is split over several files, as transformers writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.strict_json import parse_object

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_INDEX: Final = 100_000_000
_MOST_SHARDS: Final = 4096


def shard_names(index: Path) -> dict[str, set[str]]:
    """Return the names of the tensors that each shard holds, by the shard's file name.

    Raises
    ------
    gate.errors.ModelError
        The index is not a JSON object with a ``weight_map`` from tensors to files.
    """
    try:
        with index.open("rb") as file:
            text = file.read(_LARGEST_INDEX + 1)
    except OSError as error:
        raise ModelError(f"cannot read {index.name}: {error.strerror}") from error
    weight_map = parse_object(text, index.name).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index.name} has no weight_map")
    shards: dict[str, set[str]] = {}
    for tensor, shard in weight_map.items():
        if not isinstance(shard, str):
            raise ModelError(f"{index.name} names no file for tensor {tensor[:80]!r}")
        shards.setdefault(shard, set()).add(tensor)
    if len(shards) > _MOST_SHARDS:
        raise ModelError(f"{index.name} names {len(shards)} files, more than {_MOST_SHARDS}")
    return shards
