"""Pickles that lie in an artifact without being its weights: what they would import is reported."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.artifact.choose import is_training_state, is_weight_file
from gate.weights.artifact.tables import PICKLE_SUFFIXES
from gate.weights.paths import require_inside
from gate.weights.readers import reader_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ZIP: Final = b"PK\x03\x04"
_PROTOCOLS: Final = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def pickle_globals(root: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Return the globals that the pickles among the files name, as ``module.name``, sorted.

    A file is one by its name, or because it begins like one; a PyTorch archive that is not read (the
    same model in another format) counts too.  One that cannot be followed to its end
    (compressed, damaged) might name anything: it is itself reported, as ``unreadable pickle NAME``.
    """
    found: set[str] = set()
    for name in names:
        if _is_pickle(root / name, name):
            found |= _globals(root, name)
    return tuple(sorted(found))


def _is_pickle(path: Path, name: str) -> bool:
    if not path.is_file():  # a broken link, a pipe that would never answer
        return False
    if PurePosixPath(name.casefold()).suffix in PICKLE_SUFFIXES or is_training_state(name):
        return True
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError:
        return False
    return start[:2] in _PROTOCOLS or (start == _ZIP and is_weight_file(name))


def _globals(root: Path, name: str) -> set[str]:
    from gate.weights.pytorch import scan_globals  # noqa: PLC0415 - most artifacts hold no pickle

    path = root / name
    require_inside(root, path)
    reader = reader_of(path) if is_weight_file(name) else None
    try:  # a reader knows what belongs in its container, TorchScript's own classes for one
        return set(scan_globals(path) if reader is None else reader.read(path, root=root).unsafe_globals)
    except ModelError:
        return {f"unreadable pickle {name}"}
