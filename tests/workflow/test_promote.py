"""Promotion: what refuses, what only would have, and what nobody governs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.errors import ExitCode, NothingToMeasureError, RegistryError
from gate.registry import Registry
from gate.workflow.check import CheckRequest, check_source
from gate.workflow.promote import promote_version
from gate.workflow.sources import RegistryAddress
from gate.workflow.wait import wait_for_decision
from tests.registry.conftest import Place, make_model
from tests.workflow.watch.registry import Models, write_model
from tests.workflow.watch.test_enforced import enforcing

if TYPE_CHECKING:
    from pathlib import Path

    from gate.workflow.promote import PromoteResult

MODEL = "fraud"


@dataclass
class Plain:
    """A registry that enforces nothing, with one version of one model."""

    place: Place
    folder: Path
    address: RegistryAddress

    def policy(self, name: str, *, holds: bool = False, mode: str = "enforce") -> Path:
        """Write a policy whose only rule holds or fails for every Gaussian 64 x 48 matrix."""
        file = self.folder / f"{name}-{mode}-{holds}.yaml"
        file.write_text(
            f"version: 1\nname: {name}\nmode: {mode}\nrules:\n"
            f"  - id: {name}-norm\n    description: The spectral norm is small\n"
            f"    metric: layer.log_spectral_norm\n    at_most: {4 if holds else 0}\n"
        )
        return file

    def request(self, *policies: Path, **options: Any) -> CheckRequest:
        return CheckRequest(f"models:/{MODEL}/1", policies, address=self.address, **options)

    def promote(self, *policies: Path, alias: str = "champion") -> PromoteResult:
        return promote_version(self.request(*policies), alias)

    def aliases(self) -> list[str]:
        return list(self.place.client.get_model_version(MODEL, "1").aliases)

    def outcome(self) -> str:
        return str(self.place.client.get_model_version(MODEL, "1").tags["gate.outcome"])

    def report(self) -> str:
        return str(self.place.client.get_model_version(MODEL, "1").tags["gate.report"])


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plain:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATE_SIGNING_KEY", raising=False)
    uri = f"sqlite:///{tmp_path / 'registry.db'}"
    place = Place(Registry.connect(uri), (tmp_path / "store").as_uri())
    place.version(MODEL, make_model(tmp_path / "model", seed=0))
    return Plain(place, tmp_path, RegistryAddress(uri, uri))


@pytest.mark.parametrize("checked_before", [False, True])
def test_audit_mode_refuses_nothing_however_often_it_is_asked(plain: Plain, checked_before: bool) -> None:
    policy = plain.policy("trial", mode="audit")
    if checked_before:
        check_source(plain.request(policy))
    for alias in ("first", "second"):
        done = plain.promote(policy, alias=alias)
        assert (done.promoted, done.exit_code) == (True, ExitCode.PASSED), done.message
        assert "AUDIT MODE: it would have been refused: blocked by trial-norm (policy trial" in done.message
        assert alias in plain.aliases()
    assert plain.outcome() == "blocked"  # the true one


def test_the_same_policy_enforced_refuses(plain: Plain) -> None:
    assert plain.promote(plain.policy("trial", mode="audit"), alias="first").promoted
    enforced = plain.policy("trial")
    for _ in range(2):
        done = plain.promote(enforced, alias="second")
        assert (done.promoted, done.exit_code) == (False, ExitCode.BLOCKED)
        assert "refused" in done.message
        assert "AUDIT" not in done.message
    assert plain.aliases() == ["first"]


@pytest.mark.parametrize(
    ("enforced_holds", "audited_holds", "promoted"),
    [(True, False, True), (False, True, False), (False, False, False)],
)
def test_beside_an_enforced_policy_it_counts_whose_outcome_it_was(
    plain: Plain, enforced_holds: bool, audited_holds: bool, promoted: bool
) -> None:
    policies = (
        plain.policy("strict", holds=enforced_holds),
        plain.policy("trial", holds=audited_holds, mode="audit"),
    )
    for _ in range(2):  # judged, then by what was recorded
        done = plain.promote(*policies)
        assert done.promoted is promoted, done.message
        assert ("AUDIT MODE" in done.message) is promoted
        assert done.exit_code is (ExitCode.PASSED if promoted else ExitCode.BLOCKED)
    assert plain.aliases() == (["champion"] if promoted else [])


def test_a_report_that_is_another_one_now_excuses_nobody(plain: Plain, tmp_path: Path) -> None:
    policies = (plain.policy("strict"), plain.policy("trial", mode="audit"))
    assert not plain.promote(*policies).promoted
    before = plain.report()
    stored = plain.place.registry.read_report(before, "verdict.json")
    assert stored is not None
    forged = stored.replace(b'"blocked"', b'"passed"')
    assert forged != stored
    (tmp_path / "verdict.json").write_bytes(forged)
    plain.place.client.log_artifact(before, str(tmp_path / "verdict.json"))
    assert plain.place.registry.read_report(before, "verdict.json") == forged
    done = plain.promote(*policies)
    assert (done.promoted, done.exit_code) == (False, ExitCode.BLOCKED)
    assert plain.report() != before  # judged anew
    assert plain.aliases() == []


def test_what_no_policy_governs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATE_SIGNING_KEY", raising=False)
    with enforcing(tmp_path, models="fraud") as (server, _, _):
        models, address = Models(server, tmp_path / "models"), RegistryAddress(server, server)
        for name in ("fraud", "free"):
            models.register(name, 1)
        free = CheckRequest("models:/free/1", address=address, record=True)
        done = promote_version(free, "champion")
        assert (done.promoted, done.exit_code) == (True, ExitCode.PASSED)
        assert done.message == "free version 1 is now champion; no policy governs that"
        assert models.client.get_model_version("free", "1").aliases == ["champion"]
        with pytest.raises(NothingToMeasureError, match="no policy governs models:/free/1"):
            wait_for_decision(free, timeout=2)

        governed = replace(free, source="models:/fraud/1")
        with pytest.raises(RegistryError, match="not recorded"):  # nothing signed it
            promote_version(governed, "champion")
        assert models.client.get_model_version("fraud", "1").aliases == []
        with pytest.raises(RegistryError, match="nobody decided"):
            wait_for_decision(governed, timeout=2)


COMPARING = """
version: 1
name: comparing
baseline: {{use: [{use}], when_missing: {missing}}}
rules:
  - id: norm-not-higher
    description: The spectral norm does not rise
    metric: model.log_spectral_norm
    against: {against}
    max_increase: {{absolute: 0.5}}
"""


def comparing(
    plain: Plain, use: str = "alias:champion, previous", against: str = "baseline", missing: str = "pass"
) -> Path:
    file = plain.folder / "comparing.yaml"
    file.write_text(COMPARING.format(use=use, against=against, missing=missing))
    return file


def test_a_champion_that_is_checked_itself_is_compared_with_what_passed_before(plain: Plain) -> None:
    """Versions 1 and 2: the second has a norm 100 times as high, so its logarithm squared is higher by 4."""
    policy = comparing(plain)
    assert plain.promote(policy, alias="Champion").promoted
    plain.place.version(MODEL, write_model(plain.folder / "second", 0, 100.0))
    second = plain.request(policy, baselines=("none",))
    second = replace(second, source=f"models:/{MODEL}/2")
    check_source(second)
    assert promote_version(second, "Champion").promoted

    standing = replace(second, baselines=())
    result = check_source(replace(standing, record=False))
    assert result.verdict.outcome == "blocked"
    assert "against previous = models:/fraud/1" in result.verdict.rules[0].message
    note = next(note for note in result.notes if "itself" in note)
    assert "models:/fraud/2 is champion itself, so it was compared with previous = models:/fraud/1" in note
    assert "the decision that stood before: passed by comparing" in note

    other = plain.folder / "renamed.yaml"
    other.write_text(policy.read_text().replace("name: comparing", "name: renamed"))
    refused = promote_version(replace(standing, policies=(other,)), "champion")
    assert (refused.promoted, refused.exit_code) == (False, ExitCode.BLOCKED)
    assert "it is champion already and stays it" in refused.message
    assert "compared with previous = models:/fraud/1" in refused.message
    assert plain.place.client.get_model_version(MODEL, "2").aliases == ["Champion"]


def test_a_baseline_that_is_named_counts_where_a_decision_was_made_against_another(plain: Plain) -> None:
    """Version 2 has a norm 100 times that of version 1; version 3 has the same as version 2."""
    policy = comparing(plain)
    assert plain.promote(policy).promoted
    for name, factor in (("second", 100.0), ("third", 100.0)):
        plain.place.version(MODEL, write_model(plain.folder / name, 0, factor))
    third = replace(plain.request(policy, baselines=("version:2",)), source=f"models:/{MODEL}/3")
    assert check_source(third).verdict.outcome == "passed"

    refused = promote_version(replace(third, baselines=("version:1",)), "champion")
    assert (refused.promoted, refused.exit_code) == (False, ExitCode.BLOCKED)
    assert refused.verdict is not None
    assert [item.uri for item in refused.verdict.baselines] == [f"models:/{MODEL}/1"]

    again = promote_version(replace(third, baselines=("version:1",)), "champion")
    anew = f"gate check models:/{MODEL}/3 --policy {policy} --baseline version:1"
    assert again.message.endswith(f"To judge it anew: {anew}")  # the recorded one is of that baseline now
    none = promote_version(replace(third, baselines=("none",)), "champion")
    assert (none.promoted, none.verdict is None) == (True, False)
    recorded = promote_version(replace(third, baselines=("none",)), "challenger")
    assert (recorded.promoted, recorded.verdict) == (True, None)
    unnamed = promote_version(replace(third, baselines=()), "challenger")
    assert (unnamed.promoted, unnamed.verdict) == (True, None)


def test_the_recorded_verdict_is_read_once(plain: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.place.version(MODEL, make_model(plain.folder / "second", seed=0))
    second = plain.request(comparing(plain), baselines=("version:1",))
    second = replace(second, source=f"models:/{MODEL}/2")
    assert check_source(second).verdict.outcome == "passed"
    read: list[str] = []

    def reading(registry: Registry, run: str, file: str) -> bytes | None:
        read.append(file)
        return original(registry, run, file)

    original = Registry.read_report
    monkeypatch.setattr(Registry, "read_report", reading)
    done = promote_version(second, "champion")
    assert (done.promoted, done.verdict) == (True, None)
    assert read == ["verdict.json"]


def test_what_a_rule_compares_with_by_itself_is_no_other_baseline(plain: Plain) -> None:
    policy = comparing(plain, against="version:1")
    policy.write_text(
        policy.read_text() + "  - id: alpha-not-higher\n    description: Alpha does not rise\n"
        "    metric: model.alpha\n    against: baseline\n    max_increase: {absolute: 9}\n"
    )
    for number, asked in ((1, "none"), (2, "version:1")):
        if number > 1:
            plain.place.version(MODEL, make_model(plain.folder / "second", seed=0))
        request = replace(plain.request(policy, baselines=(asked,)), source=f"models:/{MODEL}/{number}")
        verdict = check_source(request).verdict
        assert "version:1" in {item.spec for item in verdict.baselines}
        promoted = promote_version(request, "champion")
        assert (promoted.promoted, promoted.verdict) == (True, None)


def test_a_baseline_that_no_rule_asks_for_changes_no_decision(plain: Plain) -> None:
    policy = plain.policy("holding", holds=True)
    check_source(plain.request(policy))
    promoted = promote_version(plain.request(policy, baselines=("none",)), "champion")
    assert (promoted.promoted, promoted.verdict) == (True, None)


def test_others_hear_nothing_of_a_champion_they_are_not(plain: Plain) -> None:
    policy = comparing(plain)
    assert plain.promote(policy).promoted
    plain.place.version(MODEL, make_model(plain.folder / "second", seed=0))
    result = check_source(replace(plain.request(policy), source=f"models:/{MODEL}/2"))
    assert [item.uri for item in result.verdict.baselines] == ["models:/fraud/1"]
    assert not [note for note in result.notes if "itself" in note]


@pytest.mark.parametrize("named_by", ["policy", "rule", "caller"])
def test_a_version_differs_from_itself_by_nothing(plain: Plain, named_by: str) -> None:
    uri = f"models:/{MODEL}/1"
    policy = comparing(
        plain,
        use="version:1" if named_by == "policy" else "previous",
        against="version:1" if named_by == "rule" else "baseline",
        missing="block",
    )
    given = (uri,) if named_by == "caller" else ()
    verdict = check_source(plain.request(policy, baselines=given, record=False)).verdict
    assert verdict.outcome == "passed"
    assert verdict.rules[0].message.startswith("byte for byte the baseline")
    assert [item.uri for item in verdict.baselines] == [uri]


def test_a_name_that_moves_to_the_version_itself_is_no_baseline(plain: Plain) -> None:
    """Else whoever is the latest, or was given the alias, would pass every comparison by being there."""
    plain.place.registry.set_alias(MODEL, "champion", 1)
    for use in ("alias:champion", f"'models:/{MODEL}@champion'", f"models:/{MODEL}/latest", "previous"):
        policy = comparing(plain, use=use, missing="block")
        assert check_source(plain.request(policy, record=False)).verdict.outcome == "blocked", use
