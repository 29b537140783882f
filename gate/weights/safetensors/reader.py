"""From a safetensors file, or the index of several, to a model's weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.interface import ModelWeights, Skipped
from gate.weights.paths import inside, relative_name
from gate.weights.safetensors.header import LARGEST_HEADER, read_header
from gate.weights.shards import shard_names
from gate.weights.state_dict import describe

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import StoredTensor

INDEX_SUFFIX: Final = ".safetensors.index.json"
_MATRIX: Final = 2


@dataclass(frozen=True, slots=True)
class SafetensorsReader:
    """Reads ``*.safetensors`` and ``*.safetensors.index.json``."""

    format: str = "safetensors"

    def matches(self, path: Path) -> bool:
        """Tell by the name, else by a header length that fits followed by ``{``."""
        if path.name.endswith((".safetensors", INDEX_SUFFIX)):
            return True
        try:
            with path.open("rb") as file:
                start = file.read(9)
                size = file.seek(0, 2)
        except OSError:
            return False
        return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= min(LARGEST_HEADER, size - 8)

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of one file, or of the shards its index names; see ``Reader.read``."""
        if path.name.endswith(INDEX_SUFFIX):
            return self._read_shards(path, root)
        header = read_header(path)
        return self._weights((relative_name(root, path),), header.tensors, header.unreferenced_bytes)

    def _read_shards(self, index: Path, root: Path) -> ModelWeights:
        listed = shard_names(index)
        files, tensors, unlisted, unreferenced = [relative_name(root, index)], [], [], 0
        for shard, names in listed.items():
            path = inside(root, index.parent, shard, index.name)
            header = read_header(path)
            present = {tensor.name for tensor in header.tensors}
            missing = names - present
            if missing:
                raise ModelError(
                    f"{index.name} lists tensor {min(missing)[:80]!r} in {shard}, which does not hold it",
                    hint="The shards and the index belong to different models: fetch them again.",
                )
            tensors += [tensor for tensor in header.tensors if tensor.name in names]
            unlisted += [_unlisted(tensor, shard) for tensor in header.tensors if tensor.name not in names]
            unreferenced += header.unreferenced_bytes
            files.append(relative_name(root, path))
        return self._weights(tuple(files), tuple(tensors), unreferenced, unlisted)

    def _weights(
        self,
        files: tuple[str, ...],
        tensors: tuple[StoredTensor, ...],
        unreferenced_bytes: int,
        unlisted: list[Skipped] | None = None,
    ) -> ModelWeights:
        described = describe(tensors, ordered=False)
        return ModelWeights(
            format=self.format,
            files=files,
            layers=described.layers,
            skipped=(*described.skipped, *(unlisted or ())),
            vectors=described.vectors,
            vector_parameters=described.vector_parameters,
            batch_norms=described.batch_norms,
            unreferenced_bytes=unreferenced_bytes,
        )


def _unlisted(tensor: StoredTensor, shard: str) -> Skipped:
    matrix = len(tensor.shape) >= _MATRIX
    return Skipped(tensor.name, f"stands in {shard} but not in the index", math.prod(tensor.shape), matrix)
