"""Means over a model's layers, their uncertainty, and what was left out of them.

Table 3 and footnote 10 of arXiv:2106.00734: layers with alpha of 8 or more and layers without a
fit leave the averages.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.spectra.interface import ModelSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.spectra.interface import Convention, LayerMetrics

APART: Final = frozenset({"embedding", "depthwise"})
"""Kinds listed but left out of means: their matrices are not what the theory speaks of."""

_UNMEASURED: Final = frozenset({"outside-convention"})
_UNUSABLE: Final = frozenset({"no-scale", "not-finite"})


def eligible(rows: Sequence[LayerMetrics], convention: Convention) -> tuple[LayerMetrics, ...]:
    """Return the rows that means are about: all the convention measured, kinds kept apart aside."""
    measured = (row for row in rows if not _UNMEASURED & set(row.flags))
    return tuple(row for row in measured if convention.stored_whole or row.kind not in APART)


def excluded(row: LayerMetrics, convention: Convention) -> bool:
    """Tell whether a row has to leave the means: no fit, no scale, or alpha at the outlier limit."""
    if _UNUSABLE & set(row.flags):
        return True
    if row.alpha is None:
        return convention.failed_as is None
    return convention.outlier_alpha is not None and row.alpha >= convention.outlier_alpha


def summarize(rows: Sequence[LayerMetrics], convention: Convention) -> ModelSummary:
    """Average the layers of a model.

    Parameters
    ----------
    rows:
        Every row of the model, in any order.
    convention:
        Says which rows leave the means and what a failed fit contributes.

    Returns
    -------
    ModelSummary
        ``layers`` counts the rows averaged over, ``excluded_layers`` those that had to leave.
        Standard errors are those of the fits alone, √Σ SE² / layers.
    """
    candidates = eligible(rows, convention)
    kept = [_as_averaged(row, convention) for row in candidates if not excluded(row, convention)]
    weights = [float(row.parameters) for row in kept]
    alphas, weighted = _column(kept, "alpha"), _column(kept, "alpha_weighted")
    traps = [count for count in _column(candidates, "correlation_traps") if count is not None]
    return ModelSummary(
        layers=len(kept),
        excluded_layers=len(candidates) - len(kept),
        alpha=_mean(alphas),
        alpha_standard_error=_error_of_mean([row.alpha_standard_error for row in kept]),
        alpha_median=_median(alphas),
        alpha_weighted=_mean(weighted),
        alpha_weighted_standard_error=_error_of_mean([_weighted_error(row) for row in kept]),
        alpha_weighted_median=_median(weighted),
        alpha_by_parameters=_mean(alphas, weights),
        alpha_weighted_by_parameters=_mean(weighted, weights),
        ks_distance=_mean(_column(kept, "ks_distance")),
        log_spectral_norm=_mean(_column(kept, "log_spectral_norm")),
        log_frobenius_norm=_mean(_column(kept, "log_frobenius_norm")),
        log_alpha_schatten_norm=_mean(_column(kept, "log_alpha_schatten_norm")),
        stable_rank=_mean(_column(kept, "stable_rank")),
        mp_soft_rank=_mean(_column(kept, "mp_soft_rank")),
        correlation_traps=int(sum(traps)) if traps else None,
    )


def _as_averaged(row: LayerMetrics, convention: Convention) -> LayerMetrics:
    """Put what the convention writes for a failed fit in its place (weightwatcher's -1)."""
    if row.alpha is not None or convention.failed_as is None:
        return row
    alpha, scale = convention.failed_as, row.log_spectral_norm
    return replace(
        row, alpha=alpha, ks_distance=alpha, alpha_weighted=None if scale is None else alpha * scale
    )


def _column(rows: Sequence[LayerMetrics], field: str) -> list[float | None]:
    return [getattr(row, field) for row in rows]


def _mean(values: Sequence[float | None], weights: Sequence[float] | None = None) -> float | None:
    """Return the (weighted) mean of the values there are."""
    pairs = [
        (value, weight)
        for value, weight in zip(values, weights or [1.0] * len(values), strict=True)
        if value is not None
    ]
    if not pairs:
        return None
    total = math.fsum(weight for _, weight in pairs)
    return math.fsum(value * weight for value, weight in pairs) / total


def _median(values: Sequence[float | None]) -> float | None:
    present = sorted(value for value in values if value is not None)
    middle = len(present) // 2
    if not present:
        return None
    return present[middle] if len(present) % 2 else (present[middle - 1] + present[middle]) / 2


def _weighted_error(row: LayerMetrics) -> float | None:
    if row.alpha_standard_error is None or row.log_spectral_norm is None:
        return None
    return row.alpha_standard_error * abs(row.log_spectral_norm)


def _error_of_mean(errors: Sequence[float | None]) -> float | None:
    present = [error for error in errors if error is not None]
    return math.sqrt(math.fsum(error**2 for error in present)) / len(present) if present else None
