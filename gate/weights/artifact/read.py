"""From a path to a model's weights."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, ModelError, NothingToMeasureError, UnsafeModelError
from gate.weights.artifact.choose import (
    Candidate,
    choose,
    is_weight_file,
    key_of,
    unread_flavour,
    unread_format,
)
from gate.weights.artifact.listing import list_files
from gate.weights.artifact.merge import merged
from gate.weights.artifact.mlmodel import DESCRIPTION_NAME, Description, read_description
from gate.weights.artifact.pickles import pickle_globals
from gate.weights.artifact.tables import LOOSE_SUFFIXES, NEED_FILES, NO_WEIGHTS
from gate.weights.interface import ModelWeights, Skipped
from gate.weights.paths import inside, relative_name, require_inside
from gate.weights.readers import reader_of, require_reader, unread
from gate.weights.shards import shard_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INDEX: Final = ".index.json"
_PICKLED_INDEX: Final = ".bin.index.json"
_MOST_MODELS: Final = 256


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
        The artifact's flavour has no weight matrices.
    """
    if not path.is_dir() and not path.is_file():
        raise ModelError(f"{path} is not there, or not a regular file")
    path, place = _aligned(path, root or (path if path.is_dir() else path.parent))
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
    choice = choose(name for name in names if description.covers(name))
    chosen = _without_shards(folder, root, choice.chosen)
    parts, unknown = _read_models(folder, root, chosen)
    if not parts:
        raise _nothing_read(folder, names, description)
    weights = merged(_with_prefixes(parts))
    read = {relative_name(folder, root / name) for name in weights.files}  # shards and external data too
    pickles = pickle_globals(folder, (name for name in names if name not in read))
    left = [*choice.left, *unknown, *_beside(names, description, chosen)]
    return replace(
        weights,
        skipped=(*weights.skipped, *(item for item in left if item.name not in read)),
        unsafe_globals=tuple(sorted({*weights.unsafe_globals, *pickles})),
    )


def _description(folder: Path, root: Path, names: Sequence[str]) -> Description:
    if DESCRIPTION_NAME not in names:
        return Description((), (), described=False)
    description = read_description(inside(root, folder, DESCRIPTION_NAME, folder.name))
    for flavour in description.flavours:
        if (framework := unread_flavour(flavour)) is not None:
            raise unread(folder.name, framework)
        if flavour in NO_WEIGHTS:
            raise NothingToMeasureError(
                f"{folder.name} is a model of the {flavour} flavour, which has no weight matrices",
                hint="`when_nothing_to_measure` in the policy decides what such a model means.",
            )
    return description


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
        read = [_read_file(inside(root, folder, name, folder.name), root) for name in candidate.files]
        whole = [weights for weights in read if weights is not None]
        if len(whole) == len(read):
            parts.append((candidate, merged([("", weights) for weights in whole])))
        else:
            unknown += [Skipped(name, "of no format that is read", matrix=True) for name in candidate.files]
    return parts, unknown


def _read_file(path: Path, root: Path) -> ModelWeights | None:
    """Return the file's weights; None for one whose name promises nothing and that no reader knows."""
    if path.name.endswith(_PICKLED_INDEX):
        return _read_pickled_shards(path, root)
    reader = reader_of(path) if path.suffix.casefold() in LOOSE_SUFFIXES else require_reader(path)
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


def _beside(names: Sequence[str], description: Description, chosen: Sequence[Candidate]) -> list[Skipped]:
    """Return the weight files that are not read: those the flavour does not load, those of other formats."""
    keys = {candidate.key: candidate.files[0] for candidate in chosen}
    left: list[Skipped] = []
    for name in names:
        other = unread_format(name)
        if not description.covers(name):
            if other or is_weight_file(name):
                flavours = ", ".join(description.flavours)
                left.append(Skipped(name, f"not what the {flavours} flavour loads", matrix=False))
        elif other:
            same = keys.get(key_of(name))
            reason = f"the same model as {same} in another format" if same else f"{other} is not read yet"
            left.append(Skipped(name, reason, matrix=same is None))
    return left


def _nothing_read(folder: Path, names: Sequence[str], description: Description) -> GateError:
    other = next(
        (found for name in names if description.covers(name) and (found := unread_format(name))), None
    )
    if other is not None:
        return unread(folder.name, other)
    if description.described and not set(description.flavours) & NEED_FILES:
        flavours = ", ".join(description.flavours) or "python_function"
        return NothingToMeasureError(
            f"{folder.name}: the model of the {flavours} flavour carries no weight files",
            hint="Weights it only names (on a model hub) are not fetched: log them with the model.",
        )
    return unread(folder.name)
