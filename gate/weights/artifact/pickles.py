"""Pickles that lie in an artifact without being its weights: what they would import is reported."""

from __future__ import annotations

import pickle
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.artifact.choose import is_training_state, is_weight_file
from gate.weights.artifact.tables import PICKLE_SUFFIXES
from gate.weights.paths import require_inside
from gate.weights.readers import reader_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_ZIP: Final = b"PK\x03\x04"
_PROTOCOLS: Final = tuple(bytes((0x80, protocol)) for protocol in range(6))
_LOOKED_AT: Final = 4096
_OPCODES: Final = frozenset(
    value
    for name, value in vars(pickle).items()
    if name.isupper() and isinstance(value, bytes) and len(value) == 1
)
"""Every byte that a pickle can begin with, and some more."""
_NO_TEXT: Final = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))


def pickle_globals(
    root: Path,
    names: Iterable[str],
    named: Collection[str] = frozenset(),
    unpickled: Collection[str] = frozenset(),
) -> tuple[str, ...]:
    """Return the globals that the pickles among the files name, as ``module.name``, sorted.

    A file is one by its name, or because it begins like one, see :func:`begins_like_pickle`; a
    PyTorch archive that is not read (the same model in another format) counts too.  One that cannot
    be followed to its end (compressed, damaged) might name anything: it is itself reported, as
    ``unreadable pickle NAME``.

    Parameters
    ----------
    root, names:
        The files.
    named:
        Those that a flavour's settings name and may load whatever they are: what they call up to
        where they cannot be followed is reported.
    unpickled:
        Those that are unpickled for certain: pickles, unless they are text.
    """
    found: set[str] = set()
    for name in names:
        path = root / name
        if not path.is_file():  # a broken link, a pipe that would never answer
            continue
        if _is_pickle(path, name) or (name in unpickled and not _is_text(_beginning(path))):
            found |= _globals(root, name)
        elif name in named:
            from gate.weights.artifact.follow import follow  # noqa: PLC0415 - as below

            require_inside(root, path)
            followed = follow(path)
            found |= followed.called | {name for name in followed.imported if _is_importable(name)}
            found |= {_unreadable(name)} if followed.endless else set()
    return tuple(sorted(found))


def begins_like_pickle(path: Path) -> bool:
    """Tell whether the file is a pickle by its first bytes, or unpickling it would import or call something.

    Text may begin with opcodes (a vocabulary, requirements), but then it calls nothing that a module
    could be named.
    """
    start = _beginning(path)
    if start.startswith(_PROTOCOLS):
        return True
    if start[:1] not in _OPCODES:
        return False
    from gate.weights.artifact.follow import follow  # noqa: PLC0415 - as below

    followed = follow(path)
    return followed.endless or any(_is_importable(name) for name in followed.certain)


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LOOKED_AT)
    except OSError:
        return b""


def _is_text(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # the last character may be cut off
            return False
    return start.translate(None, _NO_TEXT) == start


def _is_importable(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _is_pickle(path: Path, name: str) -> bool:
    if PurePosixPath(name.casefold()).suffix in PICKLE_SUFFIXES or is_training_state(name):
        return True
    return (is_weight_file(name) and _beginning(path).startswith(_ZIP)) or begins_like_pickle(path)


def _globals(root: Path, name: str) -> set[str]:
    from gate.weights.pytorch import scan_globals  # noqa: PLC0415 - most artifacts hold no pickle

    path = root / name
    require_inside(root, path)
    reader = reader_of(path) if is_weight_file(name) else None
    try:  # a reader knows what belongs in its container, TorchScript's own classes for one
        return set(scan_globals(path) if reader is None else reader.read(path, root=root).unsafe_globals)
    except ModelError:
        return {_unreadable(name)}


def _unreadable(name: str) -> str:
    return f"unreadable pickle {name}"
