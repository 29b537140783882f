r"""The manifest of a model's files and its digest, the ``digest`` of every source.

A manifest lists every file of an artifact, weights, code and pickles alike, so that a digest
names the whole of what somebody would load.  Its form is fixed (schema ``gate/manifest/1``)::

    {"schema":"gate/manifest/1"}
    {"path":"MLmodel","sha256":"9f86d0…","size":512}
    {"path":"data/model.onnx","sha256":"60303a…","size":2048}

One JSON object a line, keys sorted, no spaces, everything outside ASCII as ``\uXXXX``, each line
ended by one line feed, the lines after the first ordered by path (by code point).  Paths are
relative to the artifact's root, in POSIX form; empty folders do not count.  The digest is
``sha256:`` and the hexadecimal SHA-256 of these bytes: the same for a folder on disk, a registered
version and a run's artifact of the same content.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.analysis.interface import SourceFile
from gate.errors import ModelError, UnsafeModelError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MANIFEST_SCHEMA: Final = "gate/manifest/1"
LARGEST_LISTING: Final = 100_000
DEEPEST_FOLDER: Final = 64
_CHUNK: Final = 1 << 20


def manifest_digest(files: Iterable[SourceFile]) -> str:
    """Return the digest of the manifest of ``files``, in whatever order they come.

    Raises
    ------
    gate.errors.UnsafeModelError
        A path is listed twice, or is no relative POSIX path.
    """
    digest = hashlib.sha256(_line({"schema": MANIFEST_SCHEMA}))
    previous = None
    for file in sorted(files, key=lambda file: file.path):
        if file.path == previous:
            raise UnsafeModelError(f"the artifact lists {printable(file.path)} twice")
        previous = checked_path(file.path)
        sha256 = file.digest.removeprefix("sha256:")
        digest.update(_line({"path": file.path, "sha256": sha256, "size": file.size}))
    return f"sha256:{digest.hexdigest()}"


def folder_manifest(path: Path, progress: Callable[[int, int], None] | None = None) -> tuple[SourceFile, ...]:
    """Hash a file, or every file of a folder, in path order.

    Parameters
    ----------
    path:
        A folder, whose files are named relative to it, or one file, which is named alone.
    progress:
        Called with the bytes hashed so far and the bytes there are.

    Raises
    ------
    gate.errors.ModelError
        A file cannot be read, or the folder holds none.
    gate.errors.UnsafeModelError
        See :func:`list_files`.
    """
    listing = list_files(path)
    folder = path if path.is_dir() else path.parent
    total = sum(size for _, size in listing)
    done = 0
    files = []
    for name, _ in listing:
        files.append(hash_file(folder / name, name))
        done += files[-1].size
        if progress is not None:
            progress(done, total)
    return tuple(files)


def hash_file(path: Path, name: str) -> SourceFile:
    """Hash the file at ``path``, one block in memory at a time, and list it as ``name``.

    Raises
    ------
    gate.errors.ModelError
        It cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise ModelError(f"cannot read {printable(name)}: {error.strerror}") from error
    return SourceFile(path=name, size=size, digest=f"sha256:{digest.hexdigest()}")


def list_files(path: Path) -> tuple[tuple[str, int], ...]:
    """List the files of a folder as (relative POSIX path, size in bytes), in path order.

    A file that is a link counts as what it links to, if that lies within the folder.

    Raises
    ------
    gate.errors.ModelError
        There is nothing at ``path``, it holds no file, or it cannot be listed.
    gate.errors.UnsafeModelError
        A link leads outside the folder or to another folder, something is neither file nor
        folder, or there are more files or levels than any model has.
    """
    try:
        if not path.is_dir():
            return ((path.name, _regular_size(path, path.name)),)
        found = tuple(sorted(_walk(path, path.resolve(), "")))
    except OSError as error:
        raise ModelError(f"cannot list {printable(str(path))}: {error.strerror}") from error
    if not found:
        raise ModelError(f"{printable(str(path))} holds no file", hint="Is it the folder that was meant?")
    return found


def checked_path(path: str) -> str:
    r"""Return ``path`` if it is a plain relative POSIX path, without ``..``, ``\`` or a drive.

    Raises
    ------
    gate.errors.UnsafeModelError
        It is anything else: a listing that names it wants to write or read outside its root.
    """
    parts = path.split("/")
    plain = all(part not in {"", ".", ".."} for part in parts)
    if not plain or "\\" in path or "\0" in path or (len(parts[0]) > 1 and parts[0][1] == ":"):
        raise UnsafeModelError(
            f"the artifact lists a file at {printable(path)!r}, which is no path inside it",
            hint="Nothing was downloaded to that path. Find out who wrote the artifact.",
        )
    if len(parts) > DEEPEST_FOLDER:
        raise UnsafeModelError(f"the artifact nests folders more than {DEEPEST_FOLDER} deep")
    return path


def check_count(count: int) -> None:
    """Raise :class:`gate.errors.UnsafeModelError` if no model has as many files as ``count``."""
    if count > LARGEST_LISTING:
        raise UnsafeModelError(f"the artifact lists more than {LARGEST_LISTING} files")


def _walk(folder: Path, root: Path, prefix: str) -> Iterator[tuple[str, int]]:
    pending = [(folder, prefix)]
    count = 0
    while pending:
        here, prefix = pending.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                count += 1
                check_count(count)
                name = checked_path(f"{prefix}{entry.name}")
                if entry.is_dir(follow_symlinks=False):
                    pending.append((Path(entry.path), f"{name}/"))
                else:
                    yield name, _size_within(Path(entry.path), root, name)


def _size_within(path: Path, root: Path, name: str) -> int:
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        raise UnsafeModelError(
            f"{printable(name)} is a link that leads out of the model's folder",
            hint="If that is meant, copy the folder with its links resolved: cp -RL FOLDER COPY",
        )
    return _regular_size(path, name)


def _regular_size(path: Path, name: str) -> int:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeModelError(f"{printable(name)} is neither a file nor a folder")
    return status.st_size


def _line(entry: dict[str, str | int]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
