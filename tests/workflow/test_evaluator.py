"""MLflow's own evaluation interface, on a model logged to a real store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import MetricThreshold, evaluate
from mlflow.models.evaluation.validation import ModelValidationFailedException

from gate.workflow.demo import damaged_copy
from gate.workflow.measure import MeasureOptions, analyze_source
from gate.workflow.sources import RegistryAddress
from tests.models import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATA = pd.DataFrame({"x": [0.0, 1.0], "prediction": [0.0, 1.0]})


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Model ids of a real release, a damaged copy of it, and a model without weights."""
    folder = tmp_path_factory.mktemp("store")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_registry_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment(
        experiment_id=mlflow.create_experiment("evaluation", (folder / "artifacts").as_uri())
    )
    sound = fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
    damaged = damaged_copy(sound, folder / "model.onnx")[0]
    found = {}
    for name, path in (
        ("sound", sound),
        ("damaged", damaged),
        ("empty", _without_weights(folder / "add.onnx")),
    ):
        with mlflow.start_run():
            info = mlflow.onnx.log_model(onnx.load(path), name=name, pip_requirements=["onnxruntime"])
        found[name] = info.model_id
    return found


def _without_weights(path: Path) -> Path:
    from onnx import TensorProto, helper  # noqa: PLC0415

    given, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    bias = onnx.numpy_helper.from_array(np.ones(4, np.float32), "bias")
    graph = helper.make_graph([helper.make_node("Add", ["x", "bias"], ["y"])], "add", [given], [out], [bias])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def judge(model_id: str, **options: object) -> mlflow.models.EvaluationResult:
    return evaluate(
        model_id=model_id,
        data=DATA,
        predictions="prediction",
        model_type="spectral",
        evaluators="gate",
        **options,
    )


def test_metrics_are_those_that_analyze_measures(logged: Mapping[str, str]) -> None:
    result = judge(logged["sound"])
    path = fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
    wanted = analyze_source(str(path), MeasureOptions(), RegistryAddress())
    assert result.metrics["spectral/alpha"] == pytest.approx(wanted.model.alpha, rel=1e-9)
    assert result.metrics["spectral/alpha_weighted"] == pytest.approx(wanted.model.alpha_weighted, rel=1e-9)
    assert result.metrics["spectral/layers"] == wanted.model.layers
    assert result.metrics["spectral/coverage"] == wanted.coverage.share
    run = mlflow.get_run(result.run_id)
    assert run.data.metrics["spectral/alpha"] == result.metrics["spectral/alpha"]
    page = mlflow.artifacts.load_text(f"runs:/{result.run_id}/gate/report.html")
    assert page == result.artifacts["gate/report.html"].content
    logged_model = mlflow.get_logged_model(logged["sound"])
    assert {metric.key for metric in logged_model.metrics} >= {"spectral/alpha"}


def test_thresholds_hold_or_fail(logged: Mapping[str, str]) -> None:
    sound, damaged = judge(logged["sound"]), judge(logged["damaged"])
    mean = sound.metrics["spectral/alpha"]
    above = {"spectral/alpha": MetricThreshold(threshold=mean + 0.01, greater_is_better=False)}
    below = {"spectral/alpha": MetricThreshold(threshold=mean - 0.01, greater_is_better=False)}
    mlflow.validate_evaluation_results(above, sound)
    with pytest.raises(ModelValidationFailedException, match="spectral/alpha"):
        mlflow.validate_evaluation_results(below, sound)
    rank = {"spectral/stable_rank": MetricThreshold(min_absolute_change=1e-6, greater_is_better=False)}
    higher = damaged.metrics["spectral/stable_rank"] > sound.metrics["spectral/stable_rank"]
    worse, better = (damaged, sound) if higher else (sound, damaged)
    mlflow.validate_evaluation_results(rank, better, worse)
    with pytest.raises(ModelValidationFailedException, match="spectral/stable_rank"):
        mlflow.validate_evaluation_results(rank, worse, better)


def test_a_model_passed_by_uri_and_a_source_of_its_own(logged: Mapping[str, str]) -> None:
    by_id = judge(logged["sound"])
    config = {"source": f"models:/{logged['sound']}"}
    elsewhere = judge(logged["damaged"], evaluator_config=config)
    assert elsewhere.metrics == by_id.metrics


def test_a_model_without_weights_fails_alone_and_spoils_no_other_evaluation(
    logged: Mapping[str, str],
) -> None:
    with pytest.raises(MlflowException, match="could not be evaluated"):
        judge(logged["empty"])
    data = pd.DataFrame({"target": [0.0, 1.0], "prediction": [0.0, 1.0]})
    result = evaluate(
        model_id=logged["empty"], data=data, targets="target", predictions="prediction",
        model_type="regressor", evaluators=["default", "gate"],
    )  # fmt: skip
    assert result.metrics["mean_absolute_error"] == 0
    threshold = {"spectral/alpha": MetricThreshold(threshold=6, greater_is_better=False)}
    with pytest.raises((ModelValidationFailedException, MlflowException)):
        mlflow.validate_evaluation_results(threshold, result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"evaluator_config": {"sorce": "models:/a/1"}}, "sorce"),
        ({"evaluator_config": {"convention": "other"}}, "other"),
    ],
)
def test_mistakes_are_told(options: dict[str, object], said: str, logged: Mapping[str, str]) -> None:
    with pytest.raises(Exception, match=said):
        judge(logged["sound"], **options)
    with pytest.raises(MlflowException, match="pass model_id"):
        evaluate(data=DATA, predictions="prediction", model_type="spectral", evaluators="gate")
