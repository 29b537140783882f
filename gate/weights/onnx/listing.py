"""A file that is an ONNX model to the list of its weights."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from gate.errors import ModelError
from gate.weights.interface import ModelWeights
from gate.weights.onnx import select
from gate.weights.onnx.external import ExternalFiles
from gate.weights.onnx.parse import parse_model
from gate.weights.onnx.storage import Storage
from gate.weights.onnx.walk import walk

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.onnx.records import ModelRecord


def weights_of(path: Path, root: Path) -> ModelWeights:
    """List the weights of the model at ``path``; raises as :meth:`.reader.OnnxReader.read` does."""
    files = ExternalFiles(path.parent, root)
    model = _parse(path)
    inventory = walk(model, Storage(str(path), files))
    found = select.chosen(inventory.found)
    vectors = [leaf for leaf in inventory.leaves if len(leaf.shape) < 2 and leaf.element.is_floating]  # noqa: PLR2004
    resolved = path.resolve()
    own = resolved.relative_to(files.root) if resolved.is_relative_to(files.root) else path.name
    return ModelWeights(
        format="onnx",
        files=(
            own if isinstance(own, str) else own.as_posix(),
            *(item.relative_to(files.root).as_posix() for item in files.paths),
        ),
        layers=select.layers(found),
        skipped=tuple(select.skipped(inventory, found)),
        vectors=len(vectors),
        vector_parameters=sum(leaf.size for leaf in vectors),
        batch_norms=inventory.batch_norms,
        unreferenced_bytes=model.unknown_bytes + files.unreferenced_bytes(),
    )


def _parse(path: Path) -> ModelRecord:
    try:
        with path.open("rb") as file:
            if not file.seek(0, 2):
                raise ModelError("the file is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return parse_model(data)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from error
