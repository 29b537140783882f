"""What each figure of a model's summary means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from gate.spectra.interface import Metric
from gate.spectra.metrics.layer import LAYER_METRICS

if TYPE_CHECKING:
    from gate.spectra.interface import Group

    Nature = Literal["shape", "scale", "mixed", "count", "label"]

_LAYERS: Final = {entry.field: entry for entry in LAYER_METRICS}


def _of(field: str, statistic: str, layer_field: str | None = None, *, error: bool = False) -> Metric:
    """Return the entry of a statistic over a layer metric, with that metric's unit, nature and source."""
    of = _LAYERS[layer_field or field]
    title = f"{of.title}: {statistic} over layers"
    formula = f"{statistic} over layers of {of.formula}"
    better = None if error else of.better
    return Metric(
        f"model.{field}", "model", field, title, formula, of.unit, better, of.nature, of.group, of.source
    )


def _count(field: str, title: str, formula: str, group: Group = "default") -> Metric:
    return Metric(
        f"model.{field}", "model", field, title, formula, "layers", None, "count", group, "this project"
    )


_FIT_ERROR: Final = "standard error of the mean, of the fits,"

MODEL_METRICS: Final[tuple[Metric, ...]] = (
    _count("layers", "Layers averaged over", "rows with a fit below the outlier limit"),
    _count(
        "excluded_layers", "Layers left out of the means", "rows without a fit or scale, or with alpha ≥ 8"
    ),
    _of("alpha", "mean"),
    _of("alpha_standard_error", _FIT_ERROR, "alpha", error=True),
    _of("alpha_median", "median", "alpha"),
    _of("alpha_weighted", "mean (AlphaHat)"),
    _of("alpha_weighted_standard_error", _FIT_ERROR, "alpha_weighted", error=True),
    _of("alpha_weighted_median", "median", "alpha_weighted"),
    _of("alpha_by_parameters", "mean weighted by parameters", "alpha"),
    _of("alpha_weighted_by_parameters", "mean weighted by parameters", "alpha_weighted"),
    _of("ks_distance", "mean (QualityOfAlphaFit)"),
    _of("log_spectral_norm", "mean"),
    _of("log_frobenius_norm", "mean"),
    _of("log_alpha_schatten_norm", "mean"),
    _of("stable_rank", "mean"),
    _of("mp_soft_rank", "mean"),
    _of("correlation_traps", "sum"),
)
