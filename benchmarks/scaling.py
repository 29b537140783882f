"""Measure one block of a 1B model and say what models of 7B and 70B would cost on many workers.

About two minutes on one core for three tables: what was measured, how well the cost model predicts a
larger matrix that was measured too, and what it predicts for whole models.  Times are processor
seconds on one BLAS thread, so that other work on the machine disturbs them little.
``python -m benchmarks.scaling`` prints them alone.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.common import Options, Section, say
from gate.layer import WeightLayer
from gate.spectra import Settings, convention
from gate.spectra.cache.tensor import Held, tensor_digest
from gate.spectra.lapack import blas_threads
from gate.spectra.layer import measure

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE: Final = "Large models, many machines"

Shape = tuple[int, int]

BLOCK: Final[dict[str, tuple[Shape, int]]] = {
    "query, output": ((2048, 2048), 2),
    "key, value": ((512, 2048), 2),
    "gate, up, down": ((8192, 2048), 3),
}
"""One block of a 1B model: hidden size 2048, 8 key-value heads of 64, feed-forward size 8192."""

CHECK: Final[Shape] = (4096, 4096)
"""Larger than anything the cost model is fitted to."""

WORKERS: Final = (1, 8, 64)
TASK_SECONDS: Final = 0.01
"""What one task costs beside the measuring: scheduling, and the result's way back."""

READERS: Final = 4
"""Threads on which the client reads and hashes (gate.spectra.executors.dask.run)."""


@dataclass(frozen=True, slots=True)
class Transformer:
    """The matrices of a model by its dimensions, as their publications give them."""

    name: str
    blocks: int
    hidden: int
    key_value: int
    feed_forward: int
    vocabulary: int

    def shapes(self) -> list[Shape]:
        """Return every weight matrix, both embeddings included."""
        attention = [(self.hidden, self.hidden)] * 2 + [(self.key_value, self.hidden)] * 2
        feed_forward = [(self.feed_forward, self.hidden)] * 3
        return (attention + feed_forward) * self.blocks + [(self.vocabulary, self.hidden)] * 2


MODELS: Final = (
    Transformer("1B", 16, 2048, 512, 8192, 128256),
    Transformer("7B", 32, 4096, 4096, 11008, 32000),
    Transformer("70B", 80, 8192, 1024, 28672, 32000),
)


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds of one matrix: its Gram product N·M² at one rate, its eigenvalues M³ at another."""

    gram: float
    eigenvalues: float

    def __call__(self, shape: Shape) -> float:
        """Return the seconds one matrix takes on one core."""
        low, high = sorted(shape)
        return self.gram * high * low**2 + self.eigenvalues * low**3


def measured_seconds(shape: Shape, turns: int) -> float:
    """Return the processor seconds of measuring one Gaussian matrix, the best of some turns."""
    values = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    layer = WeightLayer("w", "dense", shape, "float32", Held(values), "w", shape)
    settings = Settings(convention("gate-1"))
    spent = []
    for _ in range(turns):
        begun = time.process_time()
        measure(layer, settings)
        spent.append(time.process_time() - begun)
    return min(spent)


def fitted(measured: dict[Shape, float]) -> CostModel:
    """Fit both rates by least squares of relative errors."""
    rows = [(max(shape) * min(shape) ** 2, min(shape) ** 3) for shape in measured]
    seconds = np.array(list(measured.values()))
    scaled = np.array(rows, dtype=float) / seconds[:, None]
    rates, *_ = np.linalg.lstsq(scaled, np.ones(len(seconds)), rcond=None)
    return CostModel(float(rates[0]), float(rates[1]))


def makespan(costs: list[float], workers: int) -> float:
    """Return when the last of ``workers`` is done: the largest first, each to whoever is free."""
    free = [0.0] * workers
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(free, free[0] + cost + TASK_SECONDS)
    return max(free)


def hash_rate() -> float:
    """Return the bytes a second one thread digests, measured."""
    values = np.random.default_rng(0).standard_normal((4096, 4096), dtype=np.float32)
    spent = []
    for _ in range(3):
        begun = time.process_time()
        tensor_digest(values)
        spent.append(time.process_time() - begun)
    return values.nbytes / min(spent)


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def run(_: Options) -> Section:
    """Measure, fit, check and extrapolate."""
    return Section(TITLE, "\n".join(_tables()), (), ())


def _tables() -> Iterator[str]:
    with blas_threads().one():
        yield from _measured_and_extrapolated()


def _measured_and_extrapolated() -> Iterator[str]:
    yield "Measured: one block of a 1B model, float32 storage, default metrics, one core.\n"
    yield "| matrices | shape | how many | seconds each |\n|---|---|---|---|"
    measured = {}
    for name, (shape, count) in BLOCK.items():
        measured[shape] = measured_seconds(shape, turns=3)
        yield f"| {name} | {shape[0]}×{shape[1]} | {count} | {measured[shape]:.2f} |"
    cost = fitted(measured)
    block = sum(measured[shape] * count for shape, count in BLOCK.values())
    rates = (1e-9 / cost.gram, 4e-9 / 3 / cost.eigenvalues)
    yield (
        f"\nThe block: {block:.1f} s. Fitted: {rates[0]:.0f} Gflop/s for the Gram product (N·M²), "
        f"{rates[1]:.0f} Gflop/s for the eigenvalues (4/3·M³).\n"
    )
    actual = measured_seconds(CHECK, turns=1)
    yield f"Check: {CHECK[0]}×{CHECK[1]} measured {actual:.1f} s, predicted {cost(CHECK):.1f} s.\n"
    rate = hash_rate()
    yield f"Measured: the client digests {rate / 1e9:.2f} GB/s on each of {READERS} threads.\n"
    columns = " | ".join(f"{workers} worker{'s' * (workers > 1)}" for workers in WORKERS)
    yield (
        f"Extrapolated.\n\n| model | matrices | core-hours | {columns} | largest matrix | client |\n"
        + "|---" * 8
        + "|"
    )
    for model in MODELS:
        shapes = model.shapes()
        costs = [cost(shape) for shape in shapes]
        walls = " | ".join(duration(makespan(costs, workers)) for workers in WORKERS)
        client = sum(4 * rows * columns for rows, columns in shapes) / rate / READERS
        yield (
            f"| {model.name} | {len(shapes)} | {sum(costs) / 3600:.2f} | {walls} "
            f"| {duration(max(costs))} | {duration(client)} |"
        )


if __name__ == "__main__":
    for line in _tables():
        say(line)
