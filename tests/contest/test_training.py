"""Six of the networks, trained: they register, go through the study, and are those of the committed table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import gate
from benchmarks.contest.design import contest, sample
from benchmarks.contest.networks import QUALITY, TRAINING_QUALITY
from benchmarks.contest.registry import EXPERIMENT, Registry
from benchmarks.contest.run import run
from benchmarks.contest.tables import read_table
from gate.study import StudySettings
from gate.workflow.measure import MeasureOptions
from gate.workflow.study import StudyRequest, run_study

pytest.importorskip("torch")

if TYPE_CHECKING:
    from benchmarks.contest.registry import Entry

pytestmark = pytest.mark.torch

TABLE = Path(__file__).resolve().parents[2] / "docs" / "assets" / "contest" / "networks.csv"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, dict[str, Entry]]:
    registry = Registry(tmp_path_factory.mktemp("contest"))
    run(registry, sample(2))
    return registry, run(registry, sample(6), jobs=2)  # goes on where the first one stopped


def norm_of(entry: Entry, registry: Registry) -> float:
    address = registry.address
    found = gate.analyze(
        entry.uri, tracking_uri=address.tracking_uri, registry_uri=address.registry_uri, jobs=1
    )
    norm = found.model.log_spectral_norm
    assert norm is not None
    return norm


def test_six_networks_are_registered_once(trained: tuple[Registry, dict[str, Entry]]) -> None:
    _, entries = trained
    assert set(entries) == {network.id for network in sample(6)}
    assert {entry.uri for entry in entries.values()} == {
        f"models:/{network.group}/1" for network in sample(6)
    }


def test_they_are_those_of_the_committed_table(trained: tuple[Registry, dict[str, Entry]]) -> None:
    """To a few images of 1,198: another processor adds up in another order."""
    _, entries = trained
    rows = {row["id"]: row for row in read_table(TABLE)}
    for name, entry in entries.items():
        assert entry.metrics[QUALITY] == pytest.approx(float(rows[name][QUALITY]), abs=0.02), name
        assert entry.metrics[TRAINING_QUALITY] == pytest.approx(float(rows[name][TRAINING_QUALITY]), abs=0.02)


def test_they_go_through_the_study(trained: tuple[Registry, dict[str, Entry]]) -> None:
    registry, entries = trained
    found = run_study(
        StudyRequest(
            sources=(f"experiment:{EXPERIMENT}",),
            settings=StudySettings(min_group=3, resamples=20, permutations=99),
            group=("param:family",),
            quality=QUALITY,
            options=MeasureOptions(jobs=1),
            address=registry.address,
        )
    )
    assert found.left_out == ()
    assert {(size.group, size.n) for size in found.groups} == {("dense", 3), ("convolution", 3)}
    assert sorted(model.quality for model in found.models) == pytest.approx(
        sorted(entry.metrics[QUALITY] for entry in entries.values())
    )
    norms = {model.metrics["log_spectral_norm"] for model in found.models}
    assert norms == {norm_of(entry, registry) for entry in entries.values()}


def test_most_norms_are_those_of_the_committed_table(trained: tuple[Registry, dict[str, Entry]]) -> None:
    """On another processor some networks end elsewhere, though as good: rounding decides what they learn."""
    registry, entries = trained
    table = {row["id"]: float(row["log_spectral_norm"]) for row in read_table(TABLE)}
    apart = [abs(norm_of(entry, registry) - table[name]) for name, entry in entries.items()]
    assert np.median(apart) < 0.02


def test_a_seed_gives_the_same_weights_again_and_another_does_not() -> None:
    from benchmarks.contest.training import train  # noqa: PLC0415 - torch

    network = contest()[0]
    seeded = (network, network, replace(network, seed=network.seed + 1))
    first, again, other = (train(each).weights for each in seeded)
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert not np.array_equal(first["0.weight"], other["0.weight"])


def test_networks_have_the_layers_that_their_depth_says() -> None:
    from benchmarks.contest.training import build  # noqa: PLC0415 - torch

    for network in contest()[:6]:
        matrices = [value for value in build(network).state_dict().values() if value.ndim > 1]
        assert len(matrices) == network.depth
        assert {value.ndim for value in matrices[:-1]} == ({2} if network.family == "dense" else {4})
