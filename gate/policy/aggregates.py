"""Model metrics over the layers that count in both versions.

A mean that a damaged layer can leave gets better by damage (engine, section 8: 3, 4, 7.9 average
4.97, 3, 4, 9 average 3.5).  Comparisons are therefore made over the layers that count in both
versions, and a layer that counted in the baseline and no longer does is itself a failure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.policy.pairing import Pairing
    from gate.spectra.interface import Convention, LayerMetrics

MEANS: Final = frozenset(
    {
        "alpha",
        "alpha_weighted",
        "ks_distance",
        "log_spectral_norm",
        "log_frobenius_norm",
        "log_alpha_schatten_norm",
        "stable_rank",
        "mp_soft_rank",
    }
)
"""Fields of the model summary that are plain means of the layers' field of the same name."""

LAYER_FIELDS: Final[Mapping[str, str]] = {
    **{name: name for name in MEANS},
    "alpha_median": "alpha",
    "alpha_by_parameters": "alpha",
    "alpha_weighted_median": "alpha_weighted",
    "alpha_weighted_by_parameters": "alpha_weighted",
    "correlation_traps": "correlation_traps",
}
"""Field of the model summary → field of the layers it is made of; other fields stand alone."""

_COUNTS_EVERYWHERE: Final = "correlation_traps"
"""Summed over all eligible layers, those outside the means too."""


@dataclass(frozen=True, slots=True)
class Common:
    """The layers that count in both versions, pair by pair, and those that no longer do.

    ``gone`` holds (the baseline's row, the candidate's or None).
    """

    pairs: tuple[tuple[LayerMetrics, LayerMetrics], ...]
    gone: tuple[tuple[LayerMetrics, LayerMetrics | None], ...]

    def figures(self, field: str, convention: Convention) -> tuple[float | None, float | None]:
        """Return the model metric of both versions, over these layers alone."""
        ours, theirs = ([pair[side] for pair in self.pairs] for side in (0, 1))
        return _figure(ours, field, convention), _figure(theirs, field, convention)


def _figure(rows: Sequence[LayerMetrics], field: str, convention: Convention) -> float | None:
    from gate.spectra.summary import summarize  # noqa: PLC0415 - as in gate.policy.metrics

    value: float | None = getattr(summarize(rows, convention), field)
    return value


def convention_called(name: str) -> Convention:
    """Return a convention by name; one that is not known averages as the default one does."""
    from gate.spectra.conventions import CONVENTIONS  # noqa: PLC0415 - as in gate.policy.metrics

    return next((convention for convention in CONVENTIONS if convention.name == name), CONVENTIONS[0])


def common_layers(
    field: str, rows: Iterable[LayerMetrics], pairing: Pairing, convention: Convention
) -> Common:
    """Sort the baseline's counting layers into those that still count and those that do not."""
    pairs: list[tuple[LayerMetrics, LayerMetrics]] = []
    gone: list[tuple[LayerMetrics, LayerMetrics | None]] = []
    for row, partner in zip(rows, pairing.partners, strict=True):
        if partner is None or why_not_counted(field, partner, convention) is not None:
            continue
        if why_not_counted(field, row, convention) is None:
            pairs.append((row, partner))
        else:
            gone.append((partner, row))
    gone += [(row, None) for row in pairing.lost if why_not_counted(field, row, convention) is None]
    return Common(tuple(pairs), tuple(gone))


def why_not_counted(field: str, row: LayerMetrics, convention: Convention) -> str | None:
    """Return why a layer has no part in the model's ``field``, None when it counts.

    Stricter than the mean itself in one point: where the convention writes a number for a failed
    fit (weightwatcher's -1), the layer still does not count, or failing would lower the mean.
    """
    from gate.spectra.summary import eligible, excluded  # noqa: PLC0415 - as in gate.policy.metrics

    value = getattr(row, LAYER_FIELDS[field])
    if not eligible((row,), convention):
        return "kept apart from the means"
    if value is None or not math.isfinite(value):
        return row.reason or "no value"
    if field == _COUNTS_EVERYWHERE:
        return None
    return _why_outside_means(row, convention) if excluded(row, convention) or row.alpha is None else None


def _why_outside_means(row: LayerMetrics, convention: Convention) -> str:
    limit = convention.outlier_alpha
    if row.alpha is not None and limit is not None and row.alpha >= limit:
        return f"alpha {row.alpha:.4g} is {limit:g} or above"
    return row.reason or "no fit or no scale"
