"""The reader of ONNX files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.protobuf.wire import LENGTH_DELIMITED, VARINT, Span, fields

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights

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
        from gate.weights.onnx.listing import weights_of  # noqa: PLC0415 - files of other formats come by here

        try:
            return weights_of(path, root)
        except ModelError as error:
            message = error.message
            raise type(error)(
                message if message.startswith(path.name) else f"{path.name}: {message}",
                hint=error.hint or _HINT,
            ) from error


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
