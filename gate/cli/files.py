"""Files that somebody asked for by a path: regular ones appear whole or not at all, others are written to.

``-o`` is given devices, FIFOs, process substitutions and symbolic links as well as names of files.  What is
no regular file is opened and written to, never replaced; behind a symbolic link its target is replaced.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from gate.errors import UsageError
from gate.text import printable

_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/(\d{1,9})\Z", re.ASCII)
_MOST_LINKS: Final = 40
_STDOUT: Final = 1


def is_stdout(path: Path) -> bool:
    """Tell whether a path means stdout: ``-``, ``/dev/stdout`` or its number."""
    return str(path) == "-" or descriptor(path) == _STDOUT


def descriptor(path: Path) -> int | None:
    """Return N where ``path`` leads to ``/dev/fd/N`` of this process, else None.

    What it stands for may be a regular file that others write to as well, so it must not be replaced.
    """
    place = os.path.abspath(path)  # noqa: PTH100 - as the shell means it: no link is followed at once
    for _ in range(_MOST_LINKS):
        found = _DESCRIPTOR.match(place)
        if found is not None:
            owner = place.split("/")[2]
            return int(found[1]) if not owner.isdigit() or int(owner) == os.getpid() else None
        try:
            link = os.readlink(place)  # noqa: PTH115 - text in, text out
        except OSError:
            return None
        place = os.path.normpath(os.path.join(os.path.dirname(place), link))  # noqa: PTH118, PTH120
    return None


def check_writable(path: Path) -> None:
    """Make sure, as far as can be told without writing, that ``path`` can be written.

    Raises
    ------
    gate.errors.UsageError
        It cannot: a folder is missing or is no folder, or nothing may be written there.
    """
    try:
        reason = _obstacle(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    if reason is not None:
        raise UsageError(
            f"cannot write {printable(str(path), None)}: {reason}",
            hint="Nothing was measured, judged or recorded. Name a file in a folder that can be written to.",
        )


def _obstacle(path: Path) -> str | None:
    number = descriptor(path)
    if number is not None:
        os.fstat(number)
        return None
    kind = _kind(path)
    if kind is not None and stat.S_ISDIR(kind):
        return "it is a folder"
    if kind is not None and not stat.S_ISREG(kind):
        return None if os.access(path, os.W_OK) else "permission denied"
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        return f"{printable(str(folder), None)} is no folder that exists"
    return None if os.access(folder, os.W_OK | os.X_OK) else "its folder cannot be written to"


def same_file(path: Path) -> str | None:
    """Return a name by which two paths to the same file are told; None for devices, which take any number."""
    kind = _kind(path)
    return None if kind is not None and stat.S_ISCHR(kind) else os.path.realpath(path)


def write_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: a regular file whole or not at all, anything else by opening it.

    Raises
    ------
    OSError
        It cannot be written.
    """
    number = descriptor(path)
    kind = _kind(path)
    if number is not None:
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(content)
    elif kind is not None and not stat.S_ISREG(kind):
        with os.fdopen(os.open(path, os.O_WRONLY), "wb") as file:
            file.write(content)
    else:
        _replace(Path(os.path.realpath(path)), content, kind)


def _kind(path: Path) -> int | None:
    """Return the mode of what ``path`` leads to, None where nothing is there yet."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, content: bytes, mode: int | None) -> None:
    """Write aside and rename; a file that was there keeps who may read it."""
    import tempfile  # noqa: PLC0415 - what goes to stdout does not need it

    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".gate-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(_new_mode() if mode is None else mode & 0o777)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _new_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
