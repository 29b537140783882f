"""The folder: whole entries or none, nobody else's, bounded, never a reason to fail."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from gate.errors import UsageError
from gate.spectra.cache import CacheFolder, folder

if TYPE_CHECKING:
    from pathlib import Path

KEY = "ab" + "0" * 62


def entry(path: Path, key: str = KEY) -> Path:
    return path / key[:2] / f"{key[2:]}.json"


def test_what_is_written_is_read_by_another_process_of_the_same_user(tmp_path: Path) -> None:
    CacheFolder(tmp_path / "new" / "cache").write(KEY, b"{}")
    again = CacheFolder(tmp_path / "new" / "cache")
    assert again.read(KEY) == b"{}"
    assert again.read("cd" + KEY[2:]) is None
    assert again.problem is None


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are access lists there")
def test_the_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    CacheFolder(tmp_path / "cache").write(KEY, b"{}")
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert entry(tmp_path / "cache").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are access lists there")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(UsageError, match="others can write") as caught:
        CacheFolder(tmp_path)
    assert "--no-cache" in str(caught.value.hint)


@pytest.mark.skipif(sys.platform == "win32", reason="no owners to compare there")
def test_a_folder_or_entry_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = CacheFolder(tmp_path)
    mine.write(KEY, b"{}")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UsageError, match="another user"):
        CacheFolder(tmp_path)
    assert mine.read(KEY) is None


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are access lists there")
def test_an_entry_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path)
    cache.write(KEY, b"{}")
    entry(tmp_path).chmod(0o666)
    assert cache.read(KEY) is None


def test_damaged_entries_are_misses_and_are_written_anew(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path)
    cache.write(KEY, b'{"rows": []}')
    whole = entry(tmp_path).read_bytes()
    for damaged in (b"", whole[:-1], whole + b" ", whole[:30], b"x" + whole, os.urandom(200), b"{}"):
        entry(tmp_path).write_bytes(damaged)
        assert cache.read(KEY) is None
    cache.write(KEY, b'{"rows": []}')
    assert entry(tmp_path).read_bytes() == whole


def test_entries_cannot_change_places(tmp_path: Path) -> None:
    cache, other = CacheFolder(tmp_path), "ab" + "1" * 62
    cache.write(KEY, b"good")
    entry(tmp_path).replace(entry(tmp_path, other))
    assert cache.read(other) is None


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path)
    cache.write(KEY, b"{}")
    elsewhere = tmp_path / "elsewhere"
    entry(tmp_path).rename(elsewhere)
    entry(tmp_path).symlink_to(elsewhere)
    assert cache.read(KEY) is None
    entry(tmp_path).unlink()
    os.mkfifo(entry(tmp_path))
    assert cache.read(KEY) is None


def keys(count: int) -> list[str]:
    return [hashlib.sha256(str(index).encode()).hexdigest() for index in range(count)]


def test_the_folder_stays_within_its_limit(tmp_path: Path) -> None:
    limit = 256 * 5000
    cache = CacheFolder(tmp_path, limit)
    for key in keys(3000):
        cache.write(key, b"x" * 1000)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*.json")]
    assert sum(sizes) <= limit
    assert len(sizes) > 500
    cache.write("ff" + KEY[2:], b"x" * 6000)
    assert cache.read("ff" + KEY[2:]) is None  # larger than a subfolder's share


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path, 256 * 3500)
    same = [f"aa{index:062}" for index in range(4)]
    for age, key in enumerate(same[:3]):
        cache.write(key, b"x" * 1000)
        moment = time.time() - 1000 + age
        os.utime(entry(tmp_path, key), (moment, moment))
    assert cache.read(same[0]) is not None  # the oldest, used again now
    cache.write(same[3], b"x" * 1000)
    assert [cache.read(key) is not None for key in same] == [True, False, False, True]


def test_what_a_killed_writer_left_is_removed_when_old(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path, 256 * 2500)
    cache.write(KEY, b"x" * 1000)
    young, old = (entry(tmp_path).parent / f".writing-{age}" for age in ("young", "old"))
    for left in (young, old):
        left.write_bytes(b"x" * 1000)
    os.utime(old, (1, 1))
    cache.write("ab" + "1" * 62, b"x" * 1000)
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_costs_the_cache_and_is_noted(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CacheFolder(tmp_path)
    cache.write(KEY, b"{}")

    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(folder, "_write_whole", refuse)
    cache.write("cd" + KEY[2:], b"{}")
    assert cache.problem is not None
    assert os.strerror(code) in cache.problem
    assert cache.read(KEY) == b"{}"
    monkeypatch.setattr(folder, "_write_whole", None)  # not tried again
    cache.write("ef" + KEY[2:], b"{}")


def test_a_path_that_cannot_be_a_folder_costs_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = CacheFolder(tmp_path / "file" / "cache")
    cache.write(KEY, b"{}")
    assert cache.read(KEY) is None
    assert cache.problem is not None


_WRITER = """
import sys
from pathlib import Path
from gate.spectra.cache import CacheFolder
cache = CacheFolder(Path(sys.argv[1]), 256 * 4000)
for turn in range(40):
    for key in (f"aa{index:062}" for index in range(6)):
        found = cache.read(key)
        assert found is None or found == key.encode() * 12, found
        cache.write(key, key.encode() * 12)
assert cache.problem is None, cache.problem
"""


def test_processes_share_it_without_seeing_half_an_entry(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=100)
        assert writer.returncode == 0, errors.decode()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.json")) <= 4000
    assert not list(tmp_path.rglob(".writing-*"))
