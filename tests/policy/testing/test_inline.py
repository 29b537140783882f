"""Analyses made of figures in a test file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from gate.errors import Location
from gate.policy.testing import CaseModel, inline_analysis

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis


def made(*layers: dict[str, Any], **fields: Any) -> Analysis:
    return inline_analysis(CaseModel(Location("t"), layers=layers, **fields), "model")


def test_what_follows_from_the_figures_is_computed() -> None:
    analysis = made({"name": "a", "shape": [30, 20], "alpha": 5.0, "log_spectral_norm": 0.5, "tail_size": 16})
    (row,) = analysis.layers
    assert (row.parameters, row.rows, row.columns, row.eigenvalues, row.tail_size) == (600, 30, 20, 20, 16)
    assert row.alpha_weighted == 2.5
    assert row.alpha_sigma == 1.0  # (5 - 1)/√16
    assert row.alpha_standard_error is not None
    assert 1.1 <= row.alpha_standard_error <= 1.8  # times what choosing x_min costs
    assert (analysis.model.alpha, analysis.model.alpha_weighted) == (5.0, 2.5)


def test_means_are_over_all_layers_but_given_metrics_stand_in_their_place() -> None:
    analysis = made(
        {"name": "a", "repeat": 3, "alpha": 2.0}, {"name": "b", "alpha": 6.0}, metrics={"layers": 7.0}
    )
    assert [row.name for row in analysis.layers] == ["a.0", "a.1", "a.2", "b"]
    assert analysis.model.alpha == pytest.approx(3.0)
    assert (analysis.model.layers, type(analysis.model.layers)) == (7, int)


def test_a_convolution_pools_its_slices_and_a_layer_without_a_fit_has_none() -> None:
    conv, broken = made(
        {"name": "c", "kind": "conv2d", "shape": [64, 32, 3, 3]},
        {"name": "x", "alpha": None, "flags": ["not-finite"], "phase": None},
    ).layers
    assert (conv.matrices, conv.eigenvalues, conv.rows, conv.columns) == (9, 288, 64, 32)
    assert (broken.alpha, broken.alpha_weighted, broken.tail_size, broken.flags) == (
        None,
        None,
        None,
        ("not-finite",),
    )


def test_digests_differ_where_figures_do_and_fingerprints_where_shapes_do() -> None:
    one, same, other = made({"name": "a"}), made({"name": "a"}), made({"name": "a", "alpha": 3.1})
    assert one.source.digest == same.source.digest != other.source.digest
    assert one.architecture == other.architecture
    ab = made({"name": "a", "shape": [10, 20]}, {"name": "b", "shape": [20, 20]})
    ba = made({"name": "x", "shape": [20, 20]}, {"name": "y", "shape": [10, 20]})
    assert ab.architecture != ba.architecture
    assert ab.layout == ba.layout != one.layout


def test_coverage_and_findings_are_as_given() -> None:
    analysis = made({"name": "a"}, coverage=0.25, findings={"unsafe_globals": ["os.system"]})
    assert math.isclose(analysis.coverage.share, 0.25)
    assert analysis.file.unsafe_globals == ("os.system",)
