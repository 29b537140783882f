"""``gate calibrate`` against a real MLflow server with a history of small networks, trained on digits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.cli.main import run
from gate.policy import load_policy
from gate.registry import Naming, Registry

if TYPE_CHECKING:
    from pathlib import Path

NAME = "digits reader"
VERSIONS = 14
SPOILED = (5, 9)
"""Versions trained on shuffled labels: their accuracy is that of guessing."""


def trained(seed: int, *, spoiled: bool) -> tuple[dict[str, Any], float]:
    """Return the weights of a small network trained on digits, and its test accuracy."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    data = load_digits()
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(data.target))
    train, test = order[:1200], order[1200:]
    labels = generator.permutation(data.target[train]) if spoiled else data.target[train]
    network = MLPClassifier((64, 48), max_iter=8, random_state=seed, learning_rate_init=0.003)
    network.fit(data.data[train] / 16, labels)
    weights = {f"layers.{place}.weight": w.T.astype(np.float32) for place, w in enumerate(network.coefs_)}
    return weights, float(network.score(data.data[test] / 16, data.target[test]))


@pytest.fixture(scope="module")
def server(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    from safetensors.numpy import save_file  # noqa: PLC0415 - only these tests write such models
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    client = Registry.connect(mlflow_server, naming=Naming()).connection.client
    experiment = client.create_experiment("digits")
    client.create_registered_model(NAME)
    folder = tmp_path_factory.mktemp("networks")
    for number in range(1, VERSIONS + 1):
        with pytest.warns(ConvergenceWarning):
            weights, accuracy = trained(number, spoiled=number in SPOILED)
        place = folder / str(number)
        place.mkdir()
        save_file(weights, place / "model.safetensors")
        run_id = client.create_run(experiment).info.run_id
        client.log_metric(run_id, "test_accuracy", accuracy)
        client.log_artifacts(run_id, str(place), "model")
        client.create_model_version(NAME, f"{client.get_run(run_id).info.artifact_uri}/model", run_id)
    client.set_registered_model_alias(NAME, "champion", "14")
    client.set_model_version_tag(NAME, "5", "rolled_back", "true")
    return mlflow_server


def everything(address: str) -> tuple[Any, ...]:
    """Return all that calibrating might have changed."""
    client = Registry.connect(address, naming=Naming()).connection.client
    versions = client.search_model_versions(f"name = '{NAME}'", max_results=200)
    experiments = client.search_experiments()
    return (
        sorted((v.version, v.description, tuple(sorted(v.tags.items())), v.current_stage) for v in versions),
        sorted(client.get_registered_model(NAME).aliases.items()),
        sorted(experiment.name for experiment in experiments),
        [len(client.search_runs([experiment.experiment_id])) for experiment in experiments],
    )


def test_limits_are_proposed_and_the_registry_stays_as_it_was(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(server)
    base = tmp_path / "base.yaml"
    base.write_text(
        "version: 1\nname: digits\nbaseline: {when_missing: pass}\nrules:\n"
        "  - {id: accuracy, description: It reads digits, metric: run.metrics.test_accuracy, at_least: 0}\n"
        "  - {id: finite, description: It computes, metric: layer.flags, not_in: [not-finite]}\n"
    )
    proposal, report = tmp_path / "digits.yaml", tmp_path / "report.html"
    words = ["calibrate", f"models:/{NAME}", "--tracking-uri", server, "--policy", str(base)]
    words += ["--quality", "test_accuracy", "--bad-beyond", "0.5", "--false-refusals", "0.1", "--no-cache"]
    assert run([*words, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["truth"]["bad"] == [f"{NAME}/5", f"{NAME}/9"]
    assert found["truth"]["promoted"] == 1
    assert found["enough"]
    # Twelve good versions make thirteen places: one is as much as a tenth of them.
    assert found["expected"] == pytest.approx(1 / 13)
    assert found["power"] == pytest.approx(
        {"count": 2, "of": 2, "rate": 1, "low": 0.1581, "high": 1}, abs=1e-4
    )
    assert run([*words, "--format", "html", "-o", str(proposal), "-o", str(report)]) == 0
    assert str(proposal) in capsys.readouterr().err
    assert proposal.read_text() == found["policy"]
    assert report.read_text().startswith("<!doctype html>")
    assert run(["policy", "validate", str(proposal)]) == 0
    policy = load_policy(proposal)
    assert policy.match.models == (NAME,)
    good = [row["quality"] for row in found["versions"] if row["good"]]
    (limit,) = [rule.operator.canonical() for rule in policy.rules if rule.id == "accuracy"]
    assert limit <= min(good) < limit + 0.002
    assert everything(server) == before


def test_a_backtest_tells_what_a_policy_would_have_decided(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    floor = tmp_path / "floor.yaml"
    floor.write_text(
        "version: 1\nname: floor\nbaseline: {use: [alias:champion], when_missing: pass}\nrules:\n"
        "  - {id: accuracy, description: x, metric: run.metrics.test_accuracy, at_least: 0.6}\n"
        "  - {id: no-worse, description: x, metric: run.metrics.test_accuracy, against: baseline,\n"
        "     max_decrease: {absolute: 0.9}}\n"
    )
    words = ["calibrate", f"models:/{NAME}", "--tracking-uri", server, "--backtest", str(floor), "--no-cache"]
    assert run([*words, "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["policies"]
    refused = [row["version"] for row in found["versions"] if row["outcome"] == "blocked"]
    assert refused == list(SPOILED)
    # Each is compared with the newest version before it that passed, never with today's champion, 14.
    passed = [number for number in range(1, VERSIONS + 1) if number not in SPOILED]
    expected = [max((n for n in passed if n < row["version"]), default=None) for row in found["versions"]]
    assert [row["against"] for row in found["versions"]] == [
        None if number is None else f"models:/{NAME}/{number}" for number in expected
    ]
    assert (found["misses"]["count"], found["misses"]["of"]) == (0, 1)
    assert (found["false_refusals"]["count"], found["false_refusals"]["of"]) == (1, 13)
    assert run([*words, "--last", "3"]) == 0
    text = capsys.readouterr().out
    assert "0 of 3 versions" in text
    assert f"{NAME}/11" not in text


def test_recorded_analyses_are_used_again_where_they_fit(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = ["--tracking-uri", server, "--quiet", "--no-cache"]
    assert run(["check", f"models:/{NAME}/1", *address, "--baseline", "none"]) in {0, 1, 4}
    words = ["calibrate", f"models:/{NAME}", *address, "--backtest", "default", "--format", "json"]
    capsys.readouterr()
    assert run(words) == 0
    reused = json.loads(capsys.readouterr().out)
    assert "1 of 14 analyses are those recorded with a decision" in reused["notes"]
    assert reused["policies"][0]["versions"][0]["recorded"] in {"passed", "warned", "blocked", "inconclusive"}
    assert run([*words, "--no-reuse"]) == 0
    anew = json.loads(capsys.readouterr().out)
    assert anew["policies"] == reused["policies"]
    assert run([*words, "--convention", "paper"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert not any("recorded with a decision" in note for note in other["notes"])


def test_runs_of_an_experiment_are_a_history_too(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "calibrate",
        "experiment:digits",
        "--tracking-uri",
        server,
        "--backtest",
        "default",
        "--no-cache",
    ]
    assert run([*words, "--quality", "test_accuracy", "--bad-beyond", "0.5", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["policies"][0]["versions"]) == VERSIONS
    assert len(found["truth"]["bad"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["models:/no such model"], 2, "no such model"),
        (["models:/digits reader/3"], 2, "no history"),
        (["models:/digits reader", "--quality", "loss"], 2, "test_accuracy"),
        (["models:/digits reader", "--backtest", "default", "-o", "p.yaml"], 2, "proposes no policy"),
        (["models:/digits reader", "--format", "sarif"], 2, "no format"),
        (["models:/digits reader", "--policy", "gone.yaml"], 2, "gone.yaml"),
        (["models:/digits reader", "--promoted", "champion"], 2, "alias:GLOB"),
        (["experiment:none such"], 2, "none such"),
    ],
)
def test_what_cannot_be_used_is_exit_2(
    server: str, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibrate", *words, "--tracking-uri", server]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_a_model_without_versions_and_policies_that_govern_nothing_are_exit_4(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Registry.connect(server, naming=Naming()).connection.client.create_registered_model("bare")
    assert run(["calibrate", "models:/bare", "--tracking-uri", server]) == 4
    other = tmp_path / "other.yaml"
    other.write_text(
        "version: 1\nname: other\nmatch: {models: [fraud]}\nrules:\n"
        "  - {id: a, description: b, metric: model.alpha, at_most: 9}\n"
    )
    words = [
        "calibrate",
        f"models:/{NAME}",
        "--tracking-uri",
        server,
        "--backtest",
        str(other),
        "--last",
        "1",
    ]
    assert run(words) == 4
    assert "governs any" in capsys.readouterr().err


def test_a_dead_registry_is_exit_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert run(["calibrate", "models:/x", "--tracking-uri", "http://127.0.0.1:9"]) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err
