"""A folder of entries: written whole or not at all, checked when read, bounded in size.

Entries lie in 256 subfolders by the first byte of their key.  Each may hold a 256th of the limit, so
that keeping the bound never needs more than one small folder's listing.  Processes share the folder
without locks: a file appears whole by renaming, and one that vanishes is a miss.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from gate.errors import UsageError

LIMIT: Final = 512 << 20
"""Bytes all entries together may take: about 60,000 layers."""

_SHARDS: Final = 256
_KEPT_SHARE: Final = 0.75
"""A full subfolder is emptied to this share, oldest use first."""

_MAGIC: Final = b"gate/layer-cache/1 "
_TEMPORARY: Final = ".writing-"
_ABANDONED_SECONDS: Final = 3600
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class CacheFolder:
    """Entries by key, in a folder that nobody else can write.

    What goes wrong with the disk costs the cache, never the run; ``problem`` then says what it was.

    Parameters
    ----------
    path:
        The folder; made, for this user alone, where it does not exist.
    limit:
        Bytes all entries together may take.

    Raises
    ------
    gate.errors.UsageError
        The folder belongs to somebody else, or others can write to it.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        self.problem: str | None = None
        self._limit = limit // _SHARDS
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = path.resolve(strict=True)
            _refuse_foreign(self.path)
        except OSError as error:
            self._give_up(error)

    def read(self, key: str) -> bytes | None:
        """Return the entry's content, or None where there is none that is whole."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            with os.fdopen(os.open(self._file(key), flags | getattr(os, "O_BINARY", 0)), "rb") as file:
                status = os.fstat(file.fileno())
                if not _is_ours(status) or not stat.S_ISREG(status.st_mode) or status.st_size > self._limit:
                    return None
                content = _checked(key, file.read(self._limit + 1))
                if content is not None:
                    with contextlib.suppress(OSError):  # a read-only cache still answers
                        os.utime(self._file(key))
                return content
        except OSError:
            return None

    def write(self, key: str, content: bytes) -> None:
        """Keep an entry, unless the disk refuses or it is larger than a subfolder may be."""
        entry = _head(key, content) + b"\n" + content
        if self.problem is not None or len(entry) > self._limit:
            return
        file = self._file(key)
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)
            _write_whole(file, entry)
            self._shrink(file.parent)
        except FileNotFoundError:  # another process emptied the folder just now
            return
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.problem = f"the cache {self.path} cannot be written ({error.strerror or error}); nothing is kept"

    def _file(self, key: str) -> Path:
        return self.path / key[:2] / f"{key[2:]}.json"

    def _shrink(self, shard: Path) -> None:
        """Remove what was used longest ago, where the subfolder holds more than its share."""
        found = []
        with os.scandir(shard) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, entry.path))
        total = sum(size for _, size, _ in found)
        if total <= self._limit:
            return
        young = time.time() - _ABANDONED_SECONDS
        for modified, size, path in sorted(found):
            if Path(path).name.startswith(_TEMPORARY) and modified > young:
                continue
            Path(path).unlink(missing_ok=True)
            total -= size
            if total <= self._limit * _KEPT_SHARE:
                return


def _write_whole(file: Path, entry: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=_TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(entry)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _head(key: str, content: bytes) -> bytes:
    """Return an entry's first line; the key is in its checksum, so that entries cannot change places."""
    return _MAGIC + hashlib.sha256(key.encode() + b"\0" + content).hexdigest().encode()


def _checked(key: str, entry: bytes) -> bytes | None:
    """Return the content of an entry whose checksum holds."""
    head, _, content = entry.partition(b"\n")
    return content if head == _head(key, content) else None


def _is_ours(status: os.stat_result) -> bool:
    if not hasattr(os, "geteuid"):  # Windows keeps a user's folders apart by access lists
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_MAY_WRITE


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder in which somebody else could put results; entries are looked at one by one again."""
    if not _is_ours(folder.stat()):
        raise UsageError(
            f"the cache folder {folder} belongs to another user, or others can write to it",
            hint="Cached results decide verdicts. Name a folder of your own in GATE_CACHE, "
            f"`chmod go-w {folder}`, or use --no-cache.",
        )
