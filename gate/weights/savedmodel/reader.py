"""The readers of SavedModels and of checkpoints that lie by themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.paths import inside, relative_name
from gate.weights.protobuf.wire import LENGTH_DELIMITED, VARINT, Span, fields
from gate.weights.savedmodel.assemble import assemble
from gate.weights.savedmodel.bundle import read_bundle
from gate.weights.savedmodel.keras_metadata import FILE_NAME, code_in_file
from gate.weights.savedmodel.program import read_frozen_graph, read_saved_model
from gate.weights.savedmodel.sorted_table import MAGIC

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights

_HINT: Final = "Save or export the model again; `saved_model_cli show --all --dir FOLDER` may tell more."
_VARIABLES: Final = "variables/variables.index"
_SNIFFED: Final = 4096
_SCHEMA_VERSION, _META_GRAPHS = 1, 2
_NODES, _NAME, _OPERATOR = 1, 1, 2


@dataclass(frozen=True, slots=True)
class CheckpointReader:
    """Lists the variables of a checkpoint, ``NAME.index`` beside ``NAME.data-?????-of-?????``."""

    format: str = "tensorflow-checkpoint"

    def matches(self, path: Path) -> bool:
        """Tell whether ``path`` is called ``.index`` and ends as a table of sorted keys does."""
        if path.suffix.casefold() != ".index":
            return False
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - len(MAGIC)))
                return file.read(len(MAGIC)) == MAGIC
        except OSError:
            return False

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the checkpoint; see ``Reader.read``."""
        try:
            bundle = read_bundle(path, root)
            return assemble(self.format, bundle.files, bundle, None)
        except ModelError as error:
            raise _located(path, error) from error


@dataclass(frozen=True, slots=True)
class SavedModelReader:
    """Lists the weights of a SavedModel, whose ``saved_model.pb`` is given, without TensorFlow.

    Why not ``tf.saved_model.load``: a SavedModel is a program, and loading it runs its initialisers.
    """

    format: str = "savedmodel"

    def matches(self, path: Path) -> bool:
        """Tell whether ``path`` is called ``.pb`` and begins as a SavedModel does."""
        if path.suffix.casefold() != ".pb":
            return False
        try:
            with path.open("rb") as file:
                return _looks_like_saved_model(file.read(_SNIFFED))
        except OSError:
            return False

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the SavedModel; see ``Reader.read``."""
        try:
            bundle = None
            if _is_there(path.parent / _VARIABLES):
                bundle = read_bundle(inside(root, path.parent, _VARIABLES, path.name), root)
            program, files = read_saved_model(path, bundle), [relative_name(root, path)]
            if _is_there(path.parent / FILE_NAME):
                metadata = inside(root, path.parent, FILE_NAME, path.name)
                program = replace(program, unsafe=program.unsafe | code_in_file(metadata))
                files.append(relative_name(root, metadata))
            files += bundle.files if bundle else ()
            return assemble(self.format, tuple(files), bundle, program)
        except ModelError as error:
            raise _located(path, error) from error


@dataclass(frozen=True, slots=True)
class FrozenGraphReader:
    """Lists the constants that are weights of a graph without variables, a ``GraphDef`` in a ``.pb``."""

    format: str = "tensorflow-graph"

    def matches(self, path: Path) -> bool:
        """Tell whether ``path`` is called ``.pb`` and begins with a node of a graph."""
        if path.suffix.casefold() != ".pb":
            return False
        try:
            with path.open("rb") as file:
                return _looks_like_graph(file.read(_SNIFFED), file.seek(0, 2))
        except OSError:
            return False

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the graph; see ``Reader.read``."""
        try:
            return assemble(self.format, (relative_name(root, path),), None, read_frozen_graph(path))
        except ModelError as error:
            raise _located(path, error) from error


def _is_there(path: Path) -> bool:
    """Tell whether something stands there, a broken link too: that is damage, not absence."""
    return path.exists() or path.is_symlink()


def _located(path: Path, error: ModelError) -> ModelError:
    message = error.message if error.message.startswith(path.name) else f"{path.name}: {error.message}"
    return type(error)(message, hint=error.hint or _HINT)


def _looks_like_saved_model(head: bytes) -> bool:
    """Tell whether the first fields are those of a SavedModel; its graph may run past ``head``."""
    seen = set()
    try:
        for field in fields(head, Span(0, len(head))):
            expected = {_SCHEMA_VERSION: VARINT, _META_GRAPHS: LENGTH_DELIMITED}.get(field.number)
            if field.wire_type != expected:
                return False
            seen.add(field.number)
    except ModelError:
        pass
    return _SCHEMA_VERSION in seen


def _looks_like_graph(head: bytes, size: int) -> bool:
    """Tell whether the first field is a NodeDef, which begins with its name and its operator."""
    try:
        node = next(fields(head, Span(0, size)))
        numbers = [field.number for field in islice(fields(head, node.span), 2)]
    except (ModelError, StopIteration, IndexError):  # no message, nothing, or a name longer than the head
        return False
    return node.number == _NODES and node.wire_type == LENGTH_DELIMITED and numbers == [_NAME, _OPERATOR]
