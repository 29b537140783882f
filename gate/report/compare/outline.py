"""What every report says of a comparison, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.report.figures import count, figure, fixed, percent, shape, signed
from gate.text import printable

if TYPE_CHECKING:
    from gate.analysis.comparison import Comparison, LayerPair, Relation
    from gate.analysis.comparison.interface import ComparedModel

WORDS: Final[dict[Relation, str]] = {
    "identical": "Identical",
    "re-exported": "The same weights, exported again",
    "quantised": "The same weights, quantised",
    "pruned": "Pruned",
    "fine-tuned": "Fine-tuned",
    "different": "Different models",
}
COLUMNS: Final[tuple[tuple[str, bool], ...]] = (
    ("layer", False), ("change", False), ("paired by", False), ("shape", False), ("stored", False),
    ("‖ΔW‖/‖W‖", True), ("cosine", True), ("zeros", True), ("alpha", True), ("log norm", True),
    ("phase", False),
)  # fmt: skip

_TITLES: Final = {
    "alpha": "alpha, mean",
    "alpha_weighted": "AlphaHat (alpha weighted by log norm)",
    "ks_distance": "KS distance (quality of the fits)",
    "log_spectral_norm": "log spectral norm",
    "log_frobenius_norm": "log Frobenius norm",
    "stable_rank": "stable rank",
    "layers": "layers in the means",
    "excluded_layers": "layers left out of the means",
}
"""Model metrics that are shown to people; the JSON has them all."""


def headline(comparison: Comparison) -> str:
    """Return the relation in a few words."""
    return WORDS[comparison.relation]


def facts(comparison: Comparison) -> tuple[str, ...]:
    """Say why, and what was paired."""
    pairs = comparison.pairs
    hows = {how: sum(pair.how == how for pair in pairs) for how in ("name", "content", "spectrum", "order")}
    by = ", ".join(f"{number} by {how}" for how, number in hows.items() if number)
    return (
        f"{printable(comparison.why, 400)}.",
        f"{count(len(pairs), 'layer')} paired" + (f": {by}." if by else "."),
    )


def models(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """Return (a or b, what it is) of both models."""
    return tuple(
        (
            side,
            f"{printable(model.uri)} ({printable(model.format)}, {_size(model)})",
        )
        for side, model in (("a", comparison.a), ("b", comparison.b))
    )


def _size(model: ComparedModel) -> str:
    return f"{count(model.layers, 'layer')}, {count(model.parameters, 'weight')}"


def unmatched(comparison: Comparison) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return titles and names of layers without a partner."""
    found = (("Only in a", comparison.unmatched_a), ("Only in b", comparison.unmatched_b))
    return tuple((title, names) for title, names in found if names)


def ordered(comparison: Comparison) -> tuple[LayerPair, ...]:
    """Return the pairs, the most changed first; those without a figure before all."""
    return tuple(
        sorted(
            comparison.pairs,
            key=lambda pair: float("-inf") if pair.relative_change is None else -pair.relative_change,
        )
    )


def cells(pair: LayerPair) -> tuple[str, ...]:
    """Return a pair's row below ``COLUMNS``."""
    return (
        pair_name(pair),
        f"{pair.change} ({pair.note})" if pair.note else pair.change,
        pair.how,
        shape(pair.shape),
        _both(pair.dtype_a, pair.dtype_b),
        figure(pair.relative_change, 3),
        fixed(pair.cosine, 4),
        _both(percent(pair.sparsity_a), percent(pair.sparsity_b)),
        _both(fixed(pair.alpha_a), fixed(pair.alpha_b)),
        _both(fixed(pair.log_spectral_norm_a), fixed(pair.log_spectral_norm_b)),
        _both(pair.phase_a or "–", pair.phase_b or "–"),
    )


def pair_name(pair: LayerPair) -> str:
    """Return the name, or both where they differ."""
    return _both(pair.a, pair.b)


def _both(a: str, b: str) -> str:
    a, b = printable(a), printable(b)
    return a if a == b else f"{a} → {b}"


def metrics(comparison: Comparison) -> tuple[tuple[str, str, str, str], ...]:
    """Return (metric, a, b, difference) of the model metrics that people look at."""
    return tuple(
        (
            _TITLES[change.metric],
            figure(change.a),
            figure(change.b),
            "–" if change.difference is None else signed(change.difference),
        )
        for change in comparison.model
        if change.metric in _TITLES
    )
