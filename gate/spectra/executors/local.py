"""Threads of this process, one BLAS thread each; the largest layers first.

The linear algebra runs outside the interpreter's lock, so that threads scale as processes would,
without copying a tensor.  Of small layers little is linear algebra: they are left to one thread, which
begins with the smallest while the others are at the largest, so that few want the lock at a time.  What
follows the linear algebra of short layers is done for several at once, by one thread for all.  A thread
without a layer, because none is left or memory has no room for the next, helps those that measure a large
matrix or a stack of them, or does what is to be done beside.  The calling thread only waits, where
Ctrl-C can do no harm; the threads are daemons, so that nobody waits for the layers under way.  Of a small
model that is in memory already, where nothing can block, it measures with the others, and Ctrl-C waits.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from gate.errors import GateError, ResourceError
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from gate.spectra.executors.cost import TRIVIAL, is_short, work
from gate.spectra.interrupts import signals_put_off
from gate.spectra.lapack import crew
from gate.spectra.lapack.openblas import TWO_STAGE
from gate.spectra.layer import start

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from types import TracebackType

    from gate.layer import WeightLayer
    from gate.spectra.cache import LayerCache
    from gate.spectra.executors.interface import Executor
    from gate.spectra.interface import LayerResult, Settings
    from gate.spectra.lapack.crew import Tile
    from gate.spectra.layer import Finish


_MATRIX: Final = 2
_LARGEST, _SMALLEST = 0, -1
"""Ends of the order of work."""

_TOGETHER: Final = 16
"""Short layers that are finished at once: each handing over wakes a thread, and after linear algebra
the code that fits and describes has left the processor's caches (measured: 10 % of EfficientNet-Lite1)."""

ALONE: Final = 50_000_000
"""N·M² of a whole model that one thread has measured before another has begun."""

BRIEF: Final = 1_000_000_000
"""N·M² of a whole model up to which Ctrl-C may wait for all of it: some tens of milliseconds."""

_BRIEF_ELEMENTS: Final = 20_000_000
"""Elements gone through beside it, likewise."""

_Finished: TypeAlias = "tuple[int, LayerResult | BaseException]"
_Solved: TypeAlias = "tuple[int, Finish | BaseException]"
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Beside:
    """Other work for the threads that measure.

    ``early`` is what takes long: the last thread begins with it, unless large matrices leave gaps for it.
    ``late`` fills what gaps there are.
    ``elements`` is how many numbers all of it goes through.
    """

    early: Sequence[Tile]
    late: Sequence[Tile]
    elements: int


_NOTHING: Final = Beside((), (), 0)


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

    def in_memory(self, beside: Beside) -> Executor:
        """Return one like this for layers that are in memory, whose threads do other work beside."""
        return _InMemory(self._cache, beside)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the runs so far."""
        return () if self._cache is None else self._cache.notes

    def map(
        self, layers: Sequence[WeightLayer], settings: Settings
    ) -> Generator[tuple[int, LayerResult], None, None]:
        """Yield each layer's index and result as it is finished."""
        return self._map(layers, settings, None)

    def _map(
        self, layers: Sequence[WeightLayer], settings: Settings, beside: Beside | None
    ) -> Generator[tuple[int, LayerResult], None, None]:
        if self._cache is not None:
            self._cache.begin()
        short, size = all(is_short(layer, settings) for layer in layers), sum(map(work, layers))
        workers = 1 if short and size < ALONE else _useful(worker_count(settings), layers)
        run = _Run(layers, settings, self._cache, workers, beside or _NOTHING)
        brief = short and size < BRIEF and self._cache is None
        try:
            if brief and beside is not None and beside.elements < _BRIEF_ELEMENTS:
                with signals_put_off():  # also in what threads share, which an interrupt would leave locked
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
            if (error := run.beside_done.get()) is not None:
                raise error
        finally:  # also on Ctrl-C and when the caller stops early: nothing else begins
            run.stop()


class _InMemory(Local):
    """Measures what is in memory already, and does what is to be done beside."""

    def __init__(self, cache: LayerCache | None, beside: Beside) -> None:
        super().__init__(cache)
        self._beside = beside

    def map(
        self, layers: Sequence[WeightLayer], settings: Settings
    ) -> Generator[tuple[int, LayerResult], None, None]:
        """Yield each layer's index and result as it is finished; at the end the rest is done too."""
        return self._map(layers, settings, self._beside)


class _Run:
    """What the threads of one run share."""

    def __init__(
        self,
        layers: Sequence[WeightLayer],
        settings: Settings,
        cache: LayerCache | None,
        workers: int,
        beside: Beside,
    ) -> None:
        self.finished: SimpleQueue[list[_Finished]] = SimpleQueue()
        self.beside_done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._early, self._late = deque(beside.early), deque(beside.late)
        self._leaves_gaps = any(map(_is_large, layers))
        self._beside_left = len(beside.early) + len(beside.late)
        if not self._beside_left:
            self.beside_done.put(None)
        self._workers = workers
        self._layers = layers
        self._settings = settings
        self._cache = cache
        self._budget = MemoryBudget(layers)
        self._bytes = [peak_bytes(layer, settings) for layer in layers]
        self._order = deque(_largest_first(layers))
        self._solved: deque[_Solved] = deque()
        self._finishing = False
        self._running = 0
        self._stopped = False
        self._lock = threading.Lock()

    def start(self, first: int = 0) -> None:
        """Start the threads from number ``first`` on; those that there are do the work of others that fail.

        Raises
        ------
        gate.errors.ResourceError
            The system gives this process no thread at all.
        """
        for number in range(first, self._workers):
            end = _SMALLEST if self._workers > 1 and number == self._workers - 1 else _LARGEST
            thread = threading.Thread(target=self.work, args=(end,), name=f"gate-layer-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                if number:
                    return
                raise ResourceError(
                    f"no thread could be started ({error})", hint="Raise the limit of processes (ulimit -u)."
                ) from error

    def work(self, end: int) -> None:
        """Measure layers, from that end of the order, until none is left or the run was stopped.

        Helps others while there is no room for the next, or does what is to be done beside.
        """
        while end == _SMALLEST and not self._leaves_gaps and self._do_beside(self._early):
            pass
        while not self._over():
            if self._finish_some():
                continue
            index = self._begin(end)
            if index is None:  # nothing is left, or those that wait to be finished hold the room
                if not self._finish_some(urgent=True) and not self._do_some_beside():
                    crew().help(until=lambda: not self._is_idle(end))
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
            enough = _TOGETHER
            if not self._late:  # nor will others have anything to do meanwhile
                enough = min(enough, 1 + len(self._order) // (2 * self._workers))
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

    def _do_some_beside(self) -> bool:
        """Do a piece of the work beside, unless somebody waits for help; tell whether there was any."""
        if crew().wants_help():
            return False
        return self._do_beside(self._early) or self._do_beside(self._late)

    def _do_beside(self, tiles: deque[Tile]) -> bool:
        with self._lock:
            if self._stopped or not tiles:
                return False
            tile = tiles.popleft()
        error = _attempt(tile)
        with self._lock:
            self._beside_left -= 1
            if error is not None or not self._beside_left:
                self.beside_done.put(error)
        return True

    def stop(self) -> None:
        """Let no further layer begin."""
        self._stopped = True
        crew().wake()

    def _over(self) -> bool:
        """Tell whether nobody has anything left to do, nor to help with."""
        return self._stopped or not (self._order or self._running or self._has_beside())

    def _has_beside(self) -> bool:
        return bool(self._early or self._late)

    def _is_idle(self, end: int) -> bool:
        """Tell whether a thread can do nothing but help, or wait."""
        beside = self._has_beside() and not crew().wants_help()
        return not (beside or self._solved or self._over() or self._may_begin(end))

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
    """Return what ``call`` returns or raises: it is raised again where the results are read."""
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - as above
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
    return _is_large(layer) or (len(layer.shape) > _MATRIX and work(layer) >= TRIVIAL)


def _is_large(layer: WeightLayer) -> bool:
    """Tell whether the layer is measured in two stages, the second of which is one thread's."""
    return sum(extent >= TWO_STAGE for extent in layer.shape) > 1


def worker_count(settings: Settings) -> int:
    """Return the number of threads asked for, by default one per core the process may use."""
    if settings.jobs is not None:
        return max(1, settings.jobs)
    affinity = getattr(os, "sched_getaffinity", None)  # macOS and Windows have no such call
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
