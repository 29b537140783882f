"""What is to be done next: the most recent first, failed work held back, nothing twice at once."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Container

    from gate.workflow.watch.interface import Reason, Task

Key: TypeAlias = tuple[str, int]
Work: TypeAlias = "tuple[Reason, str, int]"
_LONGEST_POWER: Final = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from ``first`` up to ``most`` seconds, each cut by up to half at random."""

    first: float
    most: float

    def pause(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, _LONGEST_POWER))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


@dataclass
class _Entry:
    task: Task
    since: float
    due: float
    failures: int = 0
    running: bool = False


class Agenda:
    """The work that is known, by version; safe to use from several threads.

    A version stays on it until its work is done or a sweep finds none: held-back work is not
    forgotten, and a sweep that sees it again neither hastens nor doubles it.
    """

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, task: Task, *, delay: float = 0.0) -> bool:
        """Add work, or bring what is known of it up to date; tell whether it was new.

        Work that waits to compare files gives way to work that judges them, not the reverse.
        """
        now = time.monotonic()
        with self._changed:
            entry = self._entries.get(task.key)
            if entry is None:
                self._entries[task.key] = _Entry(task, now, now + delay)
                self._changed.notify()
                return True
            if not entry.running and (task.reason != "files" or entry.task.reason == "files"):
                if entry.task.reason != task.reason:
                    entry.due, entry.failures = now + delay, 0
                entry.task = task
                self._changed.notify()
            return False

    def take(self) -> Task | None:
        """Wait for work that is due and return it; None once the agenda is closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                waiting = [entry for entry in self._entries.values() if not entry.running]
                due = [entry for entry in waiting if entry.due <= now]
                if due:
                    first = max(due, key=_urgency)
                    first.running = True
                    return first.task
                soonest = min((entry.due for entry in waiting), default=None)
                self._changed.wait(None if soonest is None else soonest - now)
            return None

    def finished(self, task: Task) -> None:
        """Take off work that is done."""
        with self._changed:
            self._entries.pop(task.key, None)
            self._changed.notify_all()

    def failed(self, task: Task, backoff: Backoff) -> tuple[int, float]:
        """Hold work back; return how often it failed in a row, and for how many seconds."""
        with self._changed:
            entry = self._entries[task.key]
            entry.failures += 1
            entry.running = False
            pause = backoff.pause(entry.failures)
            entry.due = time.monotonic() + pause
            self._changed.notify_all()
            return entry.failures, pause

    def keep_only(self, wanted: Container[Key], present: Container[Key]) -> None:
        """Drop what waits to be judged and is not ``wanted``, and what is not ``present`` any more.

        A sweep of everything found no work there.
        """
        with self._changed:
            gone = [
                key
                for key, entry in self._entries.items()
                if not entry.running and key not in (present if entry.task.reason == "files" else wanted)
            ]
            for key in gone:
                del self._entries[key]
            self._changed.notify_all()

    def close(self) -> None:
        """Send everybody away who waits for work."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_until_empty(self) -> None:
        """Return once no work is left."""
        with self._changed:
            # In slices: a wait without end would keep a signal from being heard on some platforms.
            while not self._changed.wait_for(lambda: not self._entries, timeout=1.0):
                pass

    def state(self) -> tuple[int, int, float]:
        """Return how much waits, how much runs, and for how long the oldest has been waiting (seconds)."""
        now = time.monotonic()
        with self._changed:
            judged = [entry for entry in self._entries.values() if entry.task.reason != "files"]
            running = sum(entry.running for entry in self._entries.values())
            oldest = min((entry.since for entry in judged), default=now)
            return len(self._entries) - running, running, now - oldest


def _urgency(entry: _Entry) -> tuple[bool, bool, int]:
    """Judging goes before comparing files, what never failed before what did; the most recent goes first."""
    return entry.task.reason != "files", entry.failures == 0, entry.task.version.created


class Untaken:
    """Holds back what was judged and, as the registry tells it, was not.

    A listing that was under way meanwhile tells so; and if somebody keeps taking decisions away, or a
    registry shows them in a way we do not understand, judging again at once would never end.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._judged: dict[Key, tuple[Work, int, float]] = {}

    def judged(self, task: Task) -> None:
        """Note that a task was carried out."""
        work, times, _ = self._judged.get(task.key, (None, 0, 0.0))
        times = times + 1 if work == task.work else 1
        self._judged[task.key] = (task.work, times, time.monotonic() + self._backoff.pause(times))

    def let(self, task: Task) -> Task | None:
        """Return the task, or None while it is held back."""
        work, _, until = self._judged.get(task.key, (None, 0, 0.0))
        return None if work == task.work and time.monotonic() < until else task

    def forget(self, key: Key) -> None:
        """Note that the registry tells of a decision."""
        self._judged.pop(key, None)
