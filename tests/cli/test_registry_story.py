"""The whole story over HTTP: register, check, read what was recorded, promote, refuse, mend."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import mlflow
import onnx
import pytest

from gate.workflow.demo import damaged_copy
from tests.cli.command import GATE, environment, gate
from tests.models import fetch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def registered(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two versions: a real release, and a damaged copy of it."""
    sound = fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
    damaged = damaged_copy(sound, tmp_path_factory.mktemp("damaged") / "model.onnx")[0]
    mlflow.set_tracking_uri(mlflow_server)
    mlflow.set_registry_uri(mlflow_server)
    for path in (sound, damaged):
        with mlflow.start_run():
            mlflow.log_metric("val_accuracy", 0.93)
            mlflow.onnx.log_model(
                onnx.load(path),
                name="model",
                registered_model_name="silero",
                pip_requirements=["onnxruntime"],
            )
    return mlflow_server


def _version(address: str, number: int) -> mlflow.entities.model_registry.ModelVersion:
    return mlflow.MlflowClient(address, address).get_model_version("silero", str(number))


def test_the_story(registered: str, tmp_path: Path) -> None:
    changes = {"MLFLOW_TRACKING_URI": registered}
    client = mlflow.MlflowClient(registered, registered)

    done = gate("promote", "models:/silero/1", "--alias", "champion", changes=changes)
    assert done.returncode == 0, done.stderr
    first = _version(registered, 1)
    assert "champion" in first.aliases
    assert first.tags["gate.outcome"] in {"passed", "warned"}

    verdict_file, junit_file = tmp_path / "verdict.json", tmp_path / "junit.xml"
    done = gate(
        *("check", "models:/silero/2", "--format", "text", "-o", "-"),
        *("--format", "json", "-o", verdict_file, "--format", "junit", "-o", junit_file),
        changes=changes,
    )
    assert done.returncode == 1, done.stderr
    verdict = json.loads(verdict_file.read_text())
    assert verdict["outcome"] == "blocked"
    assert verdict["baselines"][0]["uri"] == "models:/silero/1"
    assert {rule["id"] for rule in verdict["rules"] if rule["outcome"] == "failed"} >= {
        "not-random",
        "no-layer-lost",
    }
    assert "not-random" in junit_file.read_text()
    assert f"recorded; report: {registered}/#/experiments/" in done.stderr

    second = _version(registered, 2)
    assert second.tags["gate.outcome"] == "blocked"
    assert second.tags["gate.digest"] == verdict["analysis"]["source"]["digest"]
    run = client.get_run(second.tags["gate.report"])
    assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {
        "report.html",
        "verdict.json",
        "layers.csv",
    }
    assert "blocked" in second.description

    done = gate("promote", "models:/silero/2", "--alias", "champion", changes=changes)
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert "blocked by not-random, no-layer-lost" in done.stderr
    assert _version(registered, 1).aliases == ["champion"]


def test_rules_may_ask_for_metrics_of_the_run(registered: str, tmp_path: Path) -> None:
    policy = tmp_path / "accuracy.yaml"
    policy.write_text(
        "version: 1\nname: accuracy\nrules:\n  - id: accuracy-floor\n    description: Good enough\n"
        "    metric: run.metrics.val_accuracy\n    at_least: 0.95\n"
    )
    done = gate(
        *("check", "models:/silero@latest-sound", "--policy", policy),
        changes={"MLFLOW_TRACKING_URI": registered},
    )
    assert done.returncode == 2, done.stderr  # there is no such alias
    done = gate(
        *("check", "models:/silero/1", "--policy", policy, "--no-record", "--format", "json"),
        changes={"MLFLOW_TRACKING_URI": registered},
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["rules"][0]["value"] == pytest.approx(0.93)


def test_a_run_can_be_checked_before_it_is_registered(registered: str) -> None:
    version = _version(registered, 1)
    done = gate(
        *("analyze", f"runs:/{version.run_id}/model", "--format", "json"),
        changes={"MLFLOW_TRACKING_URI": registered},
    )
    assert done.returncode == 0, done.stderr
    analysis = json.loads(done.stdout)
    assert analysis["source"]["digest"] == version.tags.get("gate.digest", analysis["source"]["digest"])
    assert analysis["coverage"]["analyzed_layers"] == 16


def test_a_report_that_is_lost_leaves_the_decision_and_says_so(registered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as unread:
        for redirect, version, code in (("", 2, 1), (">&-", 1, 3)):
            done = subprocess.run(
                [*("sh", "-c", f'exec "$@" {redirect}', "sh"), *GATE, "check", f"models:/silero/{version}"],
                env=environment({"MLFLOW_TRACKING_URI": registered}),
                stdout=unread,
                stderr=subprocess.PIPE,
                text=True,
                timeout=200,
                check=False,
            )
            assert done.returncode == code, done.stderr
            assert "cannot write stdout" in done.stderr
            assert "the decision was recorded" in done.stderr
            told = f"its outcome is {_version(registered, version).tags['gate.outcome']},"
            assert told in done.stderr


def test_an_output_that_cannot_be_written_records_nothing(registered: str) -> None:
    before = _version(registered, 1).tags
    done = gate(
        *("check", "models:/silero/1", "--format", "json", "-o", "nowhere/out.json"),
        changes={"MLFLOW_TRACKING_URI": registered},
    )
    assert done.returncode == 2
    assert "nowhere/out.json" in done.stderr
    assert _version(registered, 1).tags == before
