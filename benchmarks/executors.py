"""Compare threads with processes and Dask workers for measuring one model, and price the cache.

A few minutes for two tables.  The first holds wall seconds, best of a few turns taken in turn; processes
are counted with and without their start.  The second holds what the cache adds to a layer, beside
what it saves.  ``python -m benchmarks.executors`` prints them alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from distributed import LocalCluster
from safetensors.numpy import save_file

from benchmarks.common import Options, Section, say
from gate.spectra import Settings, convention, measure_layers
from gate.spectra.cache import CacheFolder, LayerCache
from gate.spectra.cache.tensor import digests_of
from gate.spectra.executors import Dask
from gate.spectra.executors.cost import work
from gate.spectra.executors.local import measure_named
from gate.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gate.layer import WeightLayer

WORKERS: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
TURNS: Final = 5
SETTINGS: Final = Settings(convention("gate-1"))

MODELS: Final[dict[str, list[tuple[int, ...]]]] = {
    "65 convolutions to 1280×320": [
        shape
        for width in (16, 24, 40, 80, 112, 192, 320)
        for shape in [(width * 6, width, 1, 1), (width, width * 6, 1, 1)] * 4 + [(width, 3, 3, 3)]
    ],
    "6 blocks of a 384-wide transformer": [*[(384, 384)] * 24, *[(1536, 384)] * 12],
    "1 block of a 1B model": [*[(2048, 2048)] * 2, *[(512, 2048)] * 2, *[(8192, 2048)] * 3],
}


TITLE: Final = "Threads, processes, Dask and the cache"
_TEXT: Final = """
One model on threads of a process (what `local` is), on processes that read their tensors themselves, and on
Dask workers of this machine: wall seconds, best of a few turns taken in turn.
"""


def run(options: Options) -> Section:
    """Compare executors, and price the cache."""
    models = dict(list(MODELS.items())[:1]) if options.quick else MODELS
    lines = [_TEXT, *compare_executors(models), *price_cache()]
    return Section(TITLE, "\n".join(lines), (), ())


def written(shapes: Sequence[tuple[int, ...]], folder: Path) -> tuple[WeightLayer, ...]:
    """Write a model of Gaussian float32 tensors; return its layers, read by mapping the file."""
    generator = np.random.default_rng(0)
    path = folder / "model.safetensors"
    save_file(
        {
            f"{index}.weight": generator.standard_normal(shape, dtype=np.float32)
            for index, shape in enumerate(shapes)
        },
        path,
    )
    return read_weights(path, root=folder).layers


def by_processes(layers: Sequence[WeightLayer], pool: ProcessPoolExecutor) -> None:
    """Measure layers in other processes, each reading its tensors itself, largest first."""
    order = sorted(layers, key=work, reverse=True)
    for future in [pool.submit(measure_named, layer, SETTINGS) for layer in order]:
        future.result()


def started_pool() -> ProcessPoolExecutor:
    """Return a pool whose processes have imported the engine and loaded BLAS."""
    pool = ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"))
    for future in [pool.submit(_warm, index) for index in range(4 * WORKERS)]:
        future.result()
    return pool


def _warm(index: int) -> int:
    np.linalg.eigvalsh(np.eye(50))
    time.sleep(0.05)  # so that every process gets one
    return index


def seconds(run: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def compare_executors(models: Mapping[str, list[tuple[int, ...]]]) -> Iterator[str]:
    """Yield a table of wall seconds by executor and model."""
    yield f"| model | {WORKERS} threads | {WORKERS} processes | and their start | {WORKERS} Dask workers |"
    yield "|---|---|---|---|---|"
    start = seconds(lambda: started_pool().shutdown())
    cluster = LocalCluster(WORKERS, threads_per_worker=1, dashboard_address=None)
    with started_pool() as pool, cluster:
        dask = Dask(cluster.scheduler_address.replace("tcp", "dask"))
        for name, shapes in models.items():
            with tempfile.TemporaryDirectory() as folder:
                layers = written(shapes, Path(folder))
                settings = replace(SETTINGS, jobs=WORKERS)
                measure_layers(layers[:1], settings)
                turns = [
                    (
                        seconds(lambda: measure_layers(layers, settings)),  # noqa: B023 - called at once
                        seconds(lambda: by_processes(layers, pool)),  # noqa: B023
                        seconds(lambda: measure_layers(layers, settings, executor=dask)),  # noqa: B023
                    )
                    for _ in range(TURNS)
                ]
            threads, processes, workers = (min(column) for column in zip(*turns, strict=True))
            yield f"| {name} | {threads:.3f} | {processes:.3f} | {processes + start:.3f} | {workers:.3f} |"


def price_cache() -> Iterator[str]:
    """Yield, for one layer of each size, measuring against hashing, keeping and finding."""
    yield "\n| layer | N·M² | measure ms | hash ms | keep ms | find ms | hash GB/s |"
    yield "|---|---|---|---|---|---|---|"
    shapes = [(64, 64), (256, 128), (384, 384), (1536, 384), (1024, 1024), (2048, 2048)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cache").mkdir(mode=0o700)
        cache = LayerCache(CacheFolder(Path(folder, "cache")))
        cache.begin()
        for layer in sorted(written(shapes, Path(folder)), key=work):
            yield _price(layer, cache)


def _price(layer: WeightLayer, cache: LayerCache) -> str:
    result = measure_named(layer, SETTINGS)
    _, digests = digests_of(layer)
    key = cache.key(layer, SETTINGS, digests)
    calls: list[Callable[[], object]] = [
        lambda: measure_named(layer, SETTINGS),
        lambda: digests_of(layer),
        lambda: cache.keep(key, layer, result),
        lambda: cache.find(cache.key(layer, SETTINGS, digests), layer),
    ]
    spent = [min(seconds(call) for _ in range(TURNS)) for call in calls]
    columns = " | ".join(f"{1000 * each:.2f}" for each in spent)
    rate = layer.parameters * 4 / spent[1] / 1e9
    name = "×".join(map(str, layer.shape))
    return f"| {name} | {work(layer):.1e} | {columns} | {rate:.2f} |"


if __name__ == "__main__":
    for line in (*compare_executors(MODELS), *price_cache()):
        say(line)
