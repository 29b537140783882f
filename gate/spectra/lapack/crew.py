"""Idle threads take tiles of a large matrix that another thread is at.

BLAS's own threads wait for each other inside every call: where another process takes one core's
time away, both stand still, and a reduction of some seconds takes a minute.  Here whoever is free
takes the next tile, and one that was held up delays its own tile only.  Which thread computes a
tile changes nothing in it, so that results do not depend on how many there are.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from gate.spectra.interrupts import signals_put_off

if TYPE_CHECKING:
    from collections.abc import Iterable

Tile: TypeAlias = Callable[[], None]
"""A piece of work that no other one of its batch waits for."""


@dataclass(slots=True, eq=False)
class _Batch:
    """Tiles not yet begun, and how many are under way."""

    waiting: deque[Tile]
    running: int = 0
    errors: list[BaseException] = field(default_factory=list)


class Crew:
    """The threads of a process that help each other."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # an interrupt leaves it whole, the condition's own methods not
        self._condition = threading.Condition(self._lock)
        self._batches: list[_Batch] = []
        self._idle = 0

    def run(self, tiles: Iterable[Tile]) -> None:
        """Do every tile, with the help of idle threads, and return when all are done.

        The first error of any of them is raised; tiles not yet begun are then dropped.
        """
        batch = _Batch(deque(tiles))
        if len(batch.waiting) == 1:  # nothing to share
            batch.waiting[0]()
            return
        try:
            with signals_put_off(), self._lock:
                self._batches.append(batch)
                if self._idle:
                    self._condition.notify_all()
            more = True
            while more:
                with signals_put_off(), self._lock:
                    more = self._do_one(batch)
            with self._lock:
                self._condition.wait_for(lambda: not batch.running)
            if batch.errors:
                raise batch.errors[0]
        finally:
            with signals_put_off(), self._lock:
                batch.waiting.clear()
                if batch in self._batches:
                    self._batches.remove(batch)

    def wants_help(self) -> bool:
        """Tell whether there are tiles that nobody has begun."""
        with self._lock:
            return self._first() is not None

    def help(self, until: Callable[[], bool]) -> None:
        """Do tiles of others until ``until()`` holds, which :meth:`wake` makes this look at again."""
        with self._lock:
            self._idle += 1
            try:
                while not until():
                    batch = self._first()
                    if batch is None:
                        self._condition.wait()
                    else:
                        self._do_one(batch)
            finally:
                self._idle -= 1

    def wake(self) -> None:
        """Let everybody who helps look whether to go on."""
        with self._lock:
            self._condition.notify_all()

    def _first(self) -> _Batch | None:
        """Return the first batch that has tiles nobody has begun."""
        return next((batch for batch in self._batches if batch.waiting), None)

    def _do_one(self, batch: _Batch) -> bool:
        """Do a tile outside the lock, which is held before and after; tell whether there was one."""
        if not batch.waiting:
            return False
        tile = batch.waiting.popleft()
        batch.running += 1
        self._condition.release()
        try:
            tile()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that owns the batch
            batch.errors.append(error)
        finally:
            self._condition.acquire()
            batch.running -= 1
            if batch.errors:
                batch.waiting.clear()
            if not batch.running and not batch.waiting:
                self._condition.notify_all()
        return True


@cache
def crew() -> Crew:
    """Return the crew of this process."""
    return Crew()
