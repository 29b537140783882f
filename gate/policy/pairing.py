"""Whether two analyses compare, and which layer of one is which of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.analysis.matching import Item, match
from gate.policy.words import count, listed
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.analysis.interface import Analysis
    from gate.spectra.interface import LayerMetrics

PRECISION: Final = "the weights are stored in another precision"

_NAMED: Final = 5
_FIGURES: Final = (
    ("log_frobenius_norm", True),
    ("log_spectral_norm", True),
    ("stable_rank", False),
    ("participation_ratio", False),
    ("entropy", True),
)
"""What tells spectra of one shape apart, and whether it is a logarithm (or a share) already."""

_NOT_OF_THE_FIT: Final = frozenset({"groups"})
"""Engine settings that say what else was computed, not how the common figures were."""


LEAST_COMMON: Final = 0.5
"""A partial comparison wants at least this share of the baseline's weights to have a partner."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """The layers of a candidate beside those of its baseline.

    ``partners`` stand in the order of the candidate's rows, None for a row without a partner;
    ``lost`` are the baseline's rows that no row of the candidate answers to and that ought to have one.
    ``partial`` says in words what a partial comparison leaves out, and is empty for a whole one.
    """

    partners: tuple[LayerMetrics | None, ...]
    lost: tuple[LayerMetrics, ...]
    same_digest: bool
    partial: str = ""


def why_not_comparable(candidate: Analysis, baseline: Analysis) -> str | None:
    """Return the first reason why layers and means cannot be compared, None when they can."""
    if not same_layout(candidate, baseline):
        return "the kinds or shapes of the layers differ"
    ordered = candidate.architecture == baseline.architecture
    if not ordered and _types(candidate) != _types(baseline):
        return PRECISION
    return _why_unlike(candidate, baseline) or (_other_precision(candidate, baseline) if ordered else None)


def same_layout(candidate: Analysis, baseline: Analysis) -> bool:
    """Tell whether both have the same layers, in whatever order and under whatever names."""
    if candidate.architecture == baseline.architecture:
        return True
    return bool(candidate.layout) and candidate.layout == baseline.layout


def _why_unlike(candidate: Analysis, baseline: Analysis) -> str | None:
    """Return why figures of the two mean different things, whatever their layers are."""
    checks = (
        (candidate.engine.convention, baseline.engine.convention, "measured by another convention"),
        (_fit_settings(candidate), _fit_settings(baseline), "measured with other settings"),
        (candidate.file.batch_norms, baseline.file.batch_norms, "batch norms are folded in one of them"),
    )
    for ours, theirs, reason in checks:
        if ours != theirs:
            return reason + _detail(ours, theirs)
    return None


def partial_pairing(candidate: Analysis, baseline: Analysis) -> Pairing | str:
    """Pair what two models of different architecture have in common, or say why that is too little.

    A layer without a partner was replaced or added and is left out; it counts neither as lost nor as
    failed.  At least half of the baseline's weights must have a partner, of the same storage type.
    """
    unlike = _why_unlike(candidate, baseline)
    if unlike is not None:
        return unlike
    partners = _matched(candidate.layers, baseline.layers)
    pairs = [(row, then) for row, then in zip(candidate.layers, partners, strict=True) if then is not None]
    if any(row.dtype != then.dtype for row, then in pairs):
        return PRECISION
    paired = {id(then) for _, then in pairs}
    gone = [row for row in baseline.layers if id(row) not in paired]
    added = [row for row, then in zip(candidate.layers, partners, strict=True) if then is None]
    total = sum(row.parameters for row in baseline.layers)
    share = sum(then.parameters for _, then in pairs) / total if total else 0.0
    if share < LEAST_COMMON:
        return (
            f"the layers differ, and only {100 * share:.3g} % of the baseline's weights are in common "
            f"(a partial comparison wants {100 * LEAST_COMMON:.3g} %)"
        )
    words = (
        f"the common part: {count(len(pairs), 'layer')} with {100 * share:.3g} % of the baseline's weights"
        f"{_named('; without a partner now', gone)}{_named('; new', added)}"
    )
    return Pairing(partners, (), same_digest=False, partial=words)


def _named(title: str, rows: Sequence[LayerMetrics]) -> str:
    return f"{title}: {listed((printable(row.name, 80) for row in rows), _NAMED)}" if rows else ""


def _detail(ours: object, theirs: object) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        return f": {', '.join(names)}"
    if isinstance(ours, int) or (isinstance(ours, str) and not ours.startswith("sha256:")):
        return f": {theirs} before, {ours} now"
    return ""


def _fit_settings(analysis: Analysis) -> dict[str, object]:
    return {name: value for name, value in analysis.engine.settings.items() if name not in _NOT_OF_THE_FIT}


def _types(analysis: Analysis) -> list[str]:
    return sorted(row.dtype for row in analysis.layers)


def _other_precision(candidate: Analysis, baseline: Analysis) -> str | None:
    """Compare the storage types of the rows both have; a lost layer is no other precision."""
    pairs = zip(candidate.layers, baseline.layers, strict=False)
    return PRECISION if any(row.dtype != then.dtype for row, then in pairs) else None


def pair_layers(candidate: Analysis, baseline: Analysis) -> Pairing:
    """Pair the rows of two analyses with the same layers, see :func:`gate.analysis.matching.match`."""
    same = candidate.source.digest == baseline.source.digest
    partners = _matched(candidate.layers, baseline.layers)
    taken = {id(partner) for partner in partners if partner is not None}
    lost = tuple(row for row in baseline.layers if id(row) not in taken)
    return Pairing(partners, lost, same)


def _matched(ours: Sequence[LayerMetrics], theirs: Sequence[LayerMetrics]) -> tuple[LayerMetrics | None, ...]:
    found = {pair.ours: theirs[pair.theirs] for pair in match([*map(item, ours)], [*map(item, theirs)])}
    return tuple(found.get(place) for place in range(len(ours)))


def item(row: LayerMetrics) -> Item:
    """Return a row as what is matched: equal figures to the last bit are unchanged weights."""
    figures = tuple(_decades(getattr(row, name), logarithmic=known) for name, known in _FIGURES)
    precise = row.alpha is not None and row.entropy is not None and row.log_frobenius_norm is not None
    content = (figures, row.alpha, row.x_min, row.tail_size) if precise else None
    return Item(row.name, row.kind, row.shape, content, figures)


def _decades(value: float | None, *, logarithmic: bool) -> float | None:
    if value is None or logarithmic:
        return value
    return math.log10(value) if value > 0 else None
