"""Waivers over a real registry: bound to the registered model, and a promotion by one ends with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import gate.workflow.check
import gate.workflow.promote
from gate.workflow.check import CheckRequest
from gate.workflow.promote import promote_version
from gate.workflow.sources import RegistryAddress
from tests.cli.command import gate as run

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
version: 1
name: tight
baseline: {use: [none], when_missing: pass}
rules:
  - {id: no-layer, description: no layer is good enough, metric: layer.alpha, at_most: 1.1}
"""


class Tomorrow(datetime):
    """A clock that is two days ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Tomorrow:
        ahead = datetime.now(tz) + timedelta(days=2)
        return cls.fromtimestamp(ahead.timestamp(), tz)


@pytest.fixture(scope="module")
def registered(mlflow_server: str) -> str:
    weights = np.random.default_rng(0).standard_normal((60, 40)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 60])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 40])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    mlflow.set_tracking_uri(mlflow_server)
    mlflow.set_registry_uri(mlflow_server)
    with mlflow.start_run():
        mlflow.onnx.log_model(
            onnx.load_from_string(model.SerializeToString()),
            name="model",
            registered_model_name="waived",
            pip_requirements=["onnxruntime"],
        )
    return mlflow_server


def test_a_promotion_by_a_waiver_holds_as_long_as_the_waiver(
    registered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"MLFLOW_TRACKING_URI": registered}
    (tmp_path / "tight.yaml").write_text(POLICY, encoding="utf-8")
    promote = ("promote", "models:/waived/1", "--alias", "live", "--policy", "tight.yaml")

    refused = run(*promote, folder=tmp_path, changes=changes)
    assert refused.returncode == 1, refused.stderr

    added = run(
        *("waive", "models:/waived/1", "--rule", "no-layer", "--reason", "first try", "--approver", "Ada"),
        *("--expires", "1d"),
        folder=tmp_path,
        changes=changes,
    )
    assert added.returncode == 0, added.stderr
    assert 'model: "waived"' in (tmp_path / "waivers.yaml").read_text(encoding="utf-8")

    passed = run(*promote, "--waivers", "waivers.yaml", folder=tmp_path, changes=changes)
    assert passed.returncode == 0, passed.stderr
    assert re.search(r"\(passed; waived until \d{4}-[^ ]+: no-layer\)", passed.stderr), passed.stderr
    version = mlflow.MlflowClient(registered, registered).get_model_version("waived", "1")
    assert version.tags["gate.outcome"] == "passed"

    request = CheckRequest(
        source="models:/waived/1",
        policies=(tmp_path / "tight.yaml",),
        address=RegistryAddress(registered, registered),
    )
    again = promote_version(request, "live")  # the recorded decision still holds
    assert again.promoted
    assert again.verdict is None
    assert re.search(r"; waived until \d{4}-[^ ]+: no-layer\)", again.message), again.message
    for module in (gate.workflow.promote, gate.workflow.check):
        monkeypatch.setattr(module, "datetime", Tomorrow)
    late = promote_version(replace(request, waivers=tmp_path / "waivers.yaml"), "live")
    assert not late.promoted
    assert late.verdict is not None
    assert [waiver.state for waiver in late.verdict.waivers] == ["expired"]


def test_a_waiver_for_the_registered_model_does_not_cover_its_file(registered: str, tmp_path: Path) -> None:
    changes = {"MLFLOW_TRACKING_URI": registered}
    (tmp_path / "tight.yaml").write_text(POLICY, encoding="utf-8")
    run(
        *("waive", "models:/waived/1", "--rule", "no-layer", "--reason", "r", "--approver", "a"),
        *("--expires", "1d"),
        folder=tmp_path,
        changes=changes,
    )
    local = mlflow.artifacts.download_artifacts("models:/waived/1", dst_path=str(tmp_path / "copy"))
    done = run(
        *("check", local, "--policy", "tight.yaml", "--waivers", "waivers.yaml", "--format", "json"),
        folder=tmp_path,
        changes=changes,
    )
    assert done.returncode == 1
    (waiver,) = json.loads(done.stdout)["waivers"]
    assert waiver["state"] == "unused"
    assert "registered model waived, and this is a source that is not registered" in waiver["why"]
