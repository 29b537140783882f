from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.errors import RegistryError, UsageError
from gate.registry import RecordInput, Registry
from gate.registry.baseline import choose_baseline
from gate.registry.resolve import ResolvedSource, resolve
from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.interface import Outcome
    from tests.registry.conftest import Place


def decide(place: Place, version: ResolvedSource, outcome: Outcome) -> None:
    place.registry.record(
        version, RecordInput(outcome, (("p", "sha256:1"),), "sha256:2", {}, {"report.html": b""})
    )


def versions(place: Place, folder: Path, name: str, count: int) -> list[ResolvedSource]:
    return [place.registry.resolve(f"models:/{name}/{place.version(name, folder)}") for _ in range(count)]


def test_the_list_is_tried_in_order(place: Place, folder: Path, name: str) -> None:
    first, second, third, fourth = versions(place, folder, name, 4)
    nothing = place.registry.baseline(fourth)
    assert nothing.resolved is None
    assert "alias:champion: there is none" in nothing.why
    assert "none of the 3 earlier versions holds a decision that passed" in nothing.why
    decide(place, first, "warned")
    decide(place, second, "passed")
    decide(place, third, "blocked")
    previous = place.registry.baseline(fourth)
    assert previous.resolved is not None
    assert (previous.spec, previous.resolved.uri) == ("previous", second.uri)
    place.registry.set_alias(name, "champion", 1)
    champion = place.registry.baseline(fourth)
    assert champion.resolved is not None
    assert (champion.spec, champion.resolved.uri) == ("alias:champion", first.uri)
    assert place.registry.baseline(fourth, ["none", "previous"]).resolved is None
    by_number = place.registry.baseline(fourth, ["version:99", "version:3"])
    assert by_number.resolved is not None
    assert by_number.resolved.uri == third.uri
    assert by_number.why.startswith("version:99: there is none")
    place.client.delete_model_version(name, "2")
    after = place.registry.baseline(fourth, ["previous"])
    assert after.resolved is not None
    assert after.resolved.uri == first.uri
    assert place.registry.baseline(first, ["previous"]).why == "previous: there is no earlier version"
    records = place.registry.history(name)
    assert [
        (record.version, record.decision and record.decision.outcome, record.aliases) for record in records
    ] == [
        (1, "warned", ("champion",)),
        (3, "blocked", ()),
        (4, None, ()),
    ]


def test_a_name_that_moves_never_means_the_version_itself(place: Place, folder: Path, name: str) -> None:
    (only,) = versions(place, folder, name, 1)
    place.registry.set_alias(name, "champion", 1)
    specs = ["alias:champion", f"models:/{name}@champion", f"models:/{name}/latest", "previous"]
    choice = place.registry.baseline(only, specs)
    assert choice.resolved is None
    assert choice.why.count("is the version being checked, which is not compared with itself") == 3


def test_a_version_that_is_written_out_may_be_the_one_itself(place: Place, folder: Path, name: str) -> None:
    (only,) = versions(place, folder, name, 1)
    for spec in ("version:1", only.uri):
        choice = place.registry.baseline(only, ["alias:champion", spec])
        assert choice.resolved is not None
        assert (choice.spec, choice.resolved.uri) == (spec, only.uri)
        assert choice.why.endswith(f"{spec}: is what is checked itself")
    on_disk = resolve(str(folder))
    assert choose_baseline([str(folder)], on_disk, None).resolved == on_disk


def test_an_alias_is_found_in_whatever_case_it_was_set(place: Place, folder: Path, name: str) -> None:
    *_, fourth = versions(place, folder, name, 4)
    place.registry.set_alias(name, "Champion", 1)
    for spec in ("alias:champion", "alias:CHAMPION", f"models:/{name}@champion"):
        choice = place.registry.baseline(fourth, [spec])
        assert choice.resolved is not None, choice.why
        assert choice.resolved.version == 1
        assert "alias Champion is version 1" in choice.why
    place.registry.set_alias(name, "champion", 2)  # as it is written comes first
    exact = place.registry.baseline(fourth, ["alias:champion"])
    assert exact.resolved is not None
    assert exact.resolved.version == 2
    with pytest.raises(UsageError, match="differ by case alone"):
        place.registry.baseline(fourth, ["alias:CHAMPION", "version:3"])
    place.registry.set_alias(name, "Champion", 2)
    same = place.registry.baseline(fourth, ["alias:CHAMPION"])
    assert same.resolved is not None
    assert same.resolved.version == 2
    assert place.registry.baseline(fourth, ["alias:champ"]).resolved is None


def test_an_outcome_that_somebody_typed_is_no_decision(place: Place, folder: Path, name: str) -> None:
    _, second = versions(place, folder, name, 2)
    place.client.set_model_version_tag(name, "1", "gate.outcome", "passed")
    assert place.registry.baseline(second, ["previous"]).resolved is None


def test_sources_as_baselines(place: Place, folder: Path, name: str, tmp_path: Path) -> None:
    (only,) = versions(place, folder, name, 1)
    choice = place.registry.baseline(only, [str(folder)])
    assert choice.resolved is not None
    assert choice.resolved.path == folder
    from_path = choose_baseline(
        ["alias:champion", "previous", only.uri], resolve(str(folder)), place.connection
    )
    assert from_path.resolved is not None
    assert from_path.resolved.uri == only.uri
    assert "is no registered version" in from_path.why
    missing = place.registry.baseline(
        only, ["models:/no such model@champion", "runs:/0123456789abcdef/model"]
    )
    assert missing.resolved is None
    with pytest.raises(UsageError, match="no file or folder"):
        place.registry.baseline(only, [str(tmp_path / "typo"), "none"])


@pytest.mark.parametrize("spec", ["version:x", "version:", "alias:", "alias:a b", "models:/x", ""])
def test_malformed_specs(spec: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        choose_baseline([spec], resolve(str(tmp_path)), None)


def test_without_a_registry(tmp_path: Path) -> None:
    choice = choose_baseline(["alias:champion", "previous", "models:/a/1"], resolve(str(tmp_path)), None)
    assert choice.resolved is None
    assert "no registry is configured" in choice.why


def test_what_cannot_be_looked_up_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry.connect(f"http://127.0.0.1:{free_port()}")
    candidate = ResolvedSource(uri="models:/a/2", name="a", version=2)
    for spec in ("alias:champion", "previous", "version:1"):
        with pytest.raises(RegistryError):
            registry.baseline(candidate, [spec, "none"])
