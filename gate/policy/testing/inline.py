"""An analysis made of the figures that a case gives."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gate.analysis.interface import Analysis, Coverage, Engine, FileFindings, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.policy.testing.interface import CaseModel
    from gate.spectra.interface import LayerMetrics

_TAIL: Final = 0.4
"""Share of the eigenvalues in the tail where a case does not say."""

_HEALTHY: Final[Mapping[str, Any]] = {
    "kind": "dense",
    "shape": (100, 100),
    "dtype": "float32",
    "alpha": 3.0,
    "ks_distance": 0.05,
    "log_spectral_norm": 1.0,
    "log_frobenius_norm": 2.0,
    "stable_rank": 10.0,
    "phase": "heavy-tailed",
}
"""What a layer has where a case says nothing: values any well-trained layer could have."""

_COUNTS: Final = frozenset({"int", "int | None"})


def inline_analysis(model: CaseModel, uri: str) -> Analysis:
    """Return the analysis of a model whose layers are given as figures.

    What follows from other figures is computed from them, as the engine does: AlphaHat from alpha and
    the log norm, alpha's standard error from the tail, the means from the layers.
    """
    from gate.analysis.architecture import rows_fingerprint  # noqa: PLC0415 - only this form needs it
    from gate.spectra.conventions import GATE_1  # noqa: PLC0415 - numpy, as in gate.policy.metrics
    from gate.spectra.summary import summarize  # noqa: PLC0415 - likewise

    rows = tuple(row for layer in model.layers or () for row in _rows(layer))
    total = sum(row.parameters for row in rows)
    findings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in model.findings.items()
    }
    return Analysis(
        source=Source(uri, "figures", model.digest or _digest(model), ()),
        engine=Engine("", GATE_1.name, {}),
        coverage=Coverage(total, round(total * model.coverage), len(rows), len(rows), ()),
        file=FileFindings(**findings),
        architecture=rows_fingerprint(rows),
        layout=rows_fingerprint(rows, ordered=False),
        model=replace(summarize(rows, GATE_1), **_typed_summary(model.metrics)),
        layers=rows,
    )


def _digest(model: CaseModel) -> str:
    text = json.dumps([model.layers, model.metrics, model.findings, model.coverage], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _typed_summary(metrics: Mapping[str, float]) -> dict[str, Any]:
    from gate.spectra.interface import ModelSummary  # noqa: PLC0415 - as above

    return _typed(ModelSummary, metrics)


def _typed(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with whole numbers where the field is a count: YAML has one kind of number here."""
    types = {name: str(item.type) for name, item in kind.__dataclass_fields__.items()}
    return {
        key: int(value) if types[key] in _COUNTS and isinstance(value, float) else value
        for key, value in values.items()
    }


def _rows(layer: Mapping[str, Any]) -> Iterator[LayerMetrics]:
    given = {key: value for key, value in layer.items() if key not in {"name", "repeat"}}
    repeat = layer.get("repeat")
    names = [layer["name"]] if repeat is None else [f"{layer['name']}.{index}" for index in range(repeat)]
    for name in names:
        yield _row(name, given)


def _row(name: str, given: Mapping[str, Any]) -> LayerMetrics:
    from gate.spectra.interface import LayerMetrics  # noqa: PLC0415 - as above

    known = {**_HEALTHY, **given}
    shape = tuple(known["shape"])
    known |= {"shape": shape, "flags": tuple(known.get("flags", ()))}
    matrix = (max(shape[:2]), min(shape[:2])) if len(shape) > 1 else (shape[0], 1)
    matrices = int(given.get("matrices") or math.prod(shape[2:]))
    derived: dict[str, Any] = {
        "parameters": math.prod(shape),
        "rows": matrix[0],
        "columns": matrix[1],
        "matrices": matrices,
        "eigenvalues": matrix[1] * matrices,
    }
    values = derived | known
    if values["alpha"] is not None:
        values = {**_of_fit(values), **given, "shape": shape, "flags": known["flags"]}
    return LayerMetrics(name=name, layer=name, **_typed(LayerMetrics, values))


def _of_fit(values: dict[str, Any]) -> dict[str, Any]:
    from gate.spectra.inflation import inflation  # noqa: PLC0415 - as above

    eigenvalues, alpha, norm = int(values["eigenvalues"]), values["alpha"], values["log_spectral_norm"]
    tail = int(values.get("tail_size") or max(1, round(_TAIL * eigenvalues)))
    sigma = (alpha - 1) / math.sqrt(tail)
    return values | {
        "tail_size": tail,
        "alpha_sigma": sigma,
        "alpha_standard_error": sigma * inflation(eigenvalues, min(1.0, tail / eigenvalues)),
        "alpha_weighted": None if norm is None else alpha * norm,
    }
