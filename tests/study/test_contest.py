"""The public table of 150 contest models, whose sub-groups are those of the paper's tables 1 and 2.

The table itself is read where GATE_CONTEST_CSV names it; figures counted from it without the gate
(tests/study/contest_figures.py) are always checked.
"""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from gate.study.interface import StudySettings, Trend
from gate.study.paradox import simpson
from gate.study.trends import average, label, points
from gate.workflow.study import StudyRequest, run_study
from tests.study.contest_figures import METRICS, figures

if TYPE_CHECKING:
    from gate.study import Study

_VARIABLE: Final = "GATE_CONTEST_CSV"
_KEPT: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "contest_figures.json").read_text(encoding="utf-8")
)


def test_sub_groups_have_the_sizes_of_the_papers_tables() -> None:
    sizes = _KEPT["sizes"]
    assert [n for group, n in sizes.items() if group.startswith("Task1")] == [24, 12, 12, 16, 20, 12]
    assert sorted(n for group, n in sizes.items() if group.startswith("Task2")) == [6, 12, 18, 18]
    assert sum(sizes.values()) == 150


@pytest.mark.parametrize("metric", METRICS)
def test_every_tau_lies_on_the_grid_of_its_sub_group(metric: str) -> None:
    """Without ties τ is 1 less a whole number of steps of 4 / (n (n − 1)), one for each pair out of order."""
    for group, found in _KEPT["metrics"][metric]["groups"].items():
        n = _KEPT["sizes"][group]
        assert found["untied_x"] == found["untied_y"] == n * (n - 1) // 2
        steps = (1 - found["kendall_tau"]) * n * (n - 1) / 4
        assert steps == pytest.approx(round(steps), abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_average_is_the_plain_mean_of_sub_groups_and_not_the_pooled_value(metric: str) -> None:
    found = _KEPT["metrics"][metric]
    trends = [Trend(group["n"], group["r2"], group["rmse"], group["slope"], group["kendall_tau"])
              for group in found["groups"].values()]  # fmt: skip
    mean = average(trends, [points([(0.0, 0.0), (1.0, 1.0), (2.0, 3.0)])] * len(trends))
    plain = math.fsum(group["kendall_tau"] for group in found["groups"].values()) / 10
    weighted = math.fsum(group["kendall_tau"] * group["n"] for group in found["groups"].values()) / 150
    assert mean.kendall_tau == pytest.approx(plain, abs=1e-12)
    assert abs(plain - weighted) > 1e-4
    assert abs(plain - found["pooled"]["kendall_tau"]) > 1e-3


def test_the_trend_of_these_metrics_does_not_reverse() -> None:
    kinds = {metric: simpson([group["slope"] for group in found["groups"].values()], found["pooled"]["slope"])
             for metric, found in _KEPT["metrics"].items()}  # fmt: skip
    assert kinds == dict.fromkeys(METRICS, "none")


def test_labels_of_the_smallest_sub_group() -> None:
    group = {metric: _KEPT["metrics"][metric]["groups"]["Task2 / 9xx"] for metric in METRICS}
    found = {metric: label(each["r2"], each["kendall_tau"]) for metric, each in group.items()}
    assert found == {"VPM_1": "modest", "VPM_80": "strong", "VR": "strong", "WCV": "strong"}


@pytest.fixture(scope="module")
def table() -> Path:
    """The table, where the environment says it is."""
    place = os.environ.get(_VARIABLE)
    if not place:
        pytest.skip(f"{_VARIABLE} does not name the public table of contest models")
    return Path(place)


@pytest.fixture(scope="module")
def study(table: Path) -> Study:
    settings = StudySettings(resamples=200, permutations=999)
    return run_study(StudyRequest((str(table),), settings, ("task", "subgroup")))


def test_kept_figures_are_those_of_the_table(table: Path) -> None:
    with table.open(encoding="utf-8", newline="") as file:
        assert figures(list(csv.DictReader(file))) == _KEPT


def test_the_study_of_the_table_has_the_counted_figures(study: Study) -> None:
    assert study.quality == "generalization_gap"
    assert study.quality_better == "lower"
    assert {size.group: size.n for size in study.groups} == _KEPT["sizes"]
    assert [metric.metric for metric in study.metrics] == list(METRICS)
    for metric in study.metrics:
        kept = _KEPT["metrics"][metric.metric]
        for group in metric.groups:
            _same(group, kept["groups"][group.group])
        _same(metric.pooled, kept["pooled"])


def _same(found: Any, kept: dict[str, float]) -> None:
    for name in ("n", "r2", "rmse", "slope", "kendall_tau"):
        assert getattr(found, name) == pytest.approx(kept[name], rel=1e-9), name
