"""A model in memory to its analysis."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.analysis.interface import Analysis
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Settings
    from gate.workflow.measure import Progress

MEMORY: Final = "memory:"
"""The source of a model that is no file; it has no other address."""

BASELINE: Final = "memory:baseline"
"""The specification of a baseline that is no file."""


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
    from gate.analysis import ArraysDigest, analyze_weights  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.analysis.interface import Source  # noqa: PLC0415
    from gate.spectra.executors import Beside, Local  # noqa: PLC0415
    from gate.weights.live import read_live  # noqa: PLC0415

    live = read_live(model)
    digest = ArraysDigest(live.readers)
    source = Source(uri=MEMORY, format=live.weights.format, digest="", files=())
    measuring = None if progress is None else partial(progress, "Measuring layers")
    if executor is None or type(executor) is Local:
        runner = (executor or Local()).in_memory(Beside(*digest.tiles(), digest.elements))
        analysis = analyze_weights(live.weights, source, settings, measuring, runner)
    else:
        with _beside(chain(*digest.tiles())) as finish:
            analysis = analyze_weights(live.weights, source, settings, measuring, executor)
            finish()
    return replace(analysis, source=replace(source, digest=digest.value()))


@contextmanager
def _beside(tiles: Iterator[Callable[[], None]]) -> Iterator[Callable[[], None]]:
    """Have a thread do the digest's tiles while layers are measured elsewhere; yields what waits for it.

    On Ctrl-C nobody waits for it.
    """
    over = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for tile in takewhile(lambda _: not over.is_set(), tiles):
                tile()
        except BaseException as error:  # noqa: BLE001 - raised again by finish()
            errors.append(error)

    def finish() -> None:
        thread.join()
        if errors:
            raise errors[0]

    thread = threading.Thread(target=work, daemon=True, name="gate-digest")
    thread.start()
    try:
        yield finish
    finally:
        over.set()
