"""Model means against sums done by hand, and what has to leave them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.spectra import LayerMetrics, ModelSummary, convention, summarize
from tests.spectra.layers import gaussian, layer_of, row_of

if TYPE_CHECKING:
    from gate.layer import LayerKind

GATE, WATCHER = convention("gate-1"), convention("weightwatcher-0.7")


def row(alpha: float | None, kind: LayerKind = "dense", **values: Any) -> LayerMetrics:
    given = {
        "log_spectral_norm": 1.0,
        "alpha_weighted": alpha,
        "ks_distance": 0.1,
        "alpha_standard_error": 0.3,
    }
    return LayerMetrics(
        name="a",
        kind=kind,
        shape=(10, 10),
        dtype="float32",
        parameters=values.pop("parameters", 100),
        rows=10,
        columns=10,
        matrices=1,
        eigenvalues=10,
        alpha=alpha,
        **(given | values),
    )


def test_layers_at_the_outlier_limit_and_failed_fits_leave_the_means_and_are_counted() -> None:
    found = summarize([row(3.0), row(4.0), row(8.0), row(None), row(7.9)], GATE)
    assert found.alpha == pytest.approx((3 + 4 + 7.9) / 3)
    assert (found.layers, found.excluded_layers) == (3, 2)


def test_means_medians_and_weights() -> None:
    rows = [row(2.0, parameters=100), row(3.0, parameters=300), row(7.0, parameters=600)]
    found = summarize(rows, GATE)
    assert found.alpha == pytest.approx(4)
    assert found.alpha_median == 3.0
    assert found.alpha_by_parameters == pytest.approx((2 * 100 + 3 * 300 + 7 * 600) / 1000)
    assert summarize(rows[:2], GATE).alpha_median == 2.5


def test_the_standard_error_of_a_mean_adds_the_fits_in_quadrature() -> None:
    rows = [row(2.0, alpha_standard_error=0.3), row(3.0, alpha_standard_error=0.4, log_spectral_norm=-2.0)]
    found = summarize(rows, GATE)
    assert found.alpha_standard_error == pytest.approx(0.5 / 2)
    assert found.alpha_weighted_standard_error == pytest.approx(math.hypot(0.3 * 1, 0.4 * 2) / 2)


def test_embeddings_and_depthwise_layers_stay_apart_without_counting_as_excluded() -> None:
    found = summarize([row(3.0), row(5.0, "embedding"), row(5.0, "depthwise")], GATE)
    assert (found.alpha, found.layers, found.excluded_layers) == (3.0, 1, 0)
    assert summarize([row(3.0), row(5.0, "depthwise")], WATCHER).alpha == 4.0


def test_a_layer_without_scale_does_not_drag_the_means() -> None:
    dead = row_of(layer_of((gaussian(64, 48) * 1e-39).astype(np.float32)))
    found = summarize([row(3.0), dead], GATE)
    assert found.alpha_weighted == 3.0
    assert found.log_spectral_norm == 1.0
    assert found.excluded_layers == 1


def test_weightwatcher_averages_failed_fits_in_as_minus_one() -> None:
    found = summarize([row(3.0), row(None, log_spectral_norm=2.0, ks_distance=None), row(9.0)], WATCHER)
    assert found.alpha == pytest.approx((3 - 1 + 9) / 3)
    assert found.alpha_weighted == pytest.approx((3 - 2 + 9) / 3)
    assert found.ks_distance == pytest.approx((0.1 - 1 + 0.1) / 3)
    assert (found.layers, found.excluded_layers) == (3, 0)


def test_layers_outside_the_convention_are_not_counted() -> None:
    small = row_of(layer_of(gaussian(5, 4)), "weightwatcher-0.7")
    assert small.flags == ("outside-convention",)
    found = summarize([row(3.0), small], WATCHER)
    assert (found.layers, found.excluded_layers, found.alpha) == (1, 0, 3.0)


def test_traps_are_summed_over_every_layer_also_the_excluded() -> None:
    rows = [row(3.0, correlation_traps=1), row(9.0, correlation_traps=2), row(4.0)]
    assert summarize(rows, GATE).correlation_traps == 3
    assert summarize([row(4.0)], GATE).correlation_traps is None


def test_a_model_without_rows_has_no_means() -> None:
    assert summarize([], GATE) == ModelSummary(layers=0, excluded_layers=0)
    assert summarize([row(None)], GATE) == ModelSummary(layers=0, excluded_layers=1)


def test_the_order_of_rows_changes_no_bit() -> None:
    rows = [
        replace(row(2 + 0.1 * index, parameters=7 + index), ks_distance=0.1 / (index + 1))
        for index in range(9)
    ]
    assert summarize(rows, GATE) == summarize(rows[::-1], GATE)
