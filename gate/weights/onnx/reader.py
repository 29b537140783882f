"""The reader of ONNX files."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.interface import ModelWeights
from gate.weights.onnx import select
from gate.weights.onnx.external import ExternalFiles
from gate.weights.onnx.parse import parse_model
from gate.weights.onnx.storage import Storage
from gate.weights.onnx.walk import walk
from gate.weights.protobuf.wire import LENGTH_DELIMITED, VARINT, Span, fields

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.onnx.records import ModelRecord

_HINT: Final = "Fetch or export the model again; `python -m onnx.checker` may tell more."
_SNIFFED: Final = 4096
_IR_VERSION: Final = 1
_TOP_FIELDS: Final = frozenset({*range(1, 9), 14, 20, 25, 26})


@dataclass(frozen=True, slots=True)
class OnnxReader:
    """Lists the weights of an ONNX file without the onnx package, its values left in the file.

    Why not ``onnx.load``: it holds the whole model in memory, twice while parsing, has a limit of
    2 GB, and copies every tensor before anything is checked.  Here the file is mapped, its structure
    scanned, and a tensor is the span of bytes where its values lie.
    """

    format: str = "onnx"

    def matches(self, path: Path) -> bool:
        """Tell whether ``path`` is called ``.onnx`` and begins as a ModelProto does."""
        if path.suffix.lower() != ".onnx":
            return False
        try:
            with path.open("rb") as file:
                return _looks_like_model(file.read(_SNIFFED))
        except (OSError, ValueError):
            return False

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the ONNX file at ``path``; external data must lie inside ``root``.

        Raises
        ------
        gate.errors.ModelError
            The file is broken, cut short, or claims more than it holds.
        gate.errors.UnsafeModelError
            The file refers outside ``root`` or is built to harm its reader.
        """
        try:
            files = ExternalFiles(path.parent, root)
            model = _parse(path)
            return _weights(path, model, files)
        except ModelError as error:
            message = error.message
            raise type(error)(
                message if message.startswith(path.name) else f"{path.name}: {message}",
                hint=error.hint or _HINT,
            ) from error


def _parse(path: Path) -> ModelRecord:
    try:
        with path.open("rb") as file:
            if not file.seek(0, 2):
                raise ModelError("the file is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return parse_model(data)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from error


def _weights(path: Path, model: ModelRecord, files: ExternalFiles) -> ModelWeights:
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


def _looks_like_model(head: bytes) -> bool:
    """Tell whether the first fields are those of a ModelProto; its graph may run past ``head``."""
    seen = set()
    try:
        for field in fields(head, Span(0, len(head))):
            if field.number not in _TOP_FIELDS:
                return False
            if (field.number == _IR_VERSION) is (field.wire_type != VARINT):
                return False
            seen.add(field.number)
    except ModelError:
        pass
    return bool(seen) or _begins_with_graph(head)


def _begins_with_graph(head: bytes) -> bool:
    return len(head) > 1 and head[0] == (7 << 3 | LENGTH_DELIMITED)
