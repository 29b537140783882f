"""A model that decays step by step passes against its predecessor; the anchor of the default policy sees it.

Real versions in a real registry, measured and judged by what ``gate check`` calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from safetensors.numpy import save_file

from benchmarks.contest.drift import ANCHOR_RULE, PREVIOUS_RULE, version, walk
from gate.workflow.check import CheckRequest, check_source
from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.interface import Verdict

NAME = "drifting"
STEP = 0.2
"""Within the default policy's tolerance of 0.25; three of them are beyond its anchor's 0.5."""

VERSIONS = 5


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Verdict]:
    folder = tmp_path_factory.mktemp("drift")
    uri = f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
    client = MlflowClient(uri, uri)
    client.create_registered_model(NAME)
    found: dict[int, Verdict] = {}
    for number in range(1, VERSIONS + 1):
        _register(client, folder, number)
        found[number] = check_source(
            CheckRequest(
                source=f"models:/{NAME}/{number}",
                options=MeasureOptions(jobs=1),
                address=RegistryAddress(uri, uri),
            )
        ).verdict
    return found


def _register(client: MlflowClient, folder: Path, number: int) -> None:
    place = folder / f"version-{number}"
    place.mkdir()
    save_file(version(number, STEP), place / "model.safetensors")
    client.create_model_version(NAME, place.as_uri())


def _said(verdict: Verdict, rule: str) -> str:
    return next(each.outcome for each in verdict.rules if each.id == rule)


def test_no_step_is_refused_against_the_version_before(verdicts: dict[int, Verdict]) -> None:
    for number in range(2, VERSIONS + 1):
        rule = next(each for each in verdicts[number].rules if each.id == PREVIOUS_RULE)
        assert rule.outcome == "passed", rule.message
        assert isinstance(rule.value, float)
        assert isinstance(rule.baseline_value, float)
        assert rule.value - rule.baseline_value == pytest.approx(STEP, rel=0.1)
        assert verdicts[number].outcome != "blocked"


def test_the_anchor_sees_the_sum_of_the_steps(verdicts: dict[int, Verdict]) -> None:
    said = {number: _said(verdict, ANCHOR_RULE) for number, verdict in verdicts.items() if number > 1}
    assert said == {2: "passed", 3: "passed", 4: "failed", 5: "failed"}
    assert verdicts[3].outcome == "passed"
    assert verdicts[4].outcome == "warned"
    rule = next(each for each in verdicts[4].rules if each.id == ANCHOR_RULE)
    assert "version:1" in rule.message


def test_the_series_on_the_page_is_judged_alike(verdicts: dict[int, Verdict]) -> None:
    steps = walk(VERSIONS, STEP)
    for step in steps:
        assert step.against_previous == _said(verdicts[step.version], PREVIOUS_RULE)
        assert step.against_first == _said(verdicts[step.version], ANCHOR_RULE)
