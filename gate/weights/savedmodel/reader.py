"""The readers of SavedModels and of checkpoints that lie by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.interface import ModelWeights, Skipped, StoredTensor
from gate.weights.paths import inside, relative_name
from gate.weights.protobuf.wire import LENGTH_DELIMITED, VARINT, Span, fields
from gate.weights.savedmodel.bundle import Bundle, read_bundle
from gate.weights.savedmodel.copies import copies
from gate.weights.savedmodel.naming import TrainingState, display_names, full_names, in_depth_order, path_of
from gate.weights.savedmodel.sorted_table import MAGIC
from gate.weights.state_dict import describe

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.savedmodel.bundle import Variable

_HINT: Final = "Save or export the model again; `saved_model_cli show --all --dir FOLDER` may tell more."
_VARIABLES: Final = "variables/variables.index"
_SNIFFED: Final = 4096
_MATRIX: Final = 2
_SCHEMA_VERSION, _META_GRAPHS = 1, 2


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
            return _weights(self.format, (), read_bundle(path, root))
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
            index = inside(root, path.parent, _VARIABLES, path.name)
            return _weights(self.format, (relative_name(root, path),), read_bundle(index, root))
        except ModelError as error:
            raise _located(path, error) from error


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


def _weights(format_: str, files: tuple[str, ...], bundle: Bundle) -> ModelWeights:
    full = full_names(bundle.objects)
    state = TrainingState(bundle.variables)
    reasons = {variable.key: state.reason(variable.key) for variable in bundle.variables}
    own = in_depth_order(variable for variable in bundle.variables if reasons[variable.key] is None)
    repeated = copies(own, full)
    kept = [variable for variable in own if variable.key not in repeated]
    names = display_names([variable.key for variable in kept], full)
    described = describe([_stored(variable, names[variable.key]) for variable in kept])
    left = [_skipped(variable, reason) for variable in bundle.variables if (reason := reasons[variable.key])]
    left += [
        _skipped(variable, f"the same stored values as {names[repeated[variable.key]]}")
        for variable in own
        if variable.key in repeated
    ]
    return ModelWeights(
        format=format_,
        files=(*files, *bundle.files),
        layers=described.layers,
        skipped=(*described.skipped, *bundle.skipped, *(item for item in left if item is not None)),
        vectors=described.vectors,
        vector_parameters=described.vector_parameters,
        batch_norms=described.batch_norms,
        unreferenced_bytes=bundle.unreferenced_bytes,
    )


def _stored(variable: Variable, name: str) -> StoredTensor:
    return StoredTensor(name, variable.shape, variable.dtype, variable.read)


def _skipped(variable: Variable, reason: str) -> Skipped | None:
    """Return the record of what is no weight; none is needed for a vector."""
    if len(variable.shape) < _MATRIX:
        return None
    return Skipped(path_of(variable.key), reason, math.prod(variable.shape), matrix=False)
