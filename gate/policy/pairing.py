"""Whether two analyses compare, and which layer of one is which of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.analysis.interface import Analysis
    from gate.spectra.interface import LayerMetrics

_NOT_OF_THE_FIT: Final = frozenset({"groups"})
"""Engine settings that say what else was computed, not how the common figures were."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """The layers of a candidate beside those of its baseline.

    ``partners`` stand in the order of the candidate's rows, None for a row without a partner;
    ``lost`` are the baseline's rows that no row of the candidate answers to.
    """

    partners: tuple[LayerMetrics | None, ...]
    lost: tuple[LayerMetrics, ...]
    same_digest: bool


def why_not_comparable(candidate: Analysis, baseline: Analysis) -> str | None:
    """Return the first reason why layers and means cannot be compared, None when they can."""
    rows = min(len(candidate.layers), len(baseline.layers))
    ours_file, their_file = candidate.file, baseline.file
    checks = (
        (candidate.architecture, baseline.architecture, "the kinds or shapes of the layers differ"),
        (candidate.engine.convention, baseline.engine.convention, "measured by another convention"),
        (_fit_settings(candidate), _fit_settings(baseline), "measured with other settings"),
        (
            _precision(candidate, rows),
            _precision(baseline, rows),
            "the weights are stored in another precision",
        ),
        (ours_file.batch_norms, their_file.batch_norms, "batch norms are folded in one of them"),
    )
    for ours, theirs, reason in checks:
        if ours != theirs:
            return reason + _detail(ours, theirs)
    return None


def _detail(ours: object, theirs: object) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        return f": {', '.join(names)}"
    if isinstance(ours, int) or (isinstance(ours, str) and not ours.startswith("sha256:")):
        return f": {theirs} before, {ours} now"
    return ""


def _fit_settings(analysis: Analysis) -> dict[str, object]:
    return {name: value for name, value in analysis.engine.settings.items() if name not in _NOT_OF_THE_FIT}


def _precision(analysis: Analysis, rows: int) -> tuple[str, ...]:
    """Return the storage types of the first ``rows`` layers; a lost layer is no other precision."""
    return tuple(row.dtype for row in analysis.layers[:rows])


def pair_layers(candidate: Analysis, baseline: Analysis) -> Pairing:
    """Pair the rows of two analyses with the same architecture fingerprint.

    By name when both have the same names; else by order and shape, as a renamed or re-exported
    model has the same layers under other names.  Mixing the two would pair ``1`` with ``1`` where
    ``0, 1, 2`` became ``1, 2, 3``.
    """
    same = candidate.source.digest == baseline.source.digest
    by_name = _by_name(candidate.layers, baseline.layers)
    partners = by_name if by_name is not None else _by_order(candidate.layers, baseline.layers)
    taken = {id(partner) for partner in partners if partner is not None}
    lost = tuple(row for row in baseline.layers if id(row) not in taken)
    return Pairing(partners, lost, same)


def _by_name(
    ours: Sequence[LayerMetrics], theirs: Sequence[LayerMetrics]
) -> tuple[LayerMetrics | None, ...] | None:
    named = {row.name: row for row in theirs}
    distinct = len(named) == len(theirs) == len(ours) == len({row.name for row in ours})
    if not distinct or any(row.name not in named or not _alike(row, named[row.name]) for row in ours):
        return None
    return tuple(named[row.name] for row in ours)


def _by_order(
    ours: Sequence[LayerMetrics], theirs: Sequence[LayerMetrics]
) -> tuple[LayerMetrics | None, ...]:
    """Pair position by position; where shapes part, the rest has no partner."""
    partners: list[LayerMetrics | None] = []
    for mine, other in zip(ours, theirs, strict=False):
        partners.append(other if _alike(mine, other) else None)
    return (*partners, *[None] * (len(ours) - len(partners)))


def _alike(mine: LayerMetrics, other: LayerMetrics) -> bool:
    return mine.kind == other.kind and mine.shape == other.shape
