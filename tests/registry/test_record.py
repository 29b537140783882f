from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from gate.errors import UsageError
from gate.registry import Naming, RecordInput, Registry
from gate.registry.decision import policies_digest
from gate.registry.description import BEGIN, END
from gate.registry.resolve import ResolvedSource, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.interface import Outcome
    from tests.registry.conftest import Place

REPORTS = {"report.html": b"<!doctype html>\xff", "verdict.json": b"{}", "layers.csv": b"name\n"}
CHECKED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def judged(outcome: Outcome = "passed", digest: str = "sha256:aa", alpha: float = 3.25) -> RecordInput:
    metrics = {"alpha": alpha, "alpha_weighted": -1.5, "layers": 4, "mp_soft_rank": None, "odd": float("nan")}
    policies = (("strict", "sha256:02"), ("default", "sha256:01"))
    return RecordInput(outcome, policies, digest, metrics, REPORTS, CHECKED_AT)


@pytest.fixture
def version(place: Place, folder: Path, name: str) -> ResolvedSource:
    return place.registry.resolve(f"models:/{name}/{place.version(name, folder)}")


def tags_of(place: Place, version: ResolvedSource) -> dict[str, str]:
    tags = place.registry.resolve(version.uri).tags
    return {key: value for key, value in tags.items() if key.startswith("gate.")}


def test_everything_that_is_recorded(place: Place, version: ResolvedSource, tmp_path: Path) -> None:
    receipt = place.registry.record(version, judged())
    assert tags_of(place, version) == {
        "gate.outcome": "passed",
        "gate.policy": "strict, default",
        "gate.policy_digest": policies_digest([("default", "sha256:01"), ("strict", "sha256:02")]),
        "gate.digest": "sha256:aa",
        "gate.report": receipt.run_id,
        "gate.alpha": "3.25",
        "gate.alpha_weighted": "-1.5",
        "gate.checked_at": "2026-01-02T03:04:05Z",
        "gate.verdict_digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "gate.checksum": receipt.tags["gate.checksum"],
    }
    run = place.client.get_run(receipt.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["digest"] == "sha256:aa"
    assert run.data.params["version"] == str(version.version)
    assert run.data.tags["gate.outcome"] == "passed"
    assert run.data.metrics == {"alpha": 3.25, "alpha_weighted": -1.5, "layers": 4.0}
    assert place.client.get_experiment(run.info.experiment_id).name == f"gate/{version.name}"
    for file, content in REPORTS.items():
        local = place.client.download_artifacts(receipt.run_id, file, str(tmp_path))
        with open(local, "rb") as stored:  # noqa: PTH123 - MLflow returns text
            assert stored.read() == content
    described = place.client.get_model_version(version.name, str(version.version)).description
    assert described.startswith(BEGIN)
    assert (
        f"[**passed**](#/experiments/{run.info.experiment_id}/runs/{receipt.run_id}/artifacts/" in described
    )
    assert (receipt.trend, receipt.description) == ("logged", "written")
    address = place.connection.tracking_uri
    page = f"{address}/#/experiments/{run.info.experiment_id}/runs/{receipt.run_id}/artifacts/report.html"
    assert receipt.report == (page if address.startswith("http") else f"run {receipt.run_id}")


def trend_points(place: Place, experiment: str) -> dict[str, list[tuple[int, float]]]:
    runs = place.client.search_runs([experiment], "tags.`gate.kind` = 'trend'")
    assert len(runs) == 1
    keys = runs[0].data.metrics
    return {
        key: [
            (point.step, point.value) for point in place.client.get_metric_history(runs[0].info.run_id, key)
        ]
        for key in keys
    }


def test_the_trend_has_one_point_a_version(place: Place, folder: Path, version: ResolvedSource) -> None:
    assert version.name is not None
    second = place.registry.resolve(f"models:/{version.name}/{place.version(version.name, folder)}")
    experiment = place.registry.record(version, judged(alpha=3.0)).experiment_id
    assert place.registry.record(second, judged(alpha=4.0)).trend == "logged"
    assert place.registry.record(version, judged(alpha=3.0)).trend == "unchanged"
    assert trend_points(place, experiment)["alpha"] == [(1, 3.0), (2, 4.0)]
    assert place.registry.record(version, judged(alpha=3.5)).trend == "updated"
    assert sorted(trend_points(place, experiment)["alpha"]) == [(1, 3.0), (1, 3.5), (2, 4.0)]
    assert trend_points(place, experiment)["layers"] == [(1, 4.0), (2, 4.0)]
    assert place.registry.record(version, judged(alpha=3.5)).trend == "unchanged"


def test_what_was_deleted_is_restored(place: Place, version: ResolvedSource) -> None:
    first = place.registry.record(version, judged())
    trend = place.client.search_runs([first.experiment_id], "tags.`gate.kind` = 'trend'")[0].info.run_id
    place.client.delete_experiment(first.experiment_id)
    second = place.registry.record(version, judged("blocked"))
    assert second.experiment_id == first.experiment_id
    place.client.delete_run(trend)
    place.client.delete_run(second.run_id)
    third = place.registry.record(version, judged("warned"))
    assert third.trend == "unchanged"
    trend_points(place, first.experiment_id)
    assert tags_of(place, version)["gate.report"] == third.run_id


def test_a_decision_holds_for_this_version_model_and_policy_only(
    place: Place, version: ResolvedSource
) -> None:
    policies = policies_digest(judged().policies)
    assert place.registry.decision(version) is None
    place.registry.record(version, judged("warned"))
    now = place.registry.resolve(version.uri)
    decision = place.registry.decision(now, digest="sha256:aa", policy_digest=policies)
    assert decision is not None
    assert (decision.outcome, decision.passing, decision.alpha) == ("warned", True, 3.25)
    assert place.registry.decision(now, digest="sha256:bb") is None
    assert place.registry.decision(now, policy_digest="sha256:bb") is None
    copied_name = f"{version.name} copy".replace("?", "")
    place.client.create_registered_model(copied_name)
    source = place.client.get_model_version(version.name, str(version.version)).source
    copy = place.client.create_model_version(copied_name, source, version.run_id, tags=dict(now.tags))
    copied = place.registry.resolve(f"models:/{copied_name}/{copy.version}")
    assert copied.tags["gate.outcome"] == "warned"
    assert place.registry.decision(copied) is None


@pytest.mark.parametrize(
    "tag", ["outcome", "policy", "policy_digest", "digest", "report", "alpha", "checked_at"]
)
def test_an_edited_tag_is_no_decision(place: Place, version: ResolvedSource, tag: str) -> None:
    place.registry.record(version, judged("blocked"))
    place.client.set_model_version_tag(version.name, str(version.version), f"gate.{tag}", "passed")
    assert place.registry.decision(place.registry.resolve(version.uri)) is None
    place.client.delete_model_version_tag(version.name, str(version.version), f"gate.{tag}")
    assert place.registry.decision(place.registry.resolve(version.uri)) is None


def test_checking_again_replaces_tags_and_lines_and_nothing_else(
    place: Place, version: ResolvedSource
) -> None:
    client, number = place.client, str(version.version)
    words = "Written by *hand* | with a table\r\n\ttab  "
    client.update_model_version(version.name, number, words)
    client.set_model_version_tag(version.name, number, "team", "fraud")
    place.registry.record(version, judged("passed"))
    unread = RecordInput("error", (), None, {}, REPORTS, CHECKED_AT)
    receipt = place.registry.record(version, unread)
    found = client.get_model_version(version.name, number)
    assert found.tags["team"] == "fraud"
    assert tags_of(place, version).keys() == {
        f"gate.{tag}"
        for tag in (
            *("outcome", "policy", "policy_digest", "report", "checked_at", "checksum"),
            "verdict_digest",
        )
    }
    assert found.tags["gate.report"] == receipt.run_id
    assert found.description.startswith(f"{words}\n\n{BEGIN}")
    assert found.description.endswith(END)
    assert found.description.count(BEGIN) == 1
    assert "**error**" in found.description
    assert "**passed**" not in found.description


@pytest.mark.parametrize("length", [4000, 4900, 5000])
def test_a_long_description_is_kept(place: Place, version: ResolvedSource, length: int) -> None:
    words = "é" * length
    place.client.update_model_version(version.name, str(version.version), words)
    receipt = place.registry.record(version, judged())
    described = place.client.get_model_version(version.name, str(version.version)).description
    assert described.startswith(words)
    assert len(described) <= 5000
    assert receipt.description == ("written" if length == 4000 else "left out")
    assert (described == words) == (length != 4000)


def test_hostile_and_endless_policy_names(place: Place, version: ResolvedSource) -> None:
    names = [f"](javascript:alert(1)) | <img src=x> \u202e\n{index}" for index in range(300)]
    policies = tuple((policy, f"sha256:{index:064x}") for index, policy in enumerate(names))
    place.registry.record(version, RecordInput("passed", policies, "sha256:aa", {}, REPORTS, CHECKED_AT))
    tags = tags_of(place, version)
    assert max(map(len, tags.values())) <= 500
    assert "\n" not in tags["gate.policy"]
    decision = place.registry.decision(
        place.registry.resolve(version.uri), policy_digest=policies_digest(policies)
    )
    assert decision is not None
    described = place.client.get_model_version(version.name, str(version.version)).description
    assert "<img" not in described
    assert "](javascript" not in described
    assert "\u202e" not in described


def test_another_prefix(place: Place, version: ResolvedSource) -> None:
    naming = Naming("spectral_gate_", "reports of ")
    registry = Registry.connect(place.connection.tracking_uri, naming=naming)
    receipt = registry.record(version, judged())
    now = registry.resolve(version.uri)
    assert now.tags["spectral_gate_outcome"] == "passed"
    assert tags_of(place, version) == {}
    assert registry.decision(now) is not None
    assert place.registry.decision(now) is None
    experiment = place.client.get_experiment(receipt.experiment_id)
    assert experiment.name == f"reports of {version.name}"


@pytest.mark.parametrize("prefix", ["", "gate`", "gate'", " gate", "../gate", "x" * 200, "ga\nte"])
def test_prefixes_that_mlflow_or_its_search_would_choke_on(prefix: str) -> None:
    with pytest.raises(UsageError):
        Naming(prefix)


def test_only_versions_are_recorded(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no registered version"):
        place.registry.record(resolve(str(tmp_path)), judged())


@pytest.mark.parametrize("outcomes", [("passed", "blocked"), ("passed", "passed"), ("warned", "error")])
def test_two_checkers_at_once_end_with_the_decision_of_one(
    place: Place, version: ResolvedSource, outcomes: tuple[Outcome, Outcome]
) -> None:
    together = threading.Barrier(2)

    def check(index: int) -> Any:
        mine = judged(outcomes[index], digest=f"sha256:{index}")
        registry = Registry.connect(place.connection.tracking_uri)
        together.wait()
        return registry.record(version, mine)

    with ThreadPoolExecutor(2) as pool:
        receipts = list(pool.map(check, range(2)))
    now = place.registry.resolve(version.uri)
    decision = place.registry.decision(now)
    assert decision is not None
    assert (decision.report, decision.outcome, decision.digest) in {
        (receipts[index].run_id, outcomes[index], f"sha256:{index}") for index in range(2)
    }
    assert receipts[0].experiment_id == receipts[1].experiment_id
    steps = [step for step, _ in trend_points(place, receipts[0].experiment_id)["alpha"]]
    assert set(steps) == {version.version}
    described = place.client.get_model_version(version.name, str(version.version)).description
    assert described.count(BEGIN) == described.count(END) == 1


def test_json_of_a_receipt_is_possible(place: Place, version: ResolvedSource) -> None:
    assert (
        json.loads(json.dumps(dict(place.registry.record(version, judged()).tags)))["gate.outcome"]
        == "passed"
    )
