"""What every benchmark is made of: workers that run side by side, samples, and the section they fill."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "benchmarks"
TURN: Final = 1.5
"""Seconds a turn should last, so that the clock's grain and what the other side left of the caches do not
matter: the first run of a turn takes 20 to 50 % longer than the fifth."""

LONG: Final = 5.0
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure: ``quick`` is a smoke test, ``reference`` the other tool's interpreter or None."""

    quick: bool
    reference: Path | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: wall-clock seconds, CPU seconds over all threads, and what else the worker told."""

    wall: float
    cpu: float
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A promise, what was measured for it, and whether it holds (None: could not be measured)."""

    promise: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark's part of the page; ``plots`` are names and captions of the drawings in ``drawings``."""

    title: str
    text: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    targets: tuple[Target, ...] = ()
    plots: tuple[tuple[str, str], ...] = ()
    drawings: tuple[str, ...] = ()


class Worker:
    """A process that repeats one measurement each time it is asked, and idles meanwhile.

    Both sides of a comparison stay alive, imports paid and memory warm, so that their runs can
    alternate: what else happens on the machine then hits both.
    """

    def __init__(self, python: Path | str, script: str, *arguments: str, threads: int | None = None) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        for variable in _THREADS:
            environment.pop(variable, None)
            if threads is not None:
                environment[variable] = str(threads)
        self._process = subprocess.Popen(
            [str(python), str(ROOT / "benchmarks" / "workers" / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, which reads the end of its input."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def run(self, count: int = 1, **options: Any) -> Sample:
        """Return the mean of ``count`` runs in a row with ``options``, which the script understands."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the worker has no pipes")
        process.stdin.write(json.dumps([count, options]) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker {process.args!r} ended with {process.wait()}")
        answer = json.loads(line)
        return Sample(answer.pop("wall"), answer.pop("cpu"), answer)


def interleaved(runs: Mapping[str, Callable[[int], Sample]], repeats: int) -> dict[str, list[Sample]]:
    """Let every one take its turn, ``repeats`` times over: A B A B.

    A turn is as many runs as fill :data:`TURN`, counted by a first run that warms up; where one run
    takes longer than :data:`LONG`, that first one counts as a turn.
    """
    first = {name: run(1) for name, run in runs.items()}
    first = {name: sample if sample.wall > LONG else runs[name](1) for name, sample in first.items()}
    counts = {name: max(1, round(TURN / sample.wall)) for name, sample in first.items()}
    samples = {name: [sample] if sample.wall > LONG else [] for name, sample in first.items()}
    for _ in range(repeats):
        for name, run in runs.items():
            if len(samples[name]) < repeats:
                samples[name].append(run(counts[name]))
    return samples


def wall(samples: Iterable[Sample]) -> float:
    """Return the median wall time."""
    return statistics.median(sample.wall for sample in samples)


def cpu(samples: Iterable[Sample]) -> float:
    """Return the median CPU time."""
    return statistics.median(sample.cpu for sample in samples)


def seconds(value: float | None) -> str:
    """Write a time so that three figures show."""
    if value is None:
        return "–"
    if value < 1e-3:  # noqa: PLR2004 - the units change here
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def times(value: float | None) -> str:
    """Write a ratio."""
    return "–" if value is None else f"{value:.1f}×"


def at_least(promise: str, measured: float | None, limit: float) -> Target:
    """Return the target that a ratio reaches ``limit``."""
    return Target(promise, times(measured), None if measured is None else measured >= limit)


def at_most(promise: str, measured: float | None, limit: float, text: str | None = None) -> Target:
    """Return the target that a figure stays below ``limit``."""
    shown = text or ("–" if measured is None else f"{measured:.2f}")
    return Target(promise, shown, None if measured is None else measured <= limit)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_threads() -> tuple[int, ...]:
    """Return the numbers of BLAS threads that the other tool is measured with."""
    return tuple(dict.fromkeys((1, cores())))


def machine() -> dict[str, str]:
    """Describe what the figures were measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    return {
        "processor": _processor(),
        "cores": str(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": f"{packages}; {_blas()}",
    }


def now() -> str:
    """Return the date, to the minute, in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def load() -> str:
    """Return the load average of the last minute, which tells how busy the machine was with other work."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = dict(line.partition("\t")[::2] for line in lines)
    named = {key.strip(): value.strip(": \t") for key, value in facts.items()}
    return (
        f"{named.get('model name', 'unknown')} (family {named.get('cpu family')}, model {named.get('model')})"
    )


def _blas() -> str:
    from gate.spectra.lapack import backend  # noqa: PLC0415 - loads numpy's BLAS

    return f"linear algebra by {backend().name}"


def say(text: str) -> None:
    """Tell a person how far it got."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a script
