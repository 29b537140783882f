"""How much of a model was measured, and what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.analysis.interface import Coverage, SkippedLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerMetrics, LayerResult
    from gate.weights.interface import ModelWeights


def coverage_of(weights: ModelWeights, results: Sequence[LayerResult]) -> Coverage:
    """Count what was measured; ``results`` stand in the order of ``weights.layers``.

    A layer counts as measured when every one of its rows has a spectrum with a scale: a layer
    full of NaN or of zeros was read, but nothing can be said of it.
    """
    matrices = [layer for layer in weights.layers if layer.kind != "embedding"]
    lost_matrices = [item for item in weights.skipped if item.matrix]
    measured = [layer for layer, result in zip(weights.layers, results, strict=True) if _is_measured(result)]
    skipped = [SkippedLayer(item.name, item.reason, item.parameters) for item in weights.skipped]
    for layer, result in zip(weights.layers, results, strict=True):
        skipped.extend(_unmeasured(layer, result))
    return Coverage(
        parameters=_parameters(matrices) + sum(item.parameters for item in lost_matrices),
        analyzed_parameters=_parameters([layer for layer in measured if layer.kind != "embedding"]),
        layers=len(weights.layers) + len(lost_matrices),
        analyzed_layers=len(measured),
        skipped=tuple(skipped),
        embedding_parameters=_parameters([layer for layer in weights.layers if layer.kind == "embedding"]),
        vector_parameters=weights.vector_parameters,
    )


def _parameters(layers: Sequence[WeightLayer]) -> int:
    return sum(layer.parameters for layer in layers)


def _has_spectrum(row: LayerMetrics) -> bool:
    return row.log_frobenius_norm is not None


def _is_measured(result: LayerResult) -> bool:
    return bool(result.rows) and all(_has_spectrum(row) for row in result.rows)


def _unmeasured(layer: WeightLayer, result: LayerResult) -> list[SkippedLayer]:
    if not result.rows:
        return [SkippedLayer(layer.name, "left out by the convention", layer.parameters)]
    return [
        SkippedLayer(row.name, row.reason or "no spectrum", row.parameters)
        for row in result.rows
        if not _has_spectrum(row)
    ]
