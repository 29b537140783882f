from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.registry import Naming, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from gate.registry.clients import Connection

_COUNTER = itertools.count()


@pytest.fixture(scope="session")
def server(mlflow_server: str) -> str:
    return mlflow_server


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('embedded') / 'registry.db'}"


@dataclass(frozen=True)
class Place:
    """A registry to test against, and how to put things into it."""

    registry: Registry
    artifacts: str | None

    @property
    def connection(self) -> Connection:
        return self.registry.connection

    @property
    def client(self) -> Any:
        return self.connection.client

    def run(self) -> str:
        name = f"training {next(_COUNTER)}"
        experiment = self.client.create_experiment(name, artifact_location=self.artifacts)
        return str(self.client.create_run(experiment).info.run_id)

    def version(self, name: str, folder: Path) -> int:
        """Log a folder as artifacts of a run and register it."""
        run_id = self.run()
        self.client.log_artifacts(run_id, str(folder), "model")
        uri = self.client.get_run(run_id).info.artifact_uri
        if not any(model.name == name for model in self.client.search_registered_models()):
            self.client.create_registered_model(name)
        found = self.client.create_model_version(name, f"{uri}/model", run_id)
        return int(found.version)


@pytest.fixture(params=["server", "embedded"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)  # MLflow's embedded store keeps artifacts below the working directory
    uri = str(request.getfixturevalue(request.param))
    artifacts = (tmp_path / "store").as_uri() if request.param == "embedded" else None
    return Place(Registry.connect(uri, naming=Naming()), artifacts)


@pytest.fixture
def name() -> str:
    """A hostile but legal name, new for each test."""
    return f"Ünïcode model % 20 ? # @ 'quoted' {next(_COUNTER)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model", seed=0)


def make_model(folder: Path, seed: int) -> Path:
    """Write what MLflow's ONNX flavour writes: a small real model, with code and an environment."""
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    values = np.random.default_rng(seed).normal(size=(64, 48)).astype(np.float32)
    node = helper.make_node("MatMul", ["x", "dense.weight"], ["y"])
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 48])],
        [numpy_helper.from_array(values, "dense.weight")],
    )
    (folder / "code").mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), folder / "model.onnx")
    (folder / "MLmodel").write_text("flavors:\n  onnx:\n    data: model.onnx\n")
    (folder / "python_env.yaml").write_text("python: 3.11\n")
    (folder / "code" / "helper.py").write_text("raise SystemExit('never run')\n")
    return folder
