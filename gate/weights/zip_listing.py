"""What a zip archive holds, listed once for all the readers that ask in turn whether a file is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.bytes_in_file import map_file
from gate.weights.zip_archive import LOCAL_HEADER, open_archive

if TYPE_CHECKING:
    from pathlib import Path

_MOST_REMEMBERED: Final = 1 << 24
"""Characters of names: real archives have some thousand."""


_last: dict[tuple[str, int, int, int, int], tuple[str, ...]] = {}
"""The names in one file, as it was."""


def names_in(path: Path) -> tuple[str, ...]:
    """Return the names in the archive at ``path``; none where the file does not begin as an archive does.

    Of the file that was asked about last they are remembered.  Where it was replaced within a tick of the
    clock by one of the same size, the wrong reader may be chosen; reading always lists the archive again.

    Raises
    ------
    gate.errors.ModelError
        The file is empty, cannot be read, or is a damaged archive.
    gate.errors.UnsafeModelError
        Its headers contradict each other, or its entries overlap, repeat or lead outside.
    """
    data = map_file(path)
    if data[:4].tobytes() != LOCAL_HEADER:
        return ()
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from error
    file = (str(path), status.st_dev, status.st_ino, len(data), status.st_mtime_ns)
    known = _last.get(file)
    if known is not None:
        return known
    names = tuple(open_archive(data).entries)
    _last.clear()
    if sum(map(len, names)) < _MOST_REMEMBERED:
        _last[file] = names
    return names
