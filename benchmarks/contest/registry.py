"""The MLflow of the contest: SQLite and local files in one folder, one run and one version a network.

A network is done when its version stands in the registry, which is written last: what an interrupted
run left half done has no version, and is trained again.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from safetensors.numpy import save_file

from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from benchmarks.contest.design import Network
    from benchmarks.contest.trained import Trained

EXPERIMENT: Final = "mini-contest"
COPIES_EXPERIMENT: Final = "mini-contest-copies"
WEIGHTS: Final = "model.safetensors"
_NETWORK: Final = "network"


@dataclass(frozen=True, slots=True)
class Entry:
    """A network as it is registered: the version's URI and the accuracies of its run."""

    network: str
    uri: str
    metrics: Mapping[str, float]


class Registry:
    """The registry in ``folder``, made at the first use."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._artifacts = (folder / "artifacts").resolve()
        uri = f"sqlite:///{(folder / 'mlflow.db').resolve().as_posix()}"
        self.address = RegistryAddress(uri, uri)
        self._client = MlflowClient(uri, uri)

    def add(self, network: Network, trained: Trained) -> None:
        """Log the network's run with its weights, then register it as a version of its sub-group's model."""
        run = self._client.create_run(self._experiment(network), run_name=network.id)
        identity = run.info.run_id
        metrics = {name: getattr(trained, name) for name in ("train_accuracy", "test_accuracy", "train_loss")}
        now = int(time.time() * 1000)
        self._client.log_batch(
            identity,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in asdict(network).items()],
        )
        with tempfile.TemporaryDirectory() as folder:
            save_file(trained.weights, Path(folder) / WEIGHTS)
            self._client.log_artifact(identity, str(Path(folder) / WEIGHTS), "model")
        self._client.set_terminated(identity)
        self._registered_model(network.group)
        self._client.create_model_version(
            network.group,
            f"{run.info.artifact_uri}/model",
            identity,
            tags={_NETWORK: network.id},
            description=described(network),
        )

    def entries(self, networks: Iterable[Network]) -> dict[str, Entry]:
        """Return those of ``networks`` that are registered as designed, by id.

        A version of another design (the code was changed since) does not count.
        """
        wanted = {network.id: described(network) for network in networks}
        runs = {
            run.info.run_id: run.data.metrics
            for name in (EXPERIMENT, COPIES_EXPERIMENT)
            if (experiment := self._client.get_experiment_by_name(name)) is not None
            for run in _pages(partial(self._client.search_runs, [experiment.experiment_id]))
        }
        return {
            identity: Entry(identity, f"models:/{version.name}/{version.version}", runs[version.run_id])
            for version in _pages(self._client.search_model_versions)
            if (identity := version.tags.get(_NETWORK, "")) in wanted
            and wanted[identity] == version.description
            and version.run_id in runs
        }

    def _experiment(self, network: Network) -> str:
        name = COPIES_EXPERIMENT if network.group.endswith("-copies") else EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name, self._artifacts.as_uri()))
        return str(found.experiment_id)

    def _registered_model(self, name: str) -> None:
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def described(network: Network) -> str:
    """Return the whole design of a network in one line."""
    return ", ".join(f"{name} {value}" for name, value in asdict(network).items())


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """Yield everything that a paged search of MLflow finds."""
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return
