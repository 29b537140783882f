"""What every PyTorch container comes down to, and how it becomes the weights of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.weights.interface import ModelWeights
from gate.weights.pytorch.flatten import named_tensors
from gate.weights.pytorch.tensors import stored_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gate.weights.interface import Skipped, StoredTensor
    from gate.weights.pytorch.tensors import Placement


@dataclass(frozen=True, slots=True)
class Contents:
    """The named tensors of one file, what was left out, and what was odd about the file."""

    tensors: tuple[StoredTensor, ...]
    skipped: tuple[Skipped, ...] = ()
    unsafe_globals: frozenset[str] = frozenset()
    unreferenced_bytes: int = 0
    nested_archives: tuple[str, ...] = ()


def listed(
    root: object, placement: Placement, members: Mapping[str, frozenset[str]] | None = None
) -> tuple[tuple[StoredTensor, ...], tuple[Skipped, ...]]:
    """Name the tensors of a pickle's value and find them in the file."""
    found = named_tensors(root, members)
    tensors = tuple(stored_tensor(name, tensor, placement) for name, tensor in found.tensors)
    return tensors, found.skipped


def model_weights(format_name: str, contents: Contents, path: Path, root: Path) -> ModelWeights:
    """Return the contents of the file at ``path`` as the weights of a model."""
    from gate.weights.state_dict import describe  # noqa: PLC0415

    described = describe(contents.tensors)
    return ModelWeights(
        format=format_name,
        files=(path.relative_to(root).as_posix(),),
        layers=described.layers,
        skipped=(*described.skipped, *contents.skipped),
        vectors=described.vectors,
        vector_parameters=described.vector_parameters,
        batch_norms=described.batch_norms,
        unsafe_globals=tuple(sorted(contents.unsafe_globals)),
        unreferenced_bytes=contents.unreferenced_bytes,
        nested_archives=contents.nested_archives,
    )
