"""From a Keras file to a model's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.errors import GateError, ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT, map_file, speaking_of
from gate.weights.hdf5 import InflatedPlace, MappedPlace, is_hdf5, read_file
from gate.weights.interface import ModelWeights, Skipped
from gate.weights.keras.config import code_named, layer_config
from gate.weights.keras.listing import is_keras, list_model
from gate.weights.paths import inside, relative_name
from gate.weights.pytorch.audit import leftovers
from gate.weights.pytorch.zip_reader import KERAS_SUFFIX
from gate.weights.state_dict import describe
from gate.weights.strict_json import parse_object
from gate.weights.zip_archive import open_archive
from gate.weights.zip_listing import names_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gate.weights.hdf5 import Group, Place
    from gate.weights.keras.listing import Listing
    from gate.weights.zip_archive import Archive, Entry

_WEIGHTS: Final = "model.weights.h5"
_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
_OTHER_WEIGHTS: Final = ("model.weights.npz", "model.weights.json")
_ASSETS: Final = "assets/"
_MODEL_CONFIG: Final = "model_config"
_TRAINING_CONFIG: Final = "training_config"
_LARGEST_CONFIG: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class KerasArchiveReader:
    """Reads ``.keras``: a zip archive with the configuration and an HDF5 file of the arrays."""

    format: str = "keras"

    def matches(self, path: Path) -> bool:
        """Tell by the archive's entries, or by the name of an archive that cannot be listed."""
        try:
            names = names_in(path)
        except GateError:
            return _is_named_keras(path)  # reading it will say what is wrong
        return _CONFIG in names and (_METADATA in names or _WEIGHTS in names)

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the file at ``path``; see ``Reader.read``."""
        with speaking_of(path):
            archive = open_archive(map_file(path))
            _refuse_bytes_before(archive)
            entry, config = _required(archive, _WEIGHTS), _object(archive, _CONFIG)
            file = read_file(_place(path, entry))
            listing = list_model(file.root, layer_config(config))
            read = {_CONFIG, _METADATA} & archive.entries.keys()
            held = entry.size - file.unreferenced_bytes
            unreferenced, nested, names = leftovers(archive, read, {entry.name: held})
            listing.skipped += [
                Skipped(name, "an asset, not weights", matrix=False)
                for name in archive.entries
                if name.startswith(_ASSETS)
            ]
            return _weights(
                self.format,
                (relative_name(root, path),),
                listing,
                code_named(config) | names,
                unreferenced,
                nested,
            )


def _is_named_keras(path: Path) -> bool:
    return path.name.casefold().endswith(KERAS_SUFFIX)


def _refuse_bytes_before(archive: Archive) -> None:
    """Refuse an archive that does not begin with its first entry: one of another content may stand before."""
    if all(entry.header for entry in archive.entries.values()):
        raise UnsafeModelError(
            "the archive does not begin where the file does: what stands before it may be another model",
            hint="Save the model again with model.save('NAME.keras').",
        )


def _required(archive: Archive, name: str) -> Entry:
    entry = archive.entries.get(name)
    if entry is None:
        other = next((name for name in _OTHER_WEIGHTS if name in archive.entries), None)
        why = f"keeps its weights in {other}, which is not read" if other else f"holds no {name}"
        raise ModelError(f"the archive {why}", hint="Save the model again with model.save('NAME.keras').")
    return entry


def _object(archive: Archive, name: str) -> dict[str, Any]:
    return parse_object(bytes(archive.bytes_of(_required(archive, name))), name)


def _place(path: Path, entry: Entry) -> Place:
    if entry.compressed:
        return InflatedPlace(str(path), entry.offset, entry.stored_size, entry.size)
    return MappedPlace(str(path), entry.offset, entry.size)


@dataclass(frozen=True, slots=True)
class KerasHdf5Reader:
    """Reads ``.h5``: a model of Keras 1 or 2, the weights of one, or ``.weights.h5`` of Keras 3."""

    format: str = "keras-hdf5"

    def matches(self, path: Path) -> bool:
        """Tell by what the HDF5 file holds; a damaged one counts, so that reading it says what is wrong."""
        try:
            return is_hdf5(map_file(path)) and is_keras(read_file(MappedPlace.whole(path)).root)
        except GateError:
            return _begins_like_hdf5(path)

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the file at ``path``; see ``Reader.read``."""
        with speaking_of(path):
            file = read_file(MappedPlace.whole(path))
            beside = _config_beside(path, root)
            config = _config_within(file.root) or (_parsed(beside[0]) if beside else None)
            listing = list_model(file.root, None if config is None else layer_config(config))
            return _weights(
                self.format,
                (relative_name(root, path), *(relative_name(root, other) for other in beside)),
                listing,
                code_named(config) | code_named(_attribute(file.root, _TRAINING_CONFIG)),
                file.unreferenced_bytes,
            )


def _begins_like_hdf5(path: Path) -> bool:
    try:
        return is_hdf5(map_file(path))
    except GateError:
        return False


def _config_within(root: Group) -> dict[str, Any] | None:
    return _attribute(root, _MODEL_CONFIG)


def _attribute(root: Group, name: str) -> dict[str, Any] | None:
    texts = root.attributes.get(name)
    if texts is None:
        return None
    if len(texts) != 1:
        raise ModelError(f"its {name} is {len(texts)} texts", hint=CUT_SHORT)
    return parse_object(texts[0].encode("utf-8"), name)


def _config_beside(path: Path, root: Path) -> tuple[Path, ...]:
    """Return the configuration in the folder that a model was saved into as loose files, if it was."""
    names = (_CONFIG, _METADATA)
    if path.name != _WEIGHTS or not all((path.parent / name).is_file() for name in names):
        return ()
    return tuple(inside(root, path.parent, name, path.name) for name in names)


def _parsed(path: Path) -> dict[str, Any]:
    data = map_file(path)
    if len(data) > _LARGEST_CONFIG:
        raise ModelError(f"{path.name} is larger than {_LARGEST_CONFIG} bytes")
    return parse_object(bytes(data), path.name)


def _weights(
    format_name: str,
    files: tuple[str, ...],
    listing: Listing,
    unsafe: Iterable[str],
    unreferenced_bytes: int,
    nested: tuple[str, ...] = (),
) -> ModelWeights:
    described = describe(tuple(listing.tensors.values()))
    return ModelWeights(
        format=format_name,
        files=files,
        layers=described.layers,
        skipped=(*described.skipped, *listing.skipped),
        vectors=described.vectors,
        vector_parameters=described.vector_parameters,
        batch_norms=described.batch_norms,
        unsafe_globals=tuple(sorted(unsafe)),
        unreferenced_bytes=unreferenced_bytes,
        nested_archives=nested,
    )
