"""Threads of this process, one BLAS thread each; the largest layers first.

The linear algebra runs outside the interpreter's lock, so that threads scale as processes would,
without copying a tensor.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from gate.errors import GateError, ResourceError
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from gate.spectra.layer import measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerResult, Settings


class Stopped(Exception):  # noqa: N818 - not an error: it ends a worker nobody waits for
    """The run was given up before this layer began."""


class Local:
    """Measures layers on threads of this process."""

    name = "local"

    def map(self, layers: Sequence[WeightLayer], settings: Settings) -> Iterator[tuple[int, LayerResult]]:
        """Yield each layer's index and result as it is finished."""
        order = sorted(range(len(layers)), key=lambda index: (-_work(layers[index]), index))
        workers = min(worker_count(settings), len(layers))
        if workers <= 1:
            for index in order:
                yield index, measure_named(layers[index], settings)
            return
        yield from _threaded(layers, settings, order, workers)


def _threaded(
    layers: Sequence[WeightLayer], settings: Settings, order: list[int], workers: int
) -> Iterator[tuple[int, LayerResult]]:
    budget, stop = MemoryBudget(layers), threading.Event()

    def run(index: int) -> LayerResult:
        with budget.hold(peak_bytes(layers[index])) as granted:
            if stop.is_set() or not granted:
                raise Stopped
            return measure_named(layers[index], settings)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="gate-layer")
    try:
        pending: dict[Future[LayerResult], int] = {pool.submit(run, index): index for index in order}
        for future in as_completed(pending):
            yield pending.pop(future), future.result()
    finally:  # also on Ctrl-C and when the caller stops early: what has begun ends, nothing else begins
        stop.set()
        budget.close()
        pool.shutdown(wait=False, cancel_futures=True)


def measure_named(layer: WeightLayer, settings: Settings) -> LayerResult:
    """Measure one layer; an error names it."""
    try:
        return measure(layer, settings)
    except GateError as error:
        if layer.name not in error.message:
            error.message = f"layer {layer.name}: {error.message}"
        raise
    except MemoryError as error:
        raise ResourceError(
            f"layer {layer.name}: out of memory measuring a tensor of shape {layer.shape}",
            hint="Use fewer jobs (--jobs 1), or a machine with more memory.",
        ) from error


def worker_count(settings: Settings) -> int:
    """Return the number of threads asked for, by default one per core the process may use."""
    if settings.jobs is not None:
        return max(1, settings.jobs)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no such call
        return os.cpu_count() or 1


def _work(layer: WeightLayer) -> int:
    """Return what a layer costs, for ordering: N·M² of its matrices, roughly."""
    return layer.parameters * min(layer.shape[:2], default=1)
