"""One set of tensors, this engine and WeightWatcher side by side."""

from __future__ import annotations

import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common import Options, Sample, Worker, cpu, interleaved, machine_threads, wall
from benchmarks.tensors import keep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray


_REFERENCE: Final = "reference"


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to call ``gate.analyze``."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Samples of each variant, and of WeightWatcher by its number of threads (empty: not measured)."""

    engine: Mapping[str, list[Sample]]
    reference: Mapping[int, list[Sample]]

    @property
    def reference_wall(self) -> float | None:
        """WeightWatcher's median wall time at its better number of threads."""
        return min(map(wall, self.reference.values()), default=None)

    @property
    def reference_cpu(self) -> float | None:
        """Its smaller median CPU time."""
        return min(map(cpu, self.reference.values()), default=None)

    @property
    def reference_threads(self) -> int | None:
        """The better number of threads."""
        return min(self.reference, key=lambda count: wall(self.reference[count]), default=None)

    def ratio(self, variant: str) -> float | None:
        """Return how many times less wall time ``variant`` takes than WeightWatcher at its better setting.

        The median of the turns' ratios: a machine that is shared has slow minutes, which both sides of a
        turn share.
        """
        count = self.reference_threads
        if count is None:
            return None
        turns = zip(self.reference[count], self.engine[variant], strict=False)
        return statistics.median(other.wall / own.wall for other, own in turns)


def compare(
    tensors: Mapping[str, NDArray[Any]],
    variants: tuple[Variant, ...],
    options: Options,
    repeats: int,
    reference_options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Measure ``variants`` and WeightWatcher on one thread and on every core, taking turns."""
    counts = () if options.reference is None else machine_threads()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        archive = str(keep(tensors, Path(folder), "tensors"))
        engine = stack.enter_context(Worker(sys.executable, "engine.py", archive))
        runs: dict[str, Callable[[int], Sample]] = {
            variant.name: partial(engine.run, **variant.arguments) for variant in variants
        }
        for count in counts:
            worker = Worker(str(options.reference), "reference.py", archive, threads=count)
            stack.enter_context(worker)
            runs[f"{_REFERENCE} {count}"] = partial(worker.run, **(reference_options or {}))
        samples = interleaved(runs, repeats)
    return Comparison(
        engine={variant.name: samples[variant.name] for variant in variants},
        reference={count: samples[f"{_REFERENCE} {count}"] for count in counts},
    )
