"""Threads of this process, one BLAS thread each; the largest layers first.

The linear algebra runs outside the interpreter's lock, so that threads scale as processes would,
without copying a tensor.  Of small layers little is linear algebra: they are left to one thread, which
begins with the smallest while the others are at the largest, so that few want the lock at a time.  A
thread without a layer, because none is left or memory has no room for the next, helps those that
measure a large matrix or a stack of them.  The threads are daemons: on Ctrl-C nobody waits for the
layers under way.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

from gate.errors import GateError, ResourceError
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from gate.spectra.executors.cost import TRIVIAL, is_trivial, work
from gate.spectra.lapack import crew
from gate.spectra.lapack.openblas import TWO_STAGE
from gate.spectra.layer import measure

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.cache import LayerCache
    from gate.spectra.interface import LayerResult, Settings


_MATRIX: Final = 2
_LARGEST, _SMALLEST = 0, -1
"""Ends of the order of work."""

_TOGETHER: Final = 16
"""Small layers whose results are handed over at once, because each handing over wakes a thread."""

_Finished: TypeAlias = "tuple[int, LayerResult | BaseException]"


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
        run = _Run(layers, settings, self._cache)
        workers = _useful(worker_count(settings), layers)
        for number in range(workers):
            end = _SMALLEST if workers > 1 and number == workers - 1 else _LARGEST
            threading.Thread(target=run.work, args=(end,), name=f"gate-layer-{number}", daemon=True).start()
        try:
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

    def __init__(self, layers: Sequence[WeightLayer], settings: Settings, cache: LayerCache | None) -> None:
        self.finished: SimpleQueue[list[_Finished]] = SimpleQueue()
        self._layers = layers
        self._settings = settings
        self._cache = cache
        self._budget = MemoryBudget(layers)
        self._order = deque(sorted(range(len(layers)), key=lambda index: (-work(layers[index]), index)))
        self._running = 0
        self._stopped = False
        self._lock = threading.Lock()

    def work(self, end: int) -> None:
        """Measure layers, from that end of the order, until none is left or the run was stopped.

        Helps others while there is no room for the next.
        """
        ready: list[_Finished] = []
        while not self._over():
            index = self._begin(end)
            if ready and (index is None or len(ready) == _TOGETHER or not self._is_trivial(index)):
                self.finished.put(ready)
                ready = []
            if index is None:
                crew().help(until=lambda: self._over() or self._may_begin(end))
                continue
            outcome: LayerResult | BaseException
            try:
                outcome = measure_named(self._layers[index], self._settings, self._cache)
            except BaseException as error:  # noqa: BLE001 - raised again where the results are read
                outcome = error
            self._end(index)
            ready.append((index, outcome))
        self.finished.put(ready)

    def stop(self) -> None:
        """Let no further layer begin."""
        self._stopped = True
        crew().wake()

    def _is_trivial(self, index: int) -> bool:
        return is_trivial(self._layers[index], self._settings)

    def _over(self) -> bool:
        """Tell whether nobody has anything left to do, nor to help with."""
        return self._stopped or not (self._order or self._running)

    def _may_begin(self, end: int) -> bool:
        with self._lock:
            return bool(self._order) and self._budget.has_room(peak_bytes(self._layers[self._order[end]]))

    def _begin(self, end: int) -> int | None:
        """Take the layer at an end of the order, if there is one and room for it."""
        with self._lock:
            if not self._order:
                return None
            index = self._order[end]
            if not self._budget.has_room(size := peak_bytes(self._layers[index])):
                return None
            self._budget.take(size)
            self._running += 1
            self._order.remove(index)
            return index

    def _end(self, index: int) -> None:
        with self._lock:
            self._budget.give_back(peak_bytes(self._layers[index]))
            self._running -= 1
        crew().wake()


def measure_named(layer: WeightLayer, settings: Settings, cache: LayerCache | None = None) -> LayerResult:
    """Measure one layer, or find it in the cache; an error names it."""
    with naming(layer):
        return measure(layer, settings) if cache is None else cache.measure(layer, settings)


@contextmanager
def naming(layer: WeightLayer) -> Iterator[None]:
    """Put the layer's name into errors."""
    try:
        yield
    except GateError as error:
        if layer.name not in error.message:
            error.message = f"layer {layer.name}: {error.message}"
        raise
    except MemoryError as error:
        raise ResourceError(
            f"layer {layer.name}: out of memory measuring a tensor of shape {layer.shape}",
            hint="Use fewer jobs (--jobs 1), or a machine with more memory.",
        ) from error


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
