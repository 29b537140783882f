"""Threads of this process, one BLAS thread each; the largest layers first.

The linear algebra runs outside the interpreter's lock, so that threads scale as processes would,
without copying a tensor.  A thread without a layer, because none is left or memory has no room for
the next, helps those that measure a large matrix.  The threads are daemons: on Ctrl-C nobody waits
for the layers under way.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from gate.errors import GateError, ResourceError
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from gate.spectra.executors.cost import work
from gate.spectra.lapack import crew
from gate.spectra.lapack.openblas import TWO_STAGE
from gate.spectra.layer import measure

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.cache import LayerCache
    from gate.spectra.interface import LayerResult, Settings


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
        for number in range(_useful(worker_count(settings), layers)):
            threading.Thread(target=run.work, name=f"gate-layer-{number}", daemon=True).start()
        try:
            for _ in layers:
                index, outcome = run.finished.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield index, outcome
        finally:  # also on Ctrl-C and when the caller stops early: nothing else begins
            run.stop()


class _Run:
    """What the threads of one run share."""

    def __init__(self, layers: Sequence[WeightLayer], settings: Settings, cache: LayerCache | None) -> None:
        self.finished: SimpleQueue[tuple[int, LayerResult | BaseException]] = SimpleQueue()
        self._layers = layers
        self._settings = settings
        self._cache = cache
        self._budget = MemoryBudget(layers)
        self._order = deque(sorted(range(len(layers)), key=lambda index: (-work(layers[index]), index)))
        self._running = 0
        self._stopped = False
        self._lock = threading.Lock()

    def work(self) -> None:
        """Measure layers until none is left or the run was stopped; help others when there is no room."""
        while not self._over():
            index = self._begin()
            if index is None:
                crew().help(until=lambda: self._over() or self._may_begin())
                continue
            outcome: LayerResult | BaseException
            try:
                outcome = measure_named(self._layers[index], self._settings, self._cache)
            except BaseException as error:  # noqa: BLE001 - raised again where the results are read
                outcome = error
            self._end(index)
            self.finished.put((index, outcome))

    def stop(self) -> None:
        """Let no further layer begin."""
        self._stopped = True
        crew().wake()

    def _over(self) -> bool:
        """Tell whether nobody has anything left to do, nor to help with."""
        return self._stopped or not (self._order or self._running)

    def _may_begin(self) -> bool:
        with self._lock:
            return bool(self._order) and self._budget.has_room(peak_bytes(self._layers[self._order[0]]))

    def _begin(self) -> int | None:
        """Take the next layer, if there is one and room for it."""
        with self._lock:
            if not self._order or not self._budget.has_room(size := peak_bytes(self._layers[self._order[0]])):
                return None
            self._budget.take(size)
            self._running += 1
            return self._order.popleft()

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
    """Return how many threads can have anything to do: one per layer, or all to share a large one."""
    shared = any(sum(extent >= TWO_STAGE for extent in layer.shape) > 1 for layer in layers)
    return workers if shared else min(workers, len(layers))


def worker_count(settings: Settings) -> int:
    """Return the number of threads asked for, by default one per core the process may use."""
    if settings.jobs is not None:
        return max(1, settings.jobs)
    affinity = getattr(os, "sched_getaffinity", None)  # macOS and Windows have no such call
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
