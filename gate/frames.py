"""An analysis as a pandas frame: one row per layer, with our columns or with WeightWatcher's.

pandas comes with mlflow and is imported when a frame is asked for.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from gate.arguments import analysis_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from gate.analysis.interface import Analysis
    from gate.spectra.interface import LayerMetrics

_LEFT_OUT: Final = "outside-convention"


def to_frame(analysis: Analysis) -> pd.DataFrame:
    """Return the layers of ``analysis`` as a pandas frame.

    Parameters
    ----------
    analysis:
        What :func:`gate.analyze` returned.

    Returns
    -------
    pandas.DataFrame
        One row per layer, part or slice; the columns are the fields of
        :class:`gate.spectra.interface.LayerMetrics` in their order, each described in
        docs/metrics.md.  A figure that does not exist or was not asked for is missing: NaN in columns
        of floats, ``pandas.NA`` in columns of counts.  Types do not depend on what is missing.

    Raises
    ------
    gate.errors.UsageError
        It is no analysis.

    Examples
    --------
    >>> import gate
    >>> frame = gate.to_frame(gate.analyze("model.onnx"))  # doctest: +SKIP
    >>> frame.sort_values("alpha")[["name", "alpha", "alpha_standard_error", "flags"]]  # doctest: +SKIP
    """
    import pandas as pd  # noqa: PLC0415 - see the module's docstring

    from gate.spectra.interface import LayerMetrics  # noqa: PLC0415 - likewise

    analysis = analysis_of(analysis)
    more = sorted({name for row in analysis.layers for name in row.extra})
    return pd.DataFrame(
        {
            field.name: pd.Series(
                [getattr(row, field.name) for row in analysis.layers], dtype=_pandas_type(str(field.type))
            )
            for field in fields(LayerMetrics)
            if field.name != "extra"
        }
        | {
            name: pd.Series([row.extra.get(name) for row in analysis.layers], dtype="float64")
            for name in more
        }
    )


def _pandas_type(annotation: str) -> str:
    """Return the column's type for the annotation of a field."""
    known = {"int": "int64", "int | None": "Int64", "float | None": "float64"}
    return known.get(annotation, "object")


def to_weightwatcher_frame(analysis: Analysis) -> pd.DataFrame:
    """Return the layers of ``analysis`` under WeightWatcher's column names.

    For WeightWatcher's numbers the analysis has to be made by its convention:
    ``gate.analyze(source, convention="weightwatcher-0.7")``; with ``full=True`` the columns of its
    ``mp_fit``, ``randomize`` and ``detX`` are filled too.  What differs and why:
    docs/how-to/migrate-from-weightwatcher.md.

    Parameters
    ----------
    analysis:
        What :func:`gate.analyze` returned, by any convention.

    Returns
    -------
    pandas.DataFrame
        One row per layer that the convention measures, ``layer_id`` being its place among all
        layers, from 0.  Columns as WeightWatcher 0.7.7 orders them.  NaN where there is no such figure:
        a fit that failed (WeightWatcher writes -1), and ``weak_rank_loss``, which is not measured.

    Raises
    ------
    gate.errors.UsageError
        It is no analysis.
    """
    import pandas as pd  # noqa: PLC0415 - see the module's docstring

    analysis = analysis_of(analysis)
    kept = [(place, row) for place, row in enumerate(analysis.layers) if _LEFT_OUT not in row.flags]
    frame: dict[str, Any] = {
        "layer_id": pd.Series([place for place, _ in kept], dtype="int64"),
        "name": pd.Series([row.name for _, row in kept], dtype="object"),
    }
    for name in sorted(WEIGHTWATCHER_COLUMNS):
        values = [WEIGHTWATCHER_COLUMNS[name](row) for _, row in kept]
        frame[name] = pd.Series(values, dtype=None if values and None not in values else "float64")
    return pd.DataFrame(frame)


def _field(name: str) -> Callable[[LayerMetrics], Any]:
    return lambda row: getattr(row, name)


def _power_of_ten(name: str) -> Callable[[LayerMetrics], float | None]:
    def value(row: LayerMetrics) -> float | None:
        exponent = getattr(row, name)
        return None if exponent is None else 10.0**exponent

    return value


def _largest_eigenvalue(row: LayerMetrics) -> float | None:
    """Return λ_max; the end of the tail is the same number without the detour by its logarithm."""
    return row.x_max if row.x_max is not None else _power_of_ten("log_spectral_norm")(row)


def _bulk_min(row: LayerMetrics) -> float | None:
    """Return λ₋ from λ₊: both are N·σ²·(1 ± Q^-½)²."""
    if row.mp_edge is None or not row.rows:
        return None
    root = math.sqrt(row.columns / row.rows)
    return row.mp_edge * ((1 - root) / (1 + root)) ** 2


def _one_more(name: str) -> Callable[[LayerMetrics], int | None]:
    """Return a figure of the trace-log condition as detX counts it."""

    def value(row: LayerMetrics) -> int | None:
        count = getattr(row, name)
        return None if count is None else count + 1

    return value


def _layer_type(row: LayerMetrics) -> str:
    """Return the kind in the tool's words; whatever it takes as a plain matrix is dense."""
    if row.kind == "depthwise":
        return f"conv{len(row.shape) - 2}d"
    kind = row.kind.replace("_transpose", "")
    return kind if kind.startswith(("conv", "embedding")) else "dense"


def _warning(row: LayerMetrics) -> str:
    return next((flag for flag in ("over-trained", "under-trained") if flag in row.flags), "")


WEIGHTWATCHER_COLUMNS: Final[dict[str, Callable[[LayerMetrics], Any]]] = {
    "D": _field("ks_distance"),
    "ERG_gap": _one_more("erg_gap"),
    "M": _field("columns"),
    "N": _field("rows"),
    "Q": lambda row: row.rows / row.columns if row.columns else None,
    "alpha": _field("alpha"),
    "alpha_weighted": _field("alpha_weighted"),
    "bulk_max": _field("mp_edge"),
    "bulk_min": _bulk_min,
    "detX_num": _one_more("erg_count"),
    "entropy": _field("entropy"),
    "has_esd": lambda row: row.log_frobenius_norm is not None,
    "lambda_max": _largest_eigenvalue,
    "layer_type": _layer_type,
    "log_alpha_norm": _field("log_alpha_schatten_norm"),
    "log_norm": _field("log_frobenius_norm"),
    "log_spectral_norm": _field("log_spectral_norm"),
    "longname": _field("name"),
    "matrix_rank": _field("matrix_rank"),
    "max_rand_eval": _field("shuffled_largest"),
    "mp_softrank": _field("mp_soft_rank"),
    "norm": _power_of_ten("log_frobenius_norm"),
    "num_ERG_spikes": _one_more("erg_count"),
    "num_evals": _field("eigenvalues"),
    "num_pl_spikes": _field("tail_size"),
    "num_spikes": _field("spikes"),
    "num_traps": _field("correlation_traps"),
    "rand_distance": _field("shuffle_distance"),
    "rank_loss": _field("rank_loss"),
    "rf": lambda row: math.prod(row.shape[2:]) if row.kind != "expert" else 1,
    "sigma": _field("alpha_sigma"),
    "sigma_mp": _field("mp_sigma"),
    "spectral_norm": _largest_eigenvalue,
    "stable_rank": _field("stable_rank"),
    "status": lambda row: "success" if row.alpha is not None else "failed",
    "sv_max": _field("largest_singular_value"),
    "sv_min": _field("smallest_singular_value"),
    "warning": _warning,
    "weak_rank_loss": lambda _row: None,
    "xmax": _field("x_max"),
    "xmin": _field("x_min"),
}
"""WeightWatcher 0.7's name of each column, and where its value comes from."""
