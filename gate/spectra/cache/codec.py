"""Results as JSON text and back, bit for bit; names are put in when a result is read.

A row's name is kept without its layer's, so that the result of an unchanged tensor takes the name the
layer has now.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.spectra.interface import LayerMetrics, LayerPlot, LayerResult

if TYPE_CHECKING:
    from gate.layer import WeightLayer


def encode(result: LayerResult, layer: WeightLayer) -> bytes | None:
    """Return the result as JSON, or None where JSON cannot hold it exactly (a NaN, a foreign type)."""
    plots = {_suffix(name, layer.name): asdict(plot) for name, plot in result.plots.items()}
    rows = [
        {**asdict(row), "name": _suffix(row.name, layer.name), "layer": bool(row.layer)}
        for row in result.rows
    ]
    try:
        text = json.dumps({"rows": rows, "plots": plots}, allow_nan=False, default=_scalar).encode()
        return text if decode(text, layer) == result else None
    except (ValueError, TypeError):
        return None


def decode(text: bytes, layer: WeightLayer) -> LayerResult:
    """Return the result under the names of ``layer``.

    Raises
    ------
    ValueError
        The text is not what :func:`encode` wrote.
    """
    try:
        document = json.loads(text)
        rows = tuple(_row(row, layer) for row in document["rows"])
        plots = {
            layer.name + name: LayerPlot(**{field: tuple(points) for field, points in plot.items()})
            for name, plot in document["plots"].items()
        }
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no cached result: {error}") from error
    return LayerResult(rows, plots)


def _row(row: dict[str, Any], layer: WeightLayer) -> LayerMetrics:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    values["name"] = layer.name + row["name"]
    values["layer"] = layer.name if row["layer"] else ""
    return LayerMetrics(**values)


def _suffix(name: str, layer: str) -> str:
    if not name.startswith(layer):
        raise ValueError(f"row {name!r} is not of layer {layer!r}")
    return name[len(layer) :]


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
