"""Paths that model files name: they may only lead to regular files of the same artifact."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from gate.errors import ModelError, UnsafeModelError

_LONGEST_NAME: Final = 1024


def inside(root: Path, folder: Path, name: str, named_by: str) -> Path:
    """Return the regular file called ``name``, relative to ``folder``, that lies inside ``root``.

    Parameters
    ----------
    root:
        The artifact's folder; symbolic links are resolved before the check.
    folder:
        Where the name is relative to.
    name:
        A relative path in POSIX form, from a hostile file.
    named_by:
        The file that names it, for messages.

    Raises
    ------
    gate.errors.UnsafeModelError
        The name is absolute, climbs up, or a link leads out of ``root``.
    gate.errors.ModelError
        There is no such file, or it is not a regular one.
    """
    parts = PurePosixPath(name).parts
    if (
        not parts
        or "\0" in name
        or "\\" in name
        or len(name) > _LONGEST_NAME
        or name.startswith("/")
        or ".." in parts
    ):
        raise UnsafeModelError(
            f"{named_by} names the file {name[:80]!r}, which is not a path inside the model"
        )
    path = folder.joinpath(*parts)
    require_inside(root, path)
    if not path.is_file():
        raise ModelError(
            f"{named_by} names the file {name!r}, which is not there",
            hint="Fetch or copy the model again with all its files.",
        )
    return path


def require_inside(root: Path, path: Path) -> None:
    """Refuse a path that, links resolved, lies outside ``root``.

    Raises
    ------
    gate.errors.UnsafeModelError
        It does.
    gate.errors.ModelError
        Its links go in circles.
    """
    try:
        outside = not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path.name}: its symbolic links cannot be followed") from error
    if outside:
        raise UnsafeModelError(
            f"{path.name} is a link to a file outside the model's folder",
            hint="Copy the files the links point to into the folder (`cp -rL`).",
        )


def relative_name(root: Path, path: Path) -> str:
    """Return ``path`` relative to ``root`` in POSIX form; its name alone when it is not below."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
