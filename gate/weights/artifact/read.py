"""From a path to a model's weights."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, ModelError, NothingToMeasureError, UnsafeModelError
from gate.weights.artifact.choose import (
    Candidate,
    choose,
    has_weight_suffix,
    is_weight_file,
    key_of,
    unread_flavour,
    unread_format,
)
from gate.weights.artifact.copies import first_difference
from gate.weights.artifact.estimators import beyond_estimators
from gate.weights.artifact.listing import list_files
from gate.weights.artifact.loaders import Loaded, loaded_files
from gate.weights.artifact.merge import merged
from gate.weights.artifact.mlmodel import DESCRIPTION_NAME, GENERIC, Description, read_description
from gate.weights.artifact.modules import imported_modules
from gate.weights.artifact.pickles import pickle_globals
from gate.weights.artifact.tables import (
    GRAPHS,
    LOOSE_SUFFIXES,
    NEED_FILES,
    NO_WEIGHTS,
    STATE_DICTS,
)
from gate.weights.budget import artifact_budget
from gate.weights.interface import ModelWeights, Skipped
from gate.weights.paths import inside, relative_name, require_inside
from gate.weights.readers import reader_of, require_reader, unread
from gate.weights.shards import shard_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_INDEX: Final = ".index.json"
_PICKLED_INDEX: Final = ".bin.index.json"
_MOST_MODELS: Final = 256
_BYTES_A_WEIGHT: Final = 4
_ARRAYS: Final = "NumPy"
_ESTIMATORS: Final = "sklearn"


def read_weights(path: Path, *, root: Path | None = None) -> ModelWeights:
    """List the weights of the model at ``path``; none of their values is read.

    Parameters
    ----------
    path:
        A model file, or a folder: an MLflow artifact (``MLmodel`` says which files count) or a plain
        folder of weight files.  Of one model in several formats the first of
        ``tables.WEIGHT_SUFFIXES`` is read; several models are all read, their layers named
        ``FILE/LAYER``.
    root:
        The folder out of which nothing may lead; ``path``, or the file's folder, when not given.

    Raises
    ------
    gate.errors.ModelError
        The model is of no format that is read, or broken.
    gate.errors.UnsafeModelError
        A link or reference leads out of ``root``, or a file is built to harm its reader.
    gate.errors.NothingToMeasureError
        The artifact's flavours have no weight matrices, and none lie there.
    """
    if not path.is_dir() and not path.is_file():
        raise ModelError(f"{path} is not there, or not a regular file")
    path, place = _aligned(path, root or (path if path.is_dir() else path.parent))
    with artifact_budget():
        if path.is_dir():
            return _read_folder(path, place)
        if path.name.endswith(_PICKLED_INDEX):
            return _read_pickled_shards(path, place)
        return require_reader(path, known_as=unread_format(path.name)).read(path, root=place)


def _aligned(path: Path, root: Path) -> tuple[Path, Path]:
    """Return both so that ``path`` lies below ``root`` as written, or refuse."""
    require_inside(root, path)
    return (path, root) if path.is_relative_to(root) else (path.resolve(), root.resolve())


def _read_folder(folder: Path, root: Path) -> ModelWeights:
    names = list_files(folder)
    description = _description(folder, root, names)
    loaded = loaded_files(folder, description, names)
    choice = choose(
        (name for name in names if _is_loaded(name, description, loaded)),
        frozenset(name for name in loaded.opened if unread_format(name) is None),
    )
    chosen = _without_shards(folder, root, choice.chosen)
    parts, unknown = _read_models(folder, root, chosen)
    if not any(weights.layers for _, weights in parts):
        _refuse_no_weights(folder, names, description, parts)
    weights = merged(_with_prefixes(parts))
    read = {relative_name(folder, root / name) for name in weights.files}  # shards and external data too
    findings = _file_findings(folder, [name for name in names if name not in read], description)
    left = [
        *choice.left,
        *_copies(folder, root, choice.copies, parts),
        *unknown,
        *_beside(folder, names, description, loaded, chosen),
        *_nothing_loaded(folder, names, description, read | {item.name for item in unknown}),
    ]
    return replace(
        weights,
        skipped=(*weights.skipped, *(item for item in left if item.name not in read)),
        unsafe_globals=tuple(sorted({*weights.unsafe_globals, *findings})),
    )


def _is_loaded(name: str, description: Description, loaded: Loaded) -> bool:
    return name in loaded.opened or (description.covers(name) and name not in loaded.left)


def _description(folder: Path, root: Path, names: Sequence[str]) -> Description:
    if DESCRIPTION_NAME not in names:
        return Description((), described=False)
    description = read_description(inside(root, folder, DESCRIPTION_NAME, folder.name))
    frameworks = [framework for flavour in description.flavours if (framework := unread_flavour(flavour))]
    if frameworks and len(frameworks) == len(description.flavours):
        raise unread(folder.name, frameworks[0])
    return description


def _refuse_no_weights(
    folder: Path,
    names: Sequence[str],
    description: Description,
    parts: Sequence[tuple[Candidate, ModelWeights]],
) -> None:
    """Raise what it means that no layer was found, unless files were read that hold none."""
    without = [flavour for flavour in description.flavours if flavour in NO_WEIGHTS]
    carried = any(unread_format(name) not in {None, _ARRAYS} for name in names)
    if without and len(without) == len(description.flavours) and not carried:
        what, more = "which has no weight matrices", ""
        if _ESTIMATORS in without:
            what = "whose estimator is a pickle, which is not opened"
            more = (
                "  Of one with weights (an MLPClassifier) save an ONNX copy, or gate.analyze() it in Python."
            )
        raise NothingToMeasureError(
            f"{folder.name} is a model of the {', '.join(without)} flavour, {what}",
            hint=f"`when_nothing_to_measure` in the policy decides what such a model means.{more}",
            unsafe_globals=beyond_estimators(_file_findings(folder, names, description)),
        )
    if not parts:
        raise _nothing_read(folder, names, description)


def _file_findings(folder: Path, names: Sequence[str], description: Description) -> tuple[str, ...]:
    found = pickle_globals(folder, names, description.named, description.unpickled)
    return tuple(sorted({*found, *description.loaders, *imported_modules(folder, names)}))


def _copies(
    folder: Path,
    root: Path,
    copies: Sequence[tuple[Candidate, Candidate]],
    parts: Sequence[tuple[Candidate, ModelWeights]],
) -> Iterator[Skipped]:
    """Yield the files whose names say that they are a model that was read, in another format."""
    read = dict(parts)
    for first, other in copies:
        same = f"the same model as {first.files[0]} in another format"
        weights = read.get(first)
        if weights is None or not _is_comparable(folder, weights, other):
            yield from (Skipped(name, f"{same}, not compared", matrix=False) for name in other.files)
        elif (problem := _difference(folder, root, weights, other)) is None:
            yield from (Skipped(name, same, matrix=False) for name in other.files)
        else:
            # whatever its size, as much is not measured as was: which of the two is loaded is not known
            size = max(_parameters(weights), *(_weights_in(folder / name) for name in other.files))
            reason = f"called like {first.files[0]} in another format, but {problem}"
            yield Skipped(other.files[0], reason, size)


def _is_comparable(folder: Path, weights: ModelWeights, other: Candidate) -> bool:
    """Tell whether both are of formats that name their matrices alike, as the files' names tell."""
    name = other.files[0]
    if name.casefold().endswith(GRAPHS) or not set(weights.format.split("+")) <= STATE_DICTS:
        return False
    return not (folder / name).with_suffix(".xml").is_file()  # the other half of an OpenVINO model


def _difference(folder: Path, root: Path, weights: ModelWeights, other: Candidate) -> str | None:
    try:
        copy = _whole(folder, root, other)
        if copy is None:
            return "of no format that is read"
        differs = first_difference(weights, copy)
    except UnsafeModelError:
        raise
    except ModelError as error:
        return f"cannot be compared with it: {error.message}"
    return None if differs is None else f"differs from it in {differs}"


def _parameters(weights: ModelWeights) -> int:
    lost = sum(item.parameters for item in weights.skipped if item.matrix)
    return lost + sum(layer.parameters for layer in weights.layers)


def _without_shards(folder: Path, root: Path, chosen: Sequence[Candidate]) -> list[Candidate]:
    """Return the models without those that are, under whatever name, shards of an index among them."""
    listed: set[str] = set()
    for candidate in chosen:
        if candidate.files[0].endswith(_INDEX):
            index = inside(root, folder, candidate.files[0], folder.name)
            listed |= {posixpath.join(candidate.folder, shard) for shard in shard_names(index)}
    return [candidate for candidate in chosen if candidate.files[0] not in listed]


def _read_models(
    folder: Path, root: Path, chosen: Sequence[Candidate]
) -> tuple[list[tuple[Candidate, ModelWeights]], list[Skipped]]:
    parts: list[tuple[Candidate, ModelWeights]] = []
    unknown: list[Skipped] = []
    if len(chosen) > _MOST_MODELS:
        raise UnsafeModelError(f"{folder.name} holds {len(chosen)} models, more than {_MOST_MODELS}")
    for candidate in chosen:
        whole = _whole(folder, root, candidate)
        if whole is not None:
            parts.append((candidate, whole))
        else:
            unknown += [
                _conversion(folder, name, chosen) or _unread(folder, name, "of no format that is read")
                for name in candidate.files
            ]
    return parts, unknown


def _whole(folder: Path, root: Path, candidate: Candidate) -> ModelWeights | None:
    """Return the weights of all files of one model; None if one of them is of no format that is read."""
    read = [_read_file(inside(root, folder, name, folder.name), root) for name in candidate.files]
    whole = [weights for weights in read if weights is not None]
    return merged([("", weights) for weights in whole]) if len(whole) == len(read) else None


def _conversion(folder: Path, name: str, chosen: Sequence[Candidate]) -> Skipped | None:
    """Return the record of a file that a hub's converter made of a model, if it is one by its place."""
    key = key_of(name)
    first = next((candidate.files[0] for candidate in chosen if candidate.key == key), name)
    converted = PurePosixPath(name).parent.as_posix() != (key[0] or ".")
    if first == name or not (converted or (folder / name).with_suffix(".xml").is_file()):
        return None
    return Skipped(name, f"the same model as {first} in another format, not compared", matrix=False)


def _unread(folder: Path, name: str, reason: str) -> Skipped:
    """Return the record of weights that are not read, for as many as the file has room for."""
    return Skipped(name, reason, _weights_in(folder / name))


def _weights_in(*paths: Path) -> int:
    size = sum(path.stat().st_size for path in paths if path.is_file())
    return max(1, size // _BYTES_A_WEIGHT)


def _read_file(path: Path, root: Path) -> ModelWeights | None:
    """Return the file's weights; None for one whose name promises nothing and that no reader knows."""
    if path.name.endswith(_PICKLED_INDEX):
        return _read_pickled_shards(path, root)
    promises = has_weight_suffix(path.name) and path.suffix.casefold() not in LOOSE_SUFFIXES
    reader = require_reader(path) if promises else reader_of(path)
    return None if reader is None else reader.read(path, root=root)


def _read_pickled_shards(index: Path, root: Path) -> ModelWeights:
    shards = [inside(root, index.parent, name, index.name) for name in shard_names(index)]
    weights = merged([("", require_reader(shard).read(shard, root=root)) for shard in shards])
    return replace(weights, files=(relative_name(root, index), *weights.files))


def _with_prefixes(parts: Sequence[tuple[Candidate, ModelWeights]]) -> list[tuple[str, ModelWeights]]:
    """Return each model's name before its weights; none where only one of them has layers."""
    if sum(bool(weights.layers) for _, weights in parts) < 2:  # noqa: PLR2004
        return [("", weights) for _, weights in parts]
    folders = Counter(candidate.folder for candidate, _ in parts)
    common = posixpath.commonpath([f"/{folder}" for folder in folders]).strip("/")
    return [
        (_prefix(candidate, common, alone=folders[candidate.folder] == 1), weights)
        for candidate, weights in parts
    ]


def _prefix(candidate: Candidate, common: str, *, alone: bool) -> str:
    """Return the model's folder if it says enough (``text_encoder/model.safetensors``), else its file."""
    folder = candidate.folder.removeprefix(common).strip("/")
    if alone and folder and candidate.key[1] == "model":
        return folder
    return f"{folder}/{candidate.stem}" if folder else candidate.stem


def _beside(
    folder: Path,
    names: Sequence[str],
    description: Description,
    loaded: Loaded,
    chosen: Sequence[Candidate],
) -> list[Skipped]:
    """Return the weight files that are not read: those the flavour does not load, those of other formats."""
    keys = {candidate.key: candidate.files[0] for candidate in chosen}
    left: list[Skipped] = []
    for name in names:
        other = unread_format(name)
        if not _is_loaded(name, description, loaded):
            if other or is_weight_file(name):
                flavours = loaded.left.get(name) or ", ".join(description.flavours)
                left.append(Skipped(name, f"not what the {flavours} flavour loads", matrix=False))
        elif other:
            same = keys.get(key_of(name))
            if same and other != _ARRAYS and name not in loaded.opened:
                reason = f"the same model as {same} in another format, not compared"
                left.append(Skipped(name, reason, matrix=False))
            else:
                left.append(_unread(folder, name, f"{other} is not read yet"))
    return left


def _nothing_loaded(
    folder: Path, names: Sequence[str], description: Description, read: Collection[str]
) -> Iterator[Skipped]:
    """Yield what flavours load of which nothing was read (or counted yet), while another's was."""
    for flavour in (*description.flavours, GENERIC):
        places = [place for place in description.places if place.flavour == flavour and place.path != "."]
        held = [name for name in names if any(place.holds(name) for place in places)]
        needed = bool(held) if flavour not in NEED_FILES | {GENERIC} else bool(places)
        if needed and not any(name in read for name in held):
            size = _weights_in(*(folder / name for name in held))
            reason = f"what the {flavour} flavour loads, in which nothing is of a format that is read"
            yield Skipped(places[0].path, reason, size)
        elif framework := unread_flavour(flavour):
            left = (name for name in names if name not in read and description.names(name))
            size = _weights_in(*(folder / name for name in left))
            reason = f"a flavour of {framework}, whose weights are not read yet"
            yield Skipped(flavour, reason, size)


def _nothing_read(folder: Path, names: Sequence[str], description: Description) -> GateError:
    other = next(
        (found for name in names if description.covers(name) and (found := unread_format(name))), None
    )
    frameworks = (unread_flavour(flavour) for flavour in description.flavours)
    other = other or next(filter(None, frameworks), None)
    if other is not None:
        return unread(folder.name, other)
    if description.described and not set(description.flavours) & NEED_FILES:
        flavours = ", ".join(description.flavours) or GENERIC
        return NothingToMeasureError(
            f"{folder.name}: the model of the {flavours} flavour carries no weight files",
            hint="Weights it only names (on a model hub) are not fetched: log them with the model.",
            unsafe_globals=beyond_estimators(_file_findings(folder, names, description)),
        )
    return unread(folder.name)
