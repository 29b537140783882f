"""The files of a folder, in a bounded walk that follows no link out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gate.errors import ModelError, UnsafeModelError

MOST_FILES: Final = 20_000
_DEEPEST: Final = 32


def list_files(root: Path) -> tuple[str, ...]:
    """Return the files below ``root`` as relative POSIX paths, sorted; links to folders are not entered.

    Raises
    ------
    gate.errors.ModelError
        A folder cannot be listed.
    gate.errors.UnsafeModelError
        There are more files than a model has, folders are nested deeper, or a name is not
        Unicode.
    """
    found: list[str] = []
    for folder, folders, files in os.walk(root, onerror=_cannot_list):
        place = Path(folder).relative_to(root)
        if len(place.parts) > _DEEPEST:
            raise UnsafeModelError(f"{root.name}: folders are nested deeper than {_DEEPEST}")
        folders.sort()
        found += [(place / _printable(name)).as_posix() for name in files]
        if len(found) > MOST_FILES:
            raise UnsafeModelError(
                f"{root.name} holds more than {MOST_FILES} files", hint="Name the model's own folder."
            )
    return tuple(sorted(found))


def _printable(name: str) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnsafeModelError(f"the file name {name[:80]!r} is not Unicode") from error
    return name


def _cannot_list(error: OSError) -> None:
    raise ModelError(f"cannot list {error.filename}: {error.strerror}") from error
