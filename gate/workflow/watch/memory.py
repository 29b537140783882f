"""How much memory a worker may take, and holding it to that."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_SHARE: Final = 0.8
_LEAST: Final = 1 << 30
_CGROUPS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_OOM_SCORE: Final = "/proc/self/oom_score_adj"


def share_of_memory(workers: int) -> int:
    """Return the bytes that each of so many workers may take, at least 1 GiB.

    Four fifths of what this machine, or the container's limit, has; the rest is the watcher's own.
    """
    return max(_LEAST, int(_memory() * _SHARE) // workers)


def bound_memory(limit: int) -> bool:
    """Hold this process to ``limit`` bytes of its own memory; tell whether the system can.

    Counted is what the process may write to (``RLIMIT_DATA``): a model mapped from its file costs
    nothing, a copy of it does.  Beyond it an allocation fails, which Python reports.  Where the
    kernel has to kill somebody all the same, it takes this process before the watcher.
    """
    with contextlib.suppress(OSError):
        Path(_OOM_SCORE).write_text("1000", encoding="ascii")
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return False
    with contextlib.suppress(ValueError, OSError):  # a hard limit below it is strict enough
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return True


def _memory() -> int:
    physical = _LEAST * 4
    with contextlib.suppress(ValueError, OSError, AttributeError):
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [physical]
    for place in _CGROUPS:
        with contextlib.suppress(ValueError, OSError):
            limits.append(int(Path(place).read_text(encoding="ascii")))
    return min(limits)
