"""From a model's weights to its analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate import __version__
from gate.analysis.architecture import architecture_fingerprint, layout_fingerprint
from gate.analysis.coverage import coverage_of
from gate.analysis.interface import Analysis, Engine, FileFindings, Source
from gate.errors import NothingToMeasureError
from gate.plugins import identities
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.spectra.executors import Executor
    from gate.spectra.interface import LayerPlot, Settings
    from gate.weights.interface import ModelWeights

_NAMED: Final = 3
"""Tensors named where there is nothing to measure; the rest are counted."""


def analyze_weights(
    weights: ModelWeights,
    source: Source,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
) -> Analysis:
    """Measure every layer of ``weights`` and sum up.

    Parameters
    ----------
    weights:
        The layers, listed and not yet read.
    source:
        Where they came from; copied into the result.
    settings:
        Convention, groups of metrics, precision, seed and number of workers.
    progress:
        Called with the weights measured so far and their total, for a progress bar.
    executor:
        Where layers are measured; threads of this process by default.

    Raises
    ------
    gate.errors.NothingToMeasureError
        The model holds no weight matrix at all.
    gate.errors.ModelError
        A tensor's bytes could not be read.
    gate.errors.ResourceError
        Memory ran out, or the executor could not be reached.
    """
    from gate.spectra import measure_layers, summarize  # noqa: PLC0415 - numpy is not needed to list weights

    if not weights.layers:
        raise NothingToMeasureError(
            f"{printable(source.uri.removesuffix(':'), None)}: no weight matrix found ({_left_out(weights)})",
            hint="Spectral metrics need weight matrices; `when_nothing_to_measure` in the policy decides "
            "what such a model means.",
            unsafe_globals=weights.unsafe_globals,
        )
    results = measure_layers(weights.layers, settings, progress=progress, executor=executor)
    rows = tuple(row for result in results for row in result.rows)
    plots: dict[str, LayerPlot] = {}
    for result in results:
        plots.update(result.plots)
    return Analysis(
        source=source,
        engine=engine_of(settings),
        coverage=coverage_of(weights, results),
        file=FileFindings(
            weights.unsafe_globals, weights.unreferenced_bytes, weights.nested_archives, weights.batch_norms
        ),
        architecture=architecture_fingerprint(weights.layers),
        model=summarize(rows, settings.convention),
        layers=rows,
        plots=plots,
        layout=layout_fingerprint(weights.layers),
    )


def _left_out(weights: ModelWeights) -> str:
    """Return what there was instead of layers, the first of it by name and with the reason."""
    named = [
        f"{printable(item.name, 80)}: {printable(item.reason, 120)}" for item in weights.skipped[:_NAMED]
    ]
    more = len(weights.skipped) - len(named)
    tensors = f"{len(weights.skipped)} tensors skipped, {weights.vectors} vectors"
    return "; ".join([tensors, *named, *([f"and {more} more"] if more else [])])


def engine_of(settings: Settings) -> Engine:
    """Return the record of everything that changes a number; workers and threads do not."""
    convention = settings.convention
    named = identities()
    return Engine(
        version=__version__,
        convention=convention.name,
        settings={
            "ks": convention.ks,
            "pooled": convention.pooled,
            "split": convention.split,
            "zero": convention.zero,
            "precision": "float32" if settings.float32 else "float64",
            "groups": sorted(settings.groups),
            "seed": settings.seed,
            **({"plugins": named} if named else {}),
        },
    )
