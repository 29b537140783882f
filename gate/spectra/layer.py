"""Measures one weight layer: a row of figures, flags and a plot per layer, part or slice.

A layer that cannot be measured still gets its row: nothing but None, a flag and a reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from gate.spectra import flags as flagging
from gate.spectra.eigenvalues import Eigenvalues, eigenvalues, of_product
from gate.spectra.groups import measure_groups
from gate.spectra.inflation import inflation
from gate.spectra.interface import LayerMetrics, LayerPlot, LayerResult, Settings
from gate.spectra.matrices import Row, rows, unmeasurable
from gate.spectra.norms import norms, smallest_singular_value
from gate.spectra.plot import CURVE_POINTS, plot
from gate.spectra.plugins import measure_plugins
from gate.spectra.power_law import Curve, PowerLawFit, fit_and_curve
from gate.spectra.spectrum import Spectrum
from gate.spectra.zero import NO_SCALE, least_alive, storage_known, zero_of, zero_ratio

if TYPE_CHECKING:
    from gate.layer import WeightLayer

Finish: TypeAlias = Callable[[], LayerResult]
"""Fits and describes a layer whose eigenvalues are known."""

_NO_FIT: Final = PowerLawFit(None, None, None, None, None, 0, 0)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A spectrum with what was noticed while it was computed."""

    spectrum: Spectrum
    curve: Curve | None
    flags: tuple[str, ...]
    smallest_known: bool


def measure(layer: WeightLayer, settings: Settings) -> LayerResult:
    """Measure one layer.

    Parameters
    ----------
    layer:
        The weight tensor; it is read once, if the convention measures it at all.
    settings:
        Convention, groups of metrics, seed and precision; ``jobs`` plays no part.

    Raises
    ------
    gate.errors.ModelError
        The tensor cannot be read.
    gate.errors.ResourceError
        A solver did not converge.
    """
    return start(layer, settings)()


def start(layer: WeightLayer, settings: Settings) -> Finish:
    """Do the linear algebra of :func:`measure`, and return what does the rest; raises as it does."""
    why = unmeasurable(layer, settings.convention)
    if why is not None:
        return partial(_unmeasured, layer, settings, why)
    solved = tuple((row, _solve(row, settings)) for row in rows(layer, settings.convention))
    return partial(_describe, layer, solved, settings)


def _unmeasured(layer: WeightLayer, settings: Settings, why: str) -> LayerResult:
    flag = "outside-convention" if settings.convention.stored_whole else "not-a-matrix"
    return LayerResult((_bare(layer, flag, why),), {})


def _describe(
    layer: WeightLayer, solved: tuple[tuple[Row, Eigenvalues], ...], settings: Settings
) -> LayerResult:
    found: list[LayerMetrics] = []
    plots: dict[str, LayerPlot] = {}
    for row, spectra in solved:
        metrics, drawn = _describe_row(layer, row, spectra, settings)
        found.append(metrics)
        if drawn is not None:
            plots[row.name] = drawn
    return LayerResult(tuple(found), plots)


def _describe_row(
    layer: WeightLayer, row: Row, solved: Eigenvalues, settings: Settings
) -> tuple[LayerMetrics, LayerPlot | None]:
    if not _is_finite(row, solved):
        return _metrics(layer, row, flags=("not-finite",), reason=_count_not_finite(row)), None
    measured = _spectrum(layer, row, solved, settings)
    spectrum = measured.spectrum
    flags = [
        *measured.flags,
        *flagging.of_fit(spectrum.fit or _NO_FIT, measured.curve, len(spectrum.positive)),
    ]
    if settings.float32:
        flags.append("float32")
    if not spectrum.eigenvalues[-1] > 0 or "no-scale" in flags:
        return _nothing(layer, row, spectrum), None
    values: dict[str, Any] = dict(norms(spectrum, settings.convention)) | _fit_fields(spectrum)
    if measured.smallest_known:
        values["smallest_singular_value"] = smallest_singular_value(spectrum)
    extra = measure_groups(spectrum, settings)
    values |= extra.fields
    if settings.plugins:
        values["extra"] = measure_plugins(spectrum, settings)
    drawn = plot(spectrum.positive, measured.curve, extra.shuffled_eigenvalues)
    unique = tuple(dict.fromkeys([*flags, *extra.flags]))
    return _metrics(layer, row, flags=unique, reason=(spectrum.fit or _NO_FIT).reason, **values), drawn


def _is_finite(row: Row, solved: Eigenvalues) -> bool:
    """Tell whether the matrices have spectra, and the sum of all eigenvalues cannot leave the range."""
    largest = float(solved.values[:, -1].max())  # ascending, or NaN throughout
    return math.isfinite(largest * solved.values.size * max(row.scale, 1.0))


def _solve(row: Row, settings: Settings) -> Eigenvalues:
    if row.right is not None:
        return of_product(row.stack, row.right)
    exact = settings.convention.rank == "machine"
    by_rounding = settings.convention.zero == "rounding" and not exact
    zero_below = zero_ratio(min(row.stack.shape[-2:])) if by_rounding else 0.0
    return eigenvalues(row.stack, float32=settings.float32, exact=exact, zero_below=zero_below)


def _spectrum(layer: WeightLayer, row: Row, solved: Eigenvalues, settings: Settings) -> _Measured:
    """Find the zeros of each matrix, pool the rest and fit it."""
    limits, dead = _limits(layer, row, solved, settings)
    values = solved.values * row.scale if row.scale != 1 else solved.values
    if len(values) == 1:  # its eigenvalues are in order
        pooled = values[0]
        positive = pooled[pooled.searchsorted(limits[0], side="right") :]
    else:
        pooled = np.sort(values, axis=None)
        positive = np.sort(values[values > np.array(limits)[:, None]])
    fit, curve = fit_and_curve(positive, settings.convention, CURVE_POINTS)
    spectrum = Spectrum(
        name=row.name,
        matrices=row.matrices() if settings.groups - {"default"} else (),
        eigenvalues=pooled,
        positive=positive,
        per_matrix=values,
        rows=row.rows,
        columns=row.columns,
        zero=max(limits),
        fit=fit,
        settings_seed=settings.seed,
        scale=row.scale,
        dtype=layer.dtype,
        quantisation_step=layer.quantisation_step,
    )
    by_rounding = settings.convention.zero == "rounding"
    noticed = {
        "no-scale": by_rounding and float(solved.values[:, -1].max()) < NO_SCALE,
        "constant": len(positive) == 1 and _is_constant(row),
        "dead-slice": dead and len(values) > 1,
        "near-singular": solved.near_singular,
        "unknown-rounding": by_rounding and not storage_known(layer.dtype, layer.quantisation_step),
    }
    raised = tuple(flag for flag, holds in noticed.items() if holds)
    return _Measured(spectrum, curve, raised, solved.resolved)


def _limits(
    layer: WeightLayer, row: Row, solved: Eigenvalues, settings: Settings
) -> tuple[list[float], bool]:
    """Return each matrix's zero threshold, in the spectrum's units, and whether one of them is dead."""
    zero = zero_of(
        (max(row.rows, row.columns), min(row.rows, row.columns)),
        settings.convention,
        dtype=layer.dtype,
        step=layer.quantisation_step,
        float32=settings.float32,
    )
    totals, largest = solved.values.sum(axis=1).tolist(), solved.values[:, -1].tolist()
    limits = [zero.limit(total, top) for total, top in zip(totals, largest, strict=True)]
    if settings.convention.zero == "absolute":
        return limits, False
    alive = least_alive(max(largest))
    whole = [max(limit, top) if top < alive else limit for limit, top in zip(limits, largest, strict=True)]
    return [limit * row.scale for limit in whole], min(largest) < alive


def _fit_fields(spectrum: Spectrum) -> dict[str, Any]:
    fit = spectrum.fit
    if fit is None or fit.alpha is None or fit.sigma is None:
        return {}
    share = fit.tail_size / len(spectrum.positive)
    return {
        "alpha": fit.alpha,
        "alpha_sigma": fit.sigma,
        "alpha_standard_error": fit.sigma * inflation(len(spectrum.positive), share),
        "x_min": fit.x_min,
        "x_max": fit.x_max,
        "ks_distance": fit.ks_distance,
        "tail_size": fit.tail_size,
    }


def _nothing(layer: WeightLayer, row: Row, spectrum: Spectrum) -> LayerMetrics:
    """Return the row of weights that are zero, or so small that no figure of theirs means anything."""
    if row.stack.any() and (row.right is None or row.right.any()):
        largest = float(np.sqrt(spectrum.eigenvalues[-1]))
        reason = f"the largest singular value is {largest:.2g}: the weights have no scale"
        return _metrics(layer, row, flags=("no-scale",), reason=reason)
    return _metrics(
        layer,
        row,
        flags=("all-zero",),
        reason="every weight is zero",
        matrix_rank=0,
        rank_loss=len(spectrum.eigenvalues),
    )


def _is_constant(row: Row) -> bool:
    return row.right is None and bool(row.stack.min() == row.stack.max())


def _count_not_finite(row: Row) -> str:
    tensors = [row.stack] if row.right is None else [row.stack, row.right]
    missing = sum(int(np.isnan(tensor).sum()) for tensor in tensors)
    infinite = sum(int(np.isinf(tensor).sum()) for tensor in tensors)
    if not missing and not infinite:
        return "the squares of the weights overflow"
    return f"{missing} weights are NaN and {infinite} infinite"


def _metrics(
    layer: WeightLayer, row: Row, *, flags: tuple[str, ...], reason: str | None, **values: Any
) -> LayerMetrics:
    count = min(row.stack.shape[-2:]) if row.right is None else min(*row.shape, row.right.shape[0])
    return LayerMetrics(
        name=row.name,
        kind=layer.kind,
        shape=row.shape,
        dtype=layer.dtype,
        parameters=row.parameters,
        rows=row.rows,
        columns=row.columns,
        matrices=row.count,
        eigenvalues=count * row.count,
        layer=layer.name,
        flags=flags,
        reason=reason,
        **values,
    )


def _bare(layer: WeightLayer, flag: str, reason: str) -> LayerMetrics:
    """Return the row of a layer that nothing was taken from."""
    return LayerMetrics(
        name=layer.name,
        kind=layer.kind,
        shape=layer.shape,
        dtype=layer.dtype,
        parameters=layer.parameters,
        rows=0,
        columns=0,
        matrices=0,
        eigenvalues=0,
        layer=layer.name,
        flags=(flag,),
        reason=reason,
    )
