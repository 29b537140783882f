"""Histories of a real registry: what the tags say, what they do not add up to, and at what price."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.errors import UsageError
from gate.policy.interface import HistoryPoint
from gate.registry import RecordInput
from gate.workflow.history import history_points, registry_history
from gate.workflow.sources import RegistryAddress
from tests.cli.command import gate

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.interface import Outcome
    from tests.registry.conftest import Place


def check(place: Place, name: str, number: int, outcome: Outcome, alpha: float) -> None:
    judged = RecordInput(
        outcome,
        (("production", "sha256:p"),),
        "sha256:m",
        {"alpha": alpha, "alpha_weighted": 2 * alpha},
        {"report.html": b"<p>report</p>"},
    )
    place.registry.record(place.registry.resolve(f"models:/{name}/{number}"), judged)


@pytest.fixture
def recorded(place: Place, name: str, folder: Path) -> Place:
    """Versions 1 and 3 judged, 2 torn, 4 new, and another model with nothing but a name."""
    for _ in range(4):
        place.version(name, folder)
    check(place, name, 1, "warned", 2.5)
    check(place, name, 2, "passed", 2.25)
    check(place, name, 3, "blocked", 3.125)
    place.client.set_model_version_tag(name, "2", "gate.outcome", "blocked")  # somebody's own idea
    place.client.set_registered_model_alias(name, "champion", "1")
    place.client.create_registered_model(f"{name} without versions")
    return place


def expect(records: Any) -> None:
    assert [record.version for record in records] == [1, 2, 3, 4]
    assert [record.decision.outcome if record.decision else None for record in records] == [
        "warned", None, "blocked", None,
    ]  # fmt: skip
    assert [record.torn for record in records] == [False, True, False, False]
    assert [record.aliases for record in records] == [("champion",), (), (), ()]


def test_one_model(recorded: Place, name: str) -> None:
    expect(recorded.registry.history(name))
    (model,) = recorded.registry.models(name)
    expect(model.versions)
    decision = model.versions[2].decision
    assert decision is not None
    link = model.report(model.versions[2], recorded.connection)
    if recorded.connection.tracking_uri.startswith("http"):
        run = recorded.client.get_run(decision.report)
        assert link == (
            f"{recorded.connection.tracking_uri}/#/experiments/{run.info.experiment_id}/runs/{decision.report}"
            "/artifacts/report.html"
        )
    else:
        assert link is None
    assert model.report(model.versions[1], recorded.connection) is None


def test_every_model_with_requests_per_page_not_per_model(recorded: Place, name: str, folder: Path) -> None:
    for number in range(5):
        recorded.client.create_registered_model(f"{name} more {number}")
    counted: dict[str, int] = {}
    client = recorded.client

    class Counting:
        def __getattr__(self, method: str) -> Any:
            counted[method] = counted.get(method, 0) + 1
            return getattr(client, method)

    object.__setattr__(recorded.connection, "client", Counting())
    models = {model.name: model for model in recorded.registry.models()}
    object.__setattr__(recorded.connection, "client", client)
    expect(models[name].versions)
    assert models[name].experiment_id is not None
    assert models[f"{name} without versions"].versions == ()
    assert set(counted) == {"search_registered_models", "search_model_versions", "search_experiments"}
    assert all(times <= 1 + len(models) // 100 for times in counted.values())


def test_earlier_versions_are_those_before_in_one_request(recorded: Place, name: str) -> None:
    version = recorded.registry.resolve(f"models:/{name}/3")
    points = history_points(recorded.registry.earlier(version, 50))
    assert [(point.version, point.outcome, point.alpha, point.alpha_weighted) for point in points] == [
        (1, "warned", 2.5, 5.0),
        (2, None, None, None),
    ]
    assert points[1] == HistoryPoint(2, None)
    assert [record.version for record in recorded.registry.earlier(version, 1)] == [2], "the newest ones"
    first = recorded.registry.resolve(f"models:/{name}/1")
    assert recorded.registry.earlier(first, 50) == ()


def test_a_report_named_by_a_strange_tag_has_no_address(recorded: Place, name: str) -> None:
    """The checksum binds tags to each other, not to us: whoever writes all of them may name any run."""
    (model,) = recorded.registry.models(name)
    record = model.versions[0]
    assert record.decision is not None
    for strange in ("../../x", '"><script>', "a/b", "", "x" * 65):
        object.__setattr__(record.decision, "report", strange)
        assert model.report(record, recorded.connection) is None


def test_the_command(recorded: Place, name: str, tmp_path: Path) -> None:
    address = recorded.connection.tracking_uri
    done = gate("history", name, "--format", "json", "--tracking-uri", address)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "gate/history/1"
    assert [row["outcome"] for row in found["models"][0]["versions"]] == ["warned", None, "blocked", None]
    page = tmp_path / "index.html"
    done = gate("history", "--all", "--format", "html", "-o", page, "--tracking-uri", address)
    assert done.returncode == 0, done.stderr
    assert "Look at these" in page.read_text()


def test_the_command_refuses_what_makes_no_sense(embedded: str) -> None:
    for arguments in ((), ("name", "--all"), ("no such model",), ("name", "--format", "junit")):
        done = gate("history", *arguments, "--tracking-uri", embedded)
        assert done.returncode == 2, (arguments, done.stderr)
    with pytest.raises(UsageError):
        registry_history("no such model", RegistryAddress(embedded, embedded))


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("models:/fraud", "gate history fraud"),
        ("models:/a model/3", "gate history 'a model'"),
        ("models:/fraud@champion", "gate history fraud"),
        ("models:/", "gate history --all"),
    ],
)
def test_the_command_says_how_a_source_s_model_is_named(source: str, hint: str) -> None:
    done = gate("history", source, "--tracking-uri", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].strip() == hint
