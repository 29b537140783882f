"""A network is registered once, as designed, and an interrupted run leaves nothing that counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmarks.contest.design import Network, contest, copies
from benchmarks.contest.measure import measured
from benchmarks.contest.registry import EXPERIMENT, Registry
from benchmarks.contest.trained import Trained

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = contest()[0]


def trained(seed: int) -> Trained:
    weights = np.random.default_rng(seed).standard_normal((70, 60)).astype(np.float32)
    return Trained({"0.weight": weights}, 0.75, 0.5 + seed / 100, 0.25)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def test_a_network_is_registered_with_its_design_and_accuracies(registry: Registry) -> None:
    registry.add(NETWORK, trained(1))
    registry.add(contest()[6], trained(2))
    found = registry.entries(contest())
    assert {name: entry.uri for name, entry in found.items()} == {
        "dense-3-00": "models:/dense-3/1",
        "dense-3-01": "models:/dense-3/2",
    }
    assert found["dense-3-01"].metrics == {"train_accuracy": 0.75, "test_accuracy": 0.52, "train_loss": 0.25}
    client = MlflowClient(registry.address.tracking_uri, registry.address.registry_uri)
    version = client.get_model_version("dense-3", "2")
    run = client.get_run(version.run_id)
    assert client.get_experiment(run.info.experiment_id).name == EXPERIMENT
    assert run.data.params["depth"] == "3"
    assert run.data.params["seed"] == str(contest()[6].seed)
    assert run.info.status == "FINISHED"
    analysis = measured(registry, found.values())["dense-3-00"]
    expected = np.linalg.svd(trained(1).weights["0.weight"], compute_uv=False).max() ** 2
    assert analysis.model.log_spectral_norm == pytest.approx(np.log10(expected), rel=1e-6)


def test_what_was_cut_off_before_its_version_is_trained_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise MlflowException("the disk is full")

    with monkeypatch.context() as fault:
        fault.setattr(MlflowClient, "create_model_version", cut_off)
        with pytest.raises(MlflowException, match="disk"):
            registry.add(NETWORK, trained(1))
    assert registry.entries(contest()) == {}
    registry.add(NETWORK, trained(1))
    assert list(registry.entries(contest())) == ["dense-3-00"]


def test_a_network_of_another_design_does_not_count(registry: Registry) -> None:
    registry.add(replace(NETWORK, learning_rate=1.0), trained(1))
    assert registry.entries(contest()) == {}


def test_copies_stand_in_an_experiment_of_their_own(registry: Registry) -> None:
    copy: Network = copies()[0]
    registry.add(copy, trained(1))
    registry.add(NETWORK, trained(2))
    client = MlflowClient(registry.address.tracking_uri, registry.address.registry_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 1
    assert set(registry.entries((*contest(), copy))) == {copy.id, NETWORK.id}
