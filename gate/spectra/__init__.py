"""The room that measures: weight matrix → eigenvalues → fit → layer metrics → model summary.

Comes in: :class:`gate.layer.WeightLayer` values, described but not read, and
:class:`~gate.spectra.interface.Settings`.  Goes out: one :class:`~gate.spectra.interface.LayerResult`
per layer, and their :class:`~gate.spectra.interface.ModelSummary`.  Must never know MLflow, files,
policies, or any framework: numpy and scipy are all it uses.

The way a tensor takes: :mod:`.matrices` (slices, parts, groups) → :mod:`.eigenvalues` (on
:mod:`.lapack`) → :mod:`.zero` → :mod:`.power_law` → :mod:`.norms`, :mod:`.flags`, :mod:`.plot` and
the further groups of :mod:`.groups`, put together in :mod:`.layer`; :mod:`.executors` runs many;
:mod:`.summary` averages.  :mod:`.conventions` holds every choice that changes a number,
:mod:`.metrics` says what each number means.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from gate.spectra.conventions import CONVENTIONS, convention
from gate.spectra.interface import (
    Convention,
    LayerMetrics,
    LayerPlot,
    LayerResult,
    Metric,
    ModelSummary,
    Settings,
)
from gate.spectra.metrics import METRICS, metric
from gate.spectra.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.executors import Executor

__all__ = [
    "CONVENTIONS",
    "METRICS",
    "Convention",
    "LayerMetrics",
    "LayerPlot",
    "LayerResult",
    "Metric",
    "ModelSummary",
    "Settings",
    "convention",
    "measure_layers",
    "metric",
    "summarize",
]


def measure_layers(
    layers: Sequence[WeightLayer],
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
) -> tuple[LayerResult, ...]:
    """Measure every layer of a model.

    Parameters
    ----------
    layers:
        The layers, none of them read yet; each is read once, few at a time.
    settings:
        How to measure.
    progress:
        Called, from this thread, with the weights measured so far and their total.
    executor:
        What runs it; threads of this process by default.

    Returns
    -------
    tuple of LayerResult
        One per layer, in the order given; independent of the number of workers.

    Raises
    ------
    gate.errors.GateError
        A layer cannot be read or measured; its name is in the message.
    """
    from gate.spectra.executors import Local  # noqa: PLC0415 - numpy takes 0.1 s, and --help must not pay it

    total, done = sum(layer.parameters for layer in layers), 0
    found: dict[int, LayerResult] = {}
    with closing((executor or Local()).map(layers, settings)) as run:
        for index, result in run:
            found[index] = result
            done += layers[index].parameters
            if progress is not None:
                progress(done, total)
    return tuple(found[index] for index in range(len(layers)))
