"""The search for x_min: pruned by lower bounds against evaluating every candidate."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.common import Options, Section, Target, at_least, say, seconds, times
from benchmarks.tensors import SEED
from gate.spectra import convention
from gate.spectra.power_law import Candidates

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TITLE: Final = "The search for x_min"
_LARGE: Final = 4096
_TEXT: Final = """
The KS distance of every candidate x_min against the same minimum found by pruning: both exact, both
vectorised (`gate/spectra/power_law.py`). Random spectra are of five families in turn: Marchenko-Pastur,
Pareto, log-normal, a bulk with a Pareto tail, and few values often repeated (ties).
"""


def run(options: Options) -> Section:
    """Compare times by size and choices over many random spectra."""
    generator = np.random.default_rng(SEED)
    small, large = (200, 2) if options.quick else (10_000, 50)
    rows, last = [], 0.0
    for size in (128, 512) if options.quick else (128, 512, 1024, 2048, 4096, 11008):
        full, pruned = _timed(generator, size, 2 if options.quick else 10)
        rows.append((str(size), seconds(full), seconds(pruned), times(full / pruned)))
        last = full / pruned if size <= _LARGE else last
    say(f"  {small} spectra")
    same_small = sum(_agree(_spectrum(generator, int(generator.integers(20, 513)))) for _ in range(small))
    same_large = sum(_agree(_spectrum(generator, _LARGE)) for _ in range(large))
    ratio = None if options.quick else last
    return Section(
        title=TITLE,
        text=_TEXT,
        header=("eigenvalues", "every candidate", "pruned", "times faster"),
        rows=tuple(rows),
        targets=(
            at_least(f"at least 10 times faster at n = {_LARGE}", ratio, 10),
            _same(f"the same x_min on {small:,} random spectra of up to 512", same_small, small),
            _same(f"the same x_min on {large} random spectra of {_LARGE}", same_large, large),
        ),
    )


def _same(promise: str, found: int, total: int) -> Target:
    return Target(promise, f"{found:,} of {total:,}", found == total)


def _candidates(spectrum: NDArray[np.float64]) -> Candidates:
    return Candidates.of(spectrum, convention("gate-1"))


def _every(spectrum: NDArray[np.float64]) -> int:
    """Return the first start with the smallest D, from all of them."""
    candidates = _candidates(spectrum)
    starts = candidates.starts
    return int(starts[np.argmin(candidates.distances(starts))])


def _pruned(spectrum: NDArray[np.float64]) -> int:
    return _candidates(spectrum).best()[0]


def _agree(spectrum: NDArray[np.float64]) -> bool:
    return _every(spectrum) == _pruned(spectrum)


def _timed(generator: np.random.Generator, size: int, repeats: int) -> tuple[float, float]:
    """Return the median seconds of both searches over spectra of every family."""
    spectra = [_spectrum(generator, size) for _ in range(repeats)]
    pairs = [(_cpu(_every, spectrum), _cpu(_pruned, spectrum)) for spectrum in spectra]
    full, pruned = zip(*pairs, strict=True)
    return statistics.median(full), statistics.median(pruned)


def _cpu(call: Callable[[NDArray[np.float64]], object], spectrum: NDArray[np.float64]) -> float:
    started = time.perf_counter()
    call(spectrum)
    return time.perf_counter() - started


def _spectrum(generator: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Return ascending positive numbers of a random family."""
    family = int(generator.integers(5))
    if family == 0:
        ratio = generator.uniform(1, 4)
        entries = generator.standard_normal((int(size * ratio), size)) if size <= 512 else None  # noqa: PLR2004
        values = (
            generator.uniform(0.5, 2, size) if entries is None else np.linalg.eigvalsh(entries.T @ entries)
        )
    elif family == 1:
        values = (1 - generator.random(size)) ** (-1 / generator.uniform(0.5, 6))
    elif family == 2:  # noqa: PLR2004 - the third of five
        values = np.exp(generator.standard_normal(size) * generator.uniform(0.2, 2))
    elif family == 3:  # noqa: PLR2004
        tail = max(2, int(size * generator.uniform(0.02, 0.5)))
        heavy = (1 - generator.random(tail)) ** (-1 / generator.uniform(0.5, 6))
        values = np.concatenate([generator.uniform(0.1, 1, size - tail), heavy])
    else:
        values = generator.integers(1, max(3, size // 8), size).astype(np.float64)
    return np.sort(np.asarray(values, np.float64))
