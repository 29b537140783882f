"""Which files hold the model, by their names alone."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.plugins import enabled
from gate.weights.artifact.tables import (
    CONVERSIONS,
    DESCRIPTIONS,
    NO_TENSOR_DATA,
    PICKLE_SUFFIXES,
    SAME_MODEL,
    SAVED_MODEL_PARTS,
    TRAINING_STATE,
    UNREAD_FLAVOURS,
    UNREAD_SUFFIXES,
    WEIGHT_SUFFIXES,
)
from gate.weights.interface import Skipped
from gate.weights.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

_SHARD: Final = re.compile(r"-([0-9]{1,9})-of-([0-9]{1,9})$")
_TENSORFLOW_DATA: Final = re.compile(r"\.data-[0-9]{5}-of-[0-9]{5}$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model in one format: its files, which together hold its weights."""

    files: tuple[str, ...]
    folder: str
    stem: str
    rank: int

    @property
    def key(self) -> tuple[str, str]:
        """Equal for the same model in several formats."""
        return self.folder, _common(self.stem)


@dataclass(frozen=True, slots=True)
class Choice:
    """The models to read, in natural order, and the files left out.

    ``copies`` are further formats of one of the chosen, which stands before them.
    """

    chosen: tuple[Candidate, ...]
    left: tuple[Skipped, ...]
    copies: tuple[tuple[Candidate, Candidate], ...] = ()


def weight_files(files: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """Return the files of an artifact without which its weights cannot be read.

    Parameters
    ----------
    files:
        Relative POSIX path and size in bytes of every file of the artifact.

    Returns
    -------
    tuple of str
        Weights in every format (also those not read, so that they can be named), external data,
        indices, the files that describe them, and pickles, whose globals are reported.
    """
    names = [name for name, _ in files]
    onnx_folders = {_folder(name) for name in names if name.casefold().endswith(".onnx")}
    graphs = {f"{name[:-4]}.xml" for name in names if name.casefold().endswith(".bin")}  # of OpenVINO
    return tuple(name for name in names if name in graphs or _is_needed(name, onnx_folders))


def _is_needed(name: str, onnx_folders: set[str]) -> bool:
    path = PurePosixPath(name.casefold())
    wanted = (*weight_suffixes(), *UNREAD_SUFFIXES, *PICKLE_SUFFIXES)
    if path.name in DESCRIPTIONS or path.name.endswith(wanted) or _TENSORFLOW_DATA.search(path.name):
        return True
    return path.suffix not in NO_TENSOR_DATA and any(_is_below(name, folder) for folder in onnx_folders)


def _is_below(name: str, folder: str) -> bool:
    return not folder or name.startswith(f"{folder}/")


def choose(names: Iterable[str], opened: Collection[str] = frozenset()) -> Choice:
    """Choose, of the files called ``names``, those to read.

    Parameters
    ----------
    names:
        Relative POSIX paths.
    opened:
        Those that a loader opens by name: all of them are models, however they are called.

    Raises
    ------
    gate.errors.ModelError
        A file of a numbered set is missing.
    """
    models: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    left: list[Skipped] = []
    shards: dict[tuple[str, str, int, int], dict[int, str]] = defaultdict(dict)
    opened_models: list[Candidate] = []
    for name in _without_parts(tuple(names)):
        if name in opened:
            named = _candidate(name) or _unnamed(name)
            opened_models.append(named)
        elif is_training_state(name):
            left.append(Skipped(name, "state of a training run, not the model", matrix=False))
        elif (candidate := _candidate(name)) is None:
            continue
        elif (numbered := _SHARD.search(candidate.stem)) is None:
            models[candidate.key].append(candidate)
        else:
            stem = candidate.stem[: numbered.start()]
            shards[candidate.folder, stem, candidate.rank, int(numbered[2])][int(numbered[1])] = name
    for (folder, stem, rank, count), found in shards.items():
        whole = Candidate(_complete(found, count), folder, stem, rank)
        same = [*models[whole.key], *(model for model in opened_models if model.key == whole.key)]
        if any(other.rank == rank - 1 for other in same):  # an index says which are read
            left += [
                Skipped(name, "a numbered file that the index beside it does not list")
                for name in whole.files
            ]
        else:
            models[whole.key].append(whole)
    return _preferred(models, left, opened_models)


def _without_parts(names: Sequence[str]) -> Iterator[str]:
    """Yield the names without the parts of SavedModels and indices of anything but checkpoints."""
    folders = {_folder(name) for name in names if PurePosixPath(name).name == "saved_model.pb"}
    parts = {posixpath.join(folder, part) for folder in folders for part in SAVED_MODEL_PARTS}
    checkpoints = {_TENSORFLOW_DATA.sub(".index", name) for name in names if _TENSORFLOW_DATA.search(name)}
    for name in names:
        index = name.casefold().endswith(".index")
        if name not in parts and (name in checkpoints or not index):
            yield name


def _complete(found: dict[int, str], count: int) -> tuple[str, ...]:
    if len(found) != count or set(found) != set(range(1, count + 1)):
        raise ModelError(
            f"{min(found.values())!r} is one of {count} files, of which {len(found)} are there",
            hint="Fetch the model again with all its files.",
        )
    return tuple(found[number] for number in sorted(found))


def _preferred(
    models: dict[tuple[str, str], list[Candidate]], left: list[Skipped], opened: list[Candidate]
) -> Choice:
    chosen = list(opened)
    copies: list[tuple[Candidate, Candidate]] = []
    for same in filter(None, models.values()):
        best = min(candidate.rank for candidate in same)
        first = next(candidate for candidate in same if candidate.rank == best)
        chosen += [candidate for candidate in same if candidate.rank == best]
        copies += [(first, candidate) for candidate in same if candidate.rank != best]
    chosen.sort(key=lambda candidate: natural_key(candidate.files[0]))
    return Choice(tuple(chosen), tuple(left), tuple(copies))


def _unnamed(name: str) -> Candidate:
    path = PurePosixPath(name)
    return Candidate((name,), _folder(name), path.stem, len(weight_suffixes()))


def _candidate(name: str) -> Candidate | None:
    base = PurePosixPath(name).name
    for rank, suffix in enumerate(weight_suffixes()):
        if base.casefold().endswith(suffix) and len(base) > len(suffix):
            return Candidate((name,), _folder(name), base[: -len(suffix)], rank)
    return None


def _folder(name: str) -> str:
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else parent


def _common(stem: str) -> str:
    return "model" if stem in SAME_MODEL else stem


def is_weight_file(name: str) -> bool:
    """Tell whether the file's name is that of weights that are read."""
    return has_weight_suffix(name) and not is_training_state(name)


def has_weight_suffix(name: str) -> bool:
    """Tell whether the file is called like weights that are read, also those of a training run."""
    return _candidate(name) is not None


def key_of(name: str) -> tuple[str, str]:
    """Return :attr:`Candidate.key` for a file of a format that is not read.

    What lies in a folder of conversions has the key of the model beside that folder.
    """
    parts = PurePosixPath(name).parts
    for index, part in enumerate(parts[:-1]):
        if part.casefold() in CONVERSIONS:
            return "/".join(parts[:index]), "model"
    return _folder(name), _common(PurePosixPath(name).stem)


def is_training_state(name: str) -> bool:
    """Tell whether a trainer left the file there beside the model."""
    return any(fnmatchcase(PurePosixPath(name).name.casefold(), pattern) for pattern in TRAINING_STATE)


def unread_format(name: str) -> str | None:
    """Return the format of a file whose weights are not read yet, None for any other file."""
    suffix = PurePosixPath(name.casefold()).suffix
    return None if suffix in weight_suffixes() else UNREAD_SUFFIXES.get(suffix)


@cache
def weight_suffixes() -> tuple[str, ...]:
    """Return the suffixes of files that may hold weights that are read, in order of preference.

    Readers of third parties name theirs in an attribute ``suffixes``; those come last.
    """
    added = (getattr(plugin.load(), "suffixes", ()) for plugin in enabled("readers"))
    return (*WEIGHT_SUFFIXES, *(suffix.casefold() for suffixes in added for suffix in suffixes))


def unread_flavour(flavour: str) -> str | None:
    """Return the framework of an MLflow flavour whose weights are not read yet, None for any other.

    Readers of third parties name the flavours they read in an attribute ``flavours``.
    """
    read = (getattr(plugin.load(), "flavours", ()) for plugin in enabled("readers"))
    return None if any(flavour in flavours for flavours in read) else UNREAD_FLAVOURS.get(flavour)
