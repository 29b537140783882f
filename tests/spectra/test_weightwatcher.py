"""The convention ``weightwatcher-0.7`` against what WeightWatcher 0.7.7 reported on the same tensors.

The figures in tests/data/weightwatcher were measured once; provenance.json there names package,
version, file and the sha256 of every tensor's bytes.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from gate.spectra import LayerMetrics, Settings, convention, measure_layers, summarize
from tests.models import fetch
from tests.spectra.layers import layer_of
from tests.spectra.synthetic import synthetic_matrices

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

DATA: Final = Path(__file__).parent.parent / "data" / "weightwatcher"
PROVENANCE: Final[dict[str, Any]] = json.loads((DATA / "provenance.json").read_text(encoding="utf-8"))

FIGURES: Final = {
    "alpha": "alpha",
    "xmin": "x_min",
    "xmax": "x_max",
    "D": "ks_distance",
    "sigma": "alpha_sigma",
    "log_norm": "log_frobenius_norm",
    "log_spectral_norm": "log_spectral_norm",
    "log_alpha_norm": "log_alpha_schatten_norm",
    "alpha_weighted": "alpha_weighted",
    "stable_rank": "stable_rank",
    "entropy": "entropy",
    "sv_max": "largest_singular_value",
}
COUNTS: Final = {
    "num_evals": "eigenvalues",
    "num_pl_spikes": "tail_size",
    "matrix_rank": "matrix_rank",
    "rank_loss": "rank_loss",
    "M": "columns",
    "N": "rows",
}
WARNINGS: Final = {"over-trained", "under-trained"}
SUMMARY: Final = {
    "alpha": "alpha",
    "alpha_weighted": "alpha_weighted",
    "log_norm": "log_frobenius_norm",
    "log_spectral_norm": "log_spectral_norm",
    "log_alpha_norm": "log_alpha_schatten_norm",
    "stable_rank": "stable_rank",
}
NO_FIT: Final = {"constant0.5_64x64", "zeros_32", "identity_32"}
"""Synthetic matrices for which the reference tool wrote -1 or inf as alpha; ours is None."""

PRODUCTS: Final = {
    *("esd_pareto_alpha3_1024x1024", "esd_pareto_alpha2.5_1000x500", "esd_pareto_alpha4_400x100"),
    *("lowrank20_600x400", "gauss_spikes5_1000x500"),
}
"""Synthetic matrices that BLAS makes, which adds up in another order where it has no AVX-512: one float32
value in millions is then rounded the other way, and figures agree to 1e-7."""

WATCHER = Settings(convention("weightwatcher-0.7"))


def reference(name: str) -> dict[str, dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def measure(tensors: Mapping[str, NDArray[Any]]) -> dict[str, LayerMetrics]:
    layers = [
        layer_of(values, "dense" if values.ndim == 2 else "conv2d", name) for name, values in tensors.items()
    ]
    rows = [row for result in measure_layers(layers, WATCHER) for row in result.rows]
    return {row.name: row for row in rows if "outside-convention" not in row.flags}


def check(
    found: Mapping[str, LayerMetrics],
    expected: Mapping[str, Mapping[str, str]],
    rounded: Collection[str] = (),
) -> None:
    """Compare to 1e-9, or to 1e-7 those ``rounded`` otherwise than what the reference tool was given."""
    assert found.keys() == expected.keys()
    for name, row in found.items():
        figures = expected[name]
        for column, field in COUNTS.items():
            if not (name in NO_FIT and field == "tail_size"):
                assert getattr(row, field) == int(float(figures[column])), (name, column)
        if name in NO_FIT:
            assert row.alpha is None
            assert row.reason
            continue
        near = 1e-7 if name in rounded else 1e-9
        for column, field in FIGURES.items():
            assert getattr(row, field) == pytest.approx(float(figures[column]), rel=near), (name, column)
        assert WARNINGS & set(row.flags) == WARNINGS & {figures["warning"]}, name


def test_synthetic_matrices() -> None:
    matrices = synthetic_matrices()
    digests = json.loads((DATA / "synthetic.sha256.json").read_text(encoding="utf-8"))
    assert matrices.keys() == digests.keys()
    rounded = {
        name
        for name, values in matrices.items()
        if hashlib.sha256(values.tobytes()).hexdigest() != digests[name]["sha256"]
    }
    assert rounded <= PRODUCTS
    check(measure(matrices), reference("synthetic"), rounded)
    check(measure(matrices), reference("synthetic.default"), rounded)


def tensors_of(name: str) -> dict[str, NDArray[Any]]:
    """Return the tensors as they were given to the reference tool, by its layer names."""
    entry = PROVENANCE[name]
    path = fetch(entry["package"], entry["version"], entry["file"])
    read = {".pth": _of_torch, ".safetensors": _of_safetensors, ".onnx": _of_onnx}[path.suffix]
    stored = read(path)
    tensors = {}
    for described in entry["tensors"]:
        layer = described["tensor"].removesuffix(".weight")
        values = stored[layer]
        assert hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest() == described["sha256"]
        tensors[layer] = values
    return tensors


def _of_torch(path: Path) -> dict[str, NDArray[Any]]:
    from gate.weights import read_weights  # noqa: PLC0415 - only these tests read a model

    return {layer.tensor.removesuffix(".weight"): layer.read() for layer in read_weights(path).layers}


def _of_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file  # noqa: PLC0415 - only these tests read a model

    return dict(load_file(path))


def _of_onnx(path: Path) -> dict[str, NDArray[Any]]:
    import onnx  # noqa: PLC0415 - only these tests read a model

    graph = onnx.load(str(path)).graph
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                found[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
    return found


@pytest.mark.registry_package
@pytest.mark.parametrize("name", PROVENANCE)
def test_real_models(name: str) -> None:
    found = measure(tensors_of(name))
    check(found, reference(name))
    summary = json.loads((DATA / f"{name}.summary.json").read_text(encoding="utf-8"))["summary"]
    mean = summarize(tuple(found.values()), WATCHER.convention)
    for column, field in SUMMARY.items():
        assert getattr(mean, field) == pytest.approx(summary[column], rel=1e-9), column
