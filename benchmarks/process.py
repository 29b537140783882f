"""The whole process, start-up included: ``gate analyze FILE`` against a script that calls WeightWatcher."""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.common import ROOT, Options, Section, Target, at_least, machine_threads, say, seconds, times
from benchmarks.tensors import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TITLE: Final = "Whole process"
MEASURED: Final = ("silero", "lite1", "lite2")
_MEGABYTE: Final = 1 << 20
_TEXT: Final = """
From nothing to a table: `gate analyze FILE --format csv --no-cache` against a script that loads the same
file and calls `analyze()` (benchmarks/workers/reference_script.py), on one thread and on one per core, the
better taken. Wall time and peak resident memory of a fresh process, taking turns; medians.
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """Wall-clock seconds and peak resident bytes of a process."""

    wall: float
    peak: int


def run(options: Options) -> Section:
    """Measure whole processes on some reference models."""
    names = MEASURED[:1] if options.quick else MEASURED
    rows, targets = [], []
    for name in names:
        say(f"  {name}")
        spent = _compare(str(MODELS[name].path()), options)
        row, found = _judge(MODELS[name].title, spent)
        rows.append(row)
        targets += found
    return Section(
        title=TITLE,
        text=_TEXT,
        header=("model", "WeightWatcher", "gate", "times faster", "its peak memory", "gate's peak memory"),
        rows=tuple(rows),
        targets=tuple(targets),
    )


def _compare(path: str, options: Options) -> Mapping[str, list[Spent]]:
    gate = [sys.executable, "-c", "from gate.cli import main; main()", "analyze", path]
    runs: dict[str, Callable[[], Spent]] = {
        "gate": partial(spend, [*gate, "--format", "csv", "--no-cache", "--quiet"], None)
    }
    script = str(ROOT / "benchmarks" / "workers" / "reference_script.py")
    if options.reference is not None:
        for count in machine_threads():
            runs[f"reference {count}"] = partial(spend, [str(options.reference), script, path], count)
    spent: dict[str, list[Spent]] = {name: [] for name in runs}
    for turn in range(2 if options.quick else 8):
        for name, run_once in runs.items():
            sample = run_once()
            if turn:  # the first one brings the files into memory
                spent[name].append(sample)
    return spent


def spend(command: Sequence[str], threads: int | None) -> Spent:
    """Run a command to its end and return what it took.

    Raises
    ------
    RuntimeError
        It failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has been compiled
    if threads is not None:
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    nothing = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    started = time.perf_counter()
    child = os.posix_spawn(command[0], list(command), environment, file_actions=[nothing, quiet])
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return Spent(time.perf_counter() - started, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def _judge(title: str, spent: Mapping[str, list[Spent]]) -> tuple[tuple[str, ...], list[Target]]:
    own = statistics.median(sample.wall for sample in spent["gate"])
    peak = max(sample.peak for sample in spent["gate"])
    other = [samples for name, samples in spent.items() if name != "gate"]
    best = min((statistics.median(sample.wall for sample in samples) for samples in other), default=None)
    least = min((max(sample.peak for sample in samples) for samples in other), default=None)
    ratio = None if best is None else best / own
    row = (title, seconds(best), seconds(own), times(ratio), _megabytes(least), _megabytes(peak))
    less = Target(
        f"{title}: less memory",
        f"{_megabytes(peak)} of {_megabytes(least)}",
        None if least is None else peak < least,
    )
    return row, [at_least(f"{title}: at least 10 times", ratio, 10), less]


def _megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / _MEGABYTE:.0f} MB"
