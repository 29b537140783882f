"""A model in memory to its analysis."""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.analysis.interface import Analysis
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Settings
    from gate.workflow.measure import Progress

MEMORY: Final = "memory:"
"""The source of a model that is no file; it has no other address."""

BASELINE: Final = "memory:baseline"
"""The specification of a baseline that is no file."""

_WORTH_A_THREAD: Final = 1 << 18
"""Array elements of which the digest takes longer than a thread takes to begin."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Given:
    """A model, or the analysis of one, that was handed over instead of an address."""

    model: object

    def measure(self, settings: Settings, progress: Progress | None, executor: Executor) -> Analysis:
        """Return its analysis; raises as :func:`measure_live` does."""
        from gate.analysis.interface import Analysis  # noqa: PLC0415 - keeps `gate --help` fast

        if isinstance(self.model, Analysis):
            return self.model
        return measure_live(self.model, settings, progress, executor)


def measure_live(
    model: object,
    settings: Settings,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Analysis:
    """Measure a live model; see :func:`gate.weights.live.read_live` for what that may be.

    Raises
    ------
    gate.errors.UsageError
        It is nothing that holds weights.
    gate.errors.ModelError
        An array cannot be read.
    gate.errors.NothingToMeasureError
        It holds no weight matrix.
    """
    from gate.analysis import analyze_weights, arrays_digest  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.analysis.interface import Source  # noqa: PLC0415
    from gate.weights.live import read_live  # noqa: PLC0415

    live = read_live(model)
    digest: Callable[[], str] = partial(arrays_digest, live.readers)
    if sum(math.prod(reader.shape) for reader in live.readers.values()) >= _WORTH_A_THREAD:
        digest = _beside(digest).result
    source = Source(uri=MEMORY, format=live.weights.format, digest="", files=())
    measuring = None if progress is None else partial(progress, "Measuring layers")
    analysis = analyze_weights(live.weights, source, settings, measuring, executor)
    return replace(analysis, source=replace(source, digest=digest()))


def _beside(function: Callable[[], _Result]) -> Future[_Result]:
    """Run ``function`` on a thread that nobody has to wait for: on Ctrl-C it is left behind."""
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="gate-digest").start()
    return future
