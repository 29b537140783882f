"""Pairing the layers of two models and measuring each pair, two tensors at a time."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from gate.analysis.comparison.interface import ComparedModel, Comparison, LayerPair, ModelChange
from gate.analysis.comparison.relation import change_of, relation_of
from gate.analysis.comparison.tensors import digest_of, distance, is_rounded, values_of
from gate.analysis.matching import Item, Match, match

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gate.analysis.interface import Analysis
    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerMetrics
    from gate.weights.interface import ModelWeights

_METRICS: Final = ("alpha", "log_spectral_norm", "alpha_weighted")
_ROUNDED_TO: Final = ("float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models: its weights, not read yet, and what was measured on them."""

    weights: ModelWeights
    analysis: Analysis
    rows: Mapping[str, Sequence[LayerMetrics]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the rows of the analysis by the weight layer they are of."""
        rows: dict[str, list[LayerMetrics]] = {}
        for row in self.analysis.layers:
            rows.setdefault(row.layer, []).append(row)
        object.__setattr__(self, "rows", rows)

    def rows_of(self, layer: WeightLayer) -> Sequence[LayerMetrics]:
        """Return the rows of a layer: its parts or slices, or itself."""
        return self.rows.get(layer.name, ())


def compare_weights(a: Side, b: Side, progress: Callable[[int, int], None] | None = None) -> Comparison:
    """Compare two models layer by layer.

    Parameters
    ----------
    a, b:
        The models, measured by the same convention and settings; their files are still there.
    progress:
        Called with the pairs compared so far and their number.

    Returns
    -------
    Comparison
        Every layer of either model stands in it once: in a pair, or among the unmatched.

    Raises
    ------
    gate.errors.ModelError
        A tensor cannot be read.
    """
    ours, theirs = a.weights.layers, b.weights.layers
    found = match(*_items(a, b))
    folded = a.weights.batch_norms != b.weights.batch_norms
    pairs = []
    for done, pair in enumerate(found, start=1):
        pairs.append(_pair(a, b, pair, folded=folded))
        if progress is not None:
            progress(done, len(found))
    gone = _rest(ours, {pair.ours for pair in found})
    added = _rest(theirs, {pair.theirs for pair in found})
    relation, why = relation_of(
        pairs,
        same_digest=a.analysis.source.digest == b.analysis.source.digest,
        same_container=a.weights.format == b.weights.format
        and all(pair.a == pair.b and pair.dtype_a == pair.dtype_b for pair in pairs),
        gone=sum(layer.parameters for layer in gone),
        added=sum(layer.parameters for layer in added),
    )
    return Comparison(
        relation=relation,
        why=why,
        a=_model(a),
        b=_model(b),
        model=_model_changes(a.analysis, b.analysis),
        pairs=tuple(pairs),
        unmatched_a=tuple(layer.name for layer in gone),
        unmatched_b=tuple(layer.name for layer in added),
    )


def _rest(layers: Sequence[WeightLayer], paired: set[int]) -> list[WeightLayer]:
    return [layer for place, layer in enumerate(layers) if place not in paired]


def _model(side: Side) -> ComparedModel:
    source = side.analysis.source
    return ComparedModel(
        uri=source.uri,
        format=source.format,
        digest=source.digest,
        architecture=side.analysis.architecture,
        layout=side.analysis.layout,
        layers=len(side.weights.layers),
        parameters=sum(layer.parameters for layer in side.weights.layers),
    )


def _items(a: Side, b: Side) -> tuple[list[Item], list[Item]]:
    """Describe the layers for matching; tensors are hashed where names leave a choice, one at a time."""
    named = Counter(layer.name for layer in a.weights.layers) == Counter(
        layer.name for layer in b.weights.layers
    )
    shapes = [Counter((layer.kind, layer.shape) for layer in side.weights.layers) for side in (a, b)]
    unclear = {key for key in shapes[0].keys() & shapes[1].keys() if max(shapes[0][key], shapes[1][key]) > 1}
    return tuple(  # type: ignore[return-value]
        [
            _item(layer, side, hashed=not named and (layer.kind, layer.shape) in unclear)
            for layer in side.weights.layers
        ]
        for side in (a, b)
    )


def _item(layer: WeightLayer, side: Side, *, hashed: bool) -> Item:
    rows = side.rows_of(layer)
    figures = (
        _mean([row.log_frobenius_norm for row in rows]),
        _mean([row.log_spectral_norm for row in rows]),
        _mean([row.entropy for row in rows]),
    )
    return Item(layer.name, layer.kind, layer.shape, digest_of(layer) if hashed else None, figures)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def _pair(a: Side, b: Side, pair: Match, *, folded: bool) -> LayerPair:
    ours, theirs = a.weights.layers[pair.ours], b.weights.layers[pair.theirs]
    left, right = values_of(ours), values_of(theirs)
    found = distance(left, right)
    rounded = None
    if not found.equal and found.relative is not None and found.relative < _LARGEST_ROUNDING:
        rounded = next((dtype for dtype in _ROUNDED_TO if is_rounded(left, right, dtype)), None)
    change = change_of(ours, theirs, found, folded=folded, rounded=rounded is not None)
    rows_a, rows_b = a.rows_of(ours), b.rows_of(theirs)
    metrics = {
        f"{name}_{side}": _mean([getattr(row, name) for row in rows])
        for name in _METRICS
        for side, rows in (("a", rows_a), ("b", rows_b))
    }
    return LayerPair(
        a=ours.name,
        b=theirs.name,
        how=pair.how,
        change=change,
        kind=ours.kind,
        shape=ours.shape,
        parameters=ours.parameters,
        dtype_a=ours.dtype,
        dtype_b=theirs.dtype,
        relative_change=found.relative,
        cosine=found.cosine,
        largest_change=found.largest,
        sparsity_a=found.sparsity_a,
        sparsity_b=found.sparsity_b,
        **metrics,
        phase_a=_phase(rows_a),
        phase_b=_phase(rows_b),
        note=f"b is a rounded to {rounded}" if rounded and theirs.dtype != rounded else "",
    )


_LARGEST_ROUNDING: Final = 2.0**-7
"""Relative change beyond which no rounding to half precision can be the reason."""


def _phase(rows: Sequence[LayerMetrics]) -> str | None:
    """Return the phases of a layer's parts, each once."""
    return ", ".join(dict.fromkeys(row.phase for row in rows if row.phase)) or None


def _model_changes(a: Analysis, b: Analysis) -> tuple[ModelChange, ...]:
    changes = []
    for name in (item.name for item in fields(a.model)):
        one, other = getattr(a.model, name), getattr(b.model, name)
        if one is not None or other is not None:
            difference = None if one is None or other is None else other - one
            changes.append(ModelChange(name, one, other, difference))
    return tuple(changes)
