"""Threads of this process, one BLAS thread each; the largest layers first.

The linear algebra runs outside the interpreter's lock, so that threads scale as processes would,
without copying a tensor.  Of small layers little is linear algebra: they are left to one thread, which
begins with the smallest while the others are at the largest, so that few want the lock at a time.  What
follows the linear algebra of short layers is done for several at once, by one thread for all.  A small
model the calling thread measures with the others, a tiny one alone.  A thread without a layer, because
none is left or memory has no room for the next, helps those that measure a large matrix or a stack of
them.  The threads are daemons: on Ctrl-C nobody waits for the layers under way.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from gate.errors import GateError, ResourceError
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from gate.spectra.executors.cost import TRIVIAL, is_short, work
from gate.spectra.lapack import crew
from gate.spectra.lapack.openblas import TWO_STAGE
from gate.spectra.layer import start

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from types import TracebackType

    from gate.layer import WeightLayer
    from gate.spectra.cache import LayerCache
    from gate.spectra.interface import LayerResult, Settings
    from gate.spectra.layer import Finish


_MATRIX: Final = 2
_LARGEST, _SMALLEST = 0, -1
"""Ends of the order of work."""

_TOGETHER: Final = 16
"""Short layers that are finished at once: each handing over wakes a thread, and after linear algebra
the code that fits and describes has left the processor's caches (measured: 10 % of EfficientNet-Lite1)."""

ALONE: Final = 50_000_000
"""N·M² of a whole model that is measured before another thread has begun."""

BRIEF: Final = 1_000_000_000
"""N·M² of a whole model up to which the calling thread takes part, and results come at the end: some tens of
milliseconds."""

_Finished: TypeAlias = "tuple[int, LayerResult | BaseException]"
_Solved: TypeAlias = "tuple[int, Finish | BaseException]"
_Value = TypeVar("_Value")


class Local:
    """Measures layers on threads of this process.

    Parameters
    ----------
    cache:
        Where finished layers are looked up and kept, or None.
    """

    name = "local"

    def __init__(self, cache: LayerCache | None = None) -> None:
        self._cache = cache

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the runs so far."""
        return () if self._cache is None else self._cache.notes

    def map(
        self, layers: Sequence[WeightLayer], settings: Settings
    ) -> Generator[tuple[int, LayerResult], None, None]:
        """Yield each layer's index and result as it is finished."""
        if self._cache is not None:
            self._cache.begin()
        brief = all(is_short(layer, settings) for layer in layers)
        size = sum(map(work, layers))
        workers = 1 if brief and size < ALONE else _useful(worker_count(settings), layers)
        run = _Run(layers, settings, self._cache, workers)
        try:
            if brief and size < BRIEF:
                run.start(first=1)
                run.work(_LARGEST)
            else:
                run.start()
            left = len(layers)
            while left:
                delivery = run.finished.get()
                left -= len(delivery)
                for index, outcome in delivery:
                    if isinstance(outcome, BaseException):
                        raise outcome
                    yield index, outcome
        finally:  # also on Ctrl-C and when the caller stops early: nothing else begins
            run.stop()


class _Run:
    """What the threads of one run share."""

    def __init__(
        self, layers: Sequence[WeightLayer], settings: Settings, cache: LayerCache | None, workers: int
    ) -> None:
        self.finished: SimpleQueue[list[_Finished]] = SimpleQueue()
        self._workers = workers
        self._layers = layers
        self._settings = settings
        self._cache = cache
        self._budget = MemoryBudget(layers)
        self._bytes = [peak_bytes(layer) for layer in layers]
        self._order = deque(_largest_first(layers))
        self._solved: deque[_Solved] = deque()
        self._finishing = False
        self._running = 0
        self._stopped = False
        self._lock = threading.Lock()

    def start(self, first: int = 0) -> None:
        """Start the threads from number ``first`` on."""
        for number in range(first, self._workers):
            end = _SMALLEST if self._workers > 1 and number == self._workers - 1 else _LARGEST
            threading.Thread(target=self.work, args=(end,), name=f"gate-layer-{number}", daemon=True).start()

    def work(self, end: int) -> None:
        """Measure layers, from that end of the order, until none is left or the run was stopped.

        Helps others while there is no room for the next.
        """
        while not self._over():
            if self._finish_some():
                continue
            index = self._begin(end)
            if index is None:  # nothing is left, or those that wait to be finished hold the room
                if not self._finish_some(urgent=True):
                    crew().help(until=lambda: self._over() or bool(self._solved) or self._may_begin(end))
                continue
            waits = is_short(self._layers[index], self._settings)
            if not waits:
                self._finish_some(urgent=True)  # nothing that is done waits for a long layer
            solved = index, _attempt(partial(self._start, index))
            if waits:
                self._solved.append(solved)
            else:
                self._finish([solved])

    def _start(self, index: int) -> Finish:
        return start_named(self._layers[index], self._settings, self._cache)

    def _finish_some(self, *, urgent: bool = False) -> bool:
        """Finish the layers that wait for it, if they are many or ``urgent``; tell whether there were any.

        Finishing is Python, which one thread runs at a time: one does it for all, and the others are
        better at linear algebra while there is some left.
        """
        with self._lock:
            enough = min(_TOGETHER, 1 + len(self._order) // (2 * self._workers))
            if not self._solved or (not urgent and (self._finishing or len(self._solved) < enough)):
                return False
            waiting = list(self._solved)
            self._solved.clear()
            self._finishing = True
        self._finish(waiting)
        self._finishing = False
        return True

    def _finish(self, solved: list[_Solved]) -> None:
        """Finish layers and hand their results over."""
        outcomes: list[_Finished] = []
        for index, finish in solved:
            outcomes.append((index, finish if isinstance(finish, BaseException) else _attempt(finish)))
            self._end(index)
        self.finished.put(outcomes)

    def stop(self) -> None:
        """Let no further layer begin."""
        self._stopped = True
        crew().wake()

    def _over(self) -> bool:
        """Tell whether nobody has anything left to do, nor to help with."""
        return self._stopped or not (self._order or self._running)

    def _may_begin(self, end: int) -> bool:
        with self._lock:
            return bool(self._order) and self._budget.has_room(self._bytes[self._order[end]])

    def _begin(self, end: int) -> int | None:
        """Take the layer at an end of the order, if there is one and room for it."""
        with self._lock:
            if not self._order:
                return None
            index = self._order[end]
            if not self._budget.has_room(size := self._bytes[index]):
                return None
            self._budget.take(size)
            self._running += 1
            self._order.remove(index)
            return index

    def _end(self, index: int) -> None:
        with self._lock:
            self._budget.give_back(self._bytes[index])
            self._running -= 1
        crew().wake()


def measure_named(layer: WeightLayer, settings: Settings, cache: LayerCache | None = None) -> LayerResult:
    """Measure one layer, or find it in the cache; an error names it."""
    return start_named(layer, settings, cache)()


def start_named(layer: WeightLayer, settings: Settings, cache: LayerCache | None = None) -> Finish:
    """Do the linear algebra of :func:`measure_named`, and return what does the rest."""
    with naming(layer):
        finish = start(layer, settings) if cache is None else cache.start(layer, settings)

    def finish_named() -> LayerResult:
        with naming(layer):
            return finish()

    return finish_named


def _attempt(call: Callable[[], _Value]) -> _Value | BaseException:
    """Return what ``call`` returns or raises: it is raised again where the results are read.

    Ctrl-C, which only the main thread gets, is not put off.
    """
    try:
        return call()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        return error


class naming:  # noqa: N801 - used as a function is
    """Put the layer's name into errors."""

    __slots__ = ("_layer",)

    def __init__(self, layer: WeightLayer) -> None:
        self._layer = layer

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Name it in the error, if there is one."""
        layer = self._layer
        if isinstance(error, GateError) and layer.name not in error.message:
            error.message = f"layer {layer.name}: {error.message}"
        elif isinstance(error, MemoryError):
            raise ResourceError(
                f"layer {layer.name}: out of memory measuring a tensor of shape {layer.shape}",
                hint="Use fewer jobs (--jobs 1), or a machine with more memory.",
            ) from error


def _largest_first(layers: Sequence[WeightLayer]) -> list[int]:
    return sorted(range(len(layers)), key=lambda index: (-work(layers[index]), index))


def _useful(workers: int, layers: Sequence[WeightLayer]) -> int:
    """Return how many threads can have anything to do: one per layer, or all where one is shared."""
    return workers if any(map(_is_shared, layers)) else min(workers, len(layers))


def _is_shared(layer: WeightLayer) -> bool:
    """Tell whether several threads can be at the layer: at tiles of a large matrix, or at its slices."""
    large = sum(extent >= TWO_STAGE for extent in layer.shape) > 1
    return large or (len(layer.shape) > _MATRIX and work(layer) >= TRIVIAL)


def worker_count(settings: Settings) -> int:
    """Return the number of threads asked for, by default one per core the process may use."""
    if settings.jobs is not None:
        return max(1, settings.jobs)
    affinity = getattr(os, "sched_getaffinity", None)  # macOS and Windows have no such call
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
