"""Frames: our columns complete and typed, WeightWatcher's as it reported them."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

import gate
from gate.errors import UsageError
from gate.frames import WEIGHTWATCHER_COLUMNS
from gate.spectra import LayerMetrics
from tests.spectra.synthetic import synthetic_matrices
from tests.spectra.test_weightwatcher import DATA, NO_FIT, PROVENANCE, reference, tensors_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

RANDOM: Final = {"max_rand_eval", "num_traps", "rand_distance"}
"""From shuffles that the tool does not seed; ours are counted by another margin."""
MEASURED_OTHERWISE: Final = {"sv_min", "weak_rank_loss", *RANDOM}
OBJECTIVE_JUMPS: Final = {"bulk_max", "bulk_min", "mp_softrank", "sigma_mp", "num_spikes"}
"""Compared in tests/spectra/randomness/test_weightwatcher.py, with the layers where they differ."""
UNMEASURED: Final = {
    "W_scale",
    "detX_val",
    "detX_val_unrescaled",
    "rand_W_scale",
    "rand_bulk_max",
    "rand_bulk_min",
    "rand_mp_softrank",
    "rand_num_spikes",
    "rand_sigma_mp",
    "ww_maxdist",
    "ww_softrank",
}
"""The reference tool's columns that have no counterpart; docs/how-to/migrate-from-weightwatcher.md."""


def frame_of(tensors: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    named = {f"{name}.weight": values for name, values in tensors.items()}
    analysis = gate.analyze(named, convention="weightwatcher-0.7", groups=["randomness", "aspect"])
    return gate.to_weightwatcher_frame(analysis).set_index("name")


def compare(frame: pd.DataFrame, expected: Mapping[str, Mapping[str, str]]) -> None:
    assert set(frame.index) == set(expected)
    for name, figures in expected.items():
        for column in set(frame.columns) - MEASURED_OTHERWISE - OBJECTIVE_JUMPS - {"layer_id", "longname"}:
            found, told = frame.loc[name, column], figures[column]
            if isinstance(found, str | bool | np.bool_):
                assert str(found) == told, (name, column)
            else:
                assert found == pytest.approx(float(told), rel=1e-9), (name, column)


@pytest.mark.registry_package
@pytest.mark.parametrize("name", PROVENANCE)
def test_weightwatcher_s_columns_hold_its_numbers(name: str) -> None:
    compare(frame_of(tensors_of(name)), reference(name))


def test_weightwatcher_s_columns_hold_its_numbers_on_synthetic_matrices() -> None:
    kept = {name: values for name, values in synthetic_matrices().items() if name not in NO_FIT}
    frame = frame_of(kept)
    expected = {name: row for name, row in reference("synthetic").items() if name in kept}
    compare(frame, {name: expected[name] for name in frame.index})


def test_the_columns_are_weightwatcher_s_in_its_order() -> None:
    with (DATA / "efficientnet_lite0.csv").open(encoding="utf-8") as file:
        theirs = next(csv.reader(file))
    ours = list(gate.to_weightwatcher_frame(gate.analyze({"w": np.eye(30, 20) + 0.1})).columns)
    assert ours == [name for name in theirs if name not in UNMEASURED]
    assert set(ours[2:]) == set(WEIGHTWATCHER_COLUMNS)


def test_a_failed_fit_is_missing_and_not_minus_one() -> None:
    weights = {
        "fc.weight": np.eye(64, dtype=np.float32),
        "good.weight": np.random.default_rng(0).random((80, 60)),
    }
    frame = gate.to_weightwatcher_frame(gate.analyze(weights, convention="weightwatcher-0.7"))
    assert frame["status"].tolist() == ["failed", "success"]
    assert np.isnan(frame["alpha"][0])
    assert frame["alpha"].dtype == np.float64
    assert frame["M"].dtype == np.int64


def test_layers_that_the_convention_leaves_out_keep_their_place() -> None:
    weights = {"tiny.weight": np.ones((4, 3)), "good.weight": np.random.default_rng(0).random((80, 60))}
    frame = gate.to_weightwatcher_frame(gate.analyze(weights, convention="weightwatcher-0.7"))
    assert frame[["layer_id", "name"]].to_numpy().tolist() == [[1, "good"]]


@pytest.mark.parametrize(
    ("kind", "shape", "told"),
    [
        ("depthwise", (8, 1, 3, 3), ("conv2d", 9)),
        ("conv_transpose2d", (8, 4, 3, 2), ("conv2d", 6)),
        ("conv1d", (8, 4, 5), ("conv1d", 5)),
        ("lstm", (8, 4), ("dense", 1)),
        ("expert", (3, 8, 4), ("dense", 1)),
        ("embedding", (8, 4), ("embedding", 1)),
    ],
)
def test_kinds_in_weightwatcher_s_words(kind: Any, shape: tuple[int, ...], told: tuple[str, int]) -> None:
    row = LayerMetrics("x", kind, shape, "float32", 1, 8, 4, 1, 4)
    analysis = replace(gate.analyze({"w": np.eye(3)}), layers=(row,))
    frame = gate.to_weightwatcher_frame(analysis)
    assert (frame["layer_type"][0], frame["rf"][0]) == told


def test_our_columns_are_the_fields_and_their_types_do_not_depend_on_what_is_missing() -> None:
    def frame(**options: Any) -> pd.DataFrame:
        weights = {"fc.weight": np.random.default_rng(0).random((80, 60)), "none.weight": np.zeros((9, 9))}
        return gate.to_frame(gate.analyze(weights, **options))

    plain, full = frame(), frame(full=True)
    assert list(plain.columns) == [field.name for field in fields(LayerMetrics) if field.name != "extra"]
    assert plain.dtypes.tolist() == full.dtypes.tolist()
    assert plain["alpha"].dtype == np.float64
    assert str(plain["spikes"].dtype) == "Int64"
    assert plain["spikes"].isna().all()
    assert full["spikes"].notna().tolist() == [True, False]
    analysis = gate.analyze({"fc.weight": np.random.default_rng(0).random((80, 60))})
    assert gate.to_frame(analysis)["alpha"][0] == analysis.layers[0].alpha


def test_an_analysis_without_rows_gives_an_empty_frame_of_the_same_types() -> None:
    analysis = gate.analyze({"fc.weight": np.random.default_rng(0).random((80, 60))})
    empty = gate.to_frame(replace(analysis, layers=()))
    assert empty.dtypes.tolist() == gate.to_frame(analysis).dtypes.tolist()
    assert gate.to_weightwatcher_frame(replace(analysis, layers=())).empty


@pytest.mark.parametrize("frame", [gate.to_frame, gate.to_weightwatcher_frame])
def test_a_frame_is_made_of_an_analysis_alone(frame: Any) -> None:
    verdict = gate.check({"w": np.eye(20)})
    with pytest.raises(UsageError, match="not of a Verdict") as caught:
        frame(verdict)
    assert ".analysis" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="not of a dict"):
        frame({})
