"""Models that MLflow's own flavours logged, through every kind of source that leads to them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from gate.analysis.manifest import folder_manifest, manifest_digest
from tests.registry.conftest import make_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.conftest import Place


def log(place: Place, flavor: Any, model: Any, name: str, **options: Any) -> Any:
    import mlflow  # noqa: PLC0415

    mlflow.set_tracking_uri(place.connection.tracking_uri)
    mlflow.set_experiment(experiment_id=place.client.get_run(place.run()).info.experiment_id)
    with mlflow.start_run():
        return flavor.log_model(model, name="model", registered_model_name=name, **options)


def check_sources(place: Place, logged: Any, name: str, tmp_path: Path) -> set[str]:
    """Every source leads to the same digest, that of MLflow's own download; return the kept files."""
    import mlflow  # noqa: PLC0415

    downloaded = tmp_path / "downloaded"
    mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{logged.model_id}", dst_path=str(downloaded))
    (downloaded / "registered_model_meta").unlink(missing_ok=True)  # MLflow's client adds it on download
    expected = manifest_digest(folder_manifest(downloaded))
    kept: set[str] = set()
    for source in (
        f"models:/{name}/1",
        f"models:/{name}/latest",
        f"models:/{logged.model_id}",
        f"runs:/{logged.run_id}/model",
    ):
        with place.registry.open(place.registry.resolve(source)) as model:
            assert model.digest == expected, source
            kept = {
                path.relative_to(model.root).as_posix() for path in model.root.rglob("*") if path.is_file()
            }
    return kept


@pytest.fixture(autouse=True)
def restore_tracking_uri() -> Any:
    import mlflow  # noqa: PLC0415

    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


def test_onnx(place: Place, tmp_path: Path, name: str) -> None:
    import mlflow.onnx  # noqa: PLC0415
    import onnx  # noqa: PLC0415

    name = name.replace("?", "")
    model = onnx.load(make_model(tmp_path / "onnx", seed=3) / "model.onnx")
    kept = check_sources(place, log(place, mlflow.onnx, model, name), name, tmp_path)
    assert {"MLmodel", "model.onnx"} <= kept
    if place.connection.registry_uri.startswith("http"):
        assert not any(file.endswith((".yaml", ".txt", ".py")) for file in kept)


@pytest.mark.torch
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
@pytest.mark.parametrize("serialization", ["pt2", "pickle"])
def test_pytorch(place: Place, tmp_path: Path, name: str, serialization: str) -> None:
    import mlflow.pytorch  # noqa: PLC0415
    import torch  # noqa: PLC0415

    name = name.replace("?", "")
    model = torch.nn.Sequential(torch.nn.Linear(32, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8))
    example = torch.zeros(2, 32).numpy()
    options = {"serialization_format": serialization, "input_example": example}
    kept = check_sources(place, log(place, mlflow.pytorch, model, name, **options), name, tmp_path)
    assert ("data/model.pt2" if serialization == "pt2" else "data/model.pth") in kept
