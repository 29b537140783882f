"""What operators change while versions wait: policies, keys, modes, overrides; and what is never refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from gate.registry.attestation.envelope import digest_of
from gate.registry.enforcement.plugin import build_store
from gate.registry.enforcement.tables import (
    activate_policy,
    aliases_held,
    audit_trail,
    decisions_of,
    open_database,
    retire_policy,
    revoke_decision,
    revoke_key,
)
from gate.registry.enforcement.tables.interface import VersionKey
from gate.registry.enforcement.tables.schema import policies as policies_table
from tests.registry.enforcement.places import Place, Settings, direct, refusal
from tests.registry.enforcement.signing import REPORT, Pair, digest_of_policy, policy_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Sqlite = Callable[[Path], str]

    from sqlalchemy.orm import Session

NOW = datetime.now(timezone.utc)
HOUR = timedelta(hours=1)


def change(place: Place, act: Callable[[Session], Any]) -> Any:
    """Change the gate's tables as the command line does."""
    with open_database(place.database).transaction() as session:
        return act(session)


def push(place: Place, text: str) -> None:
    place.settings.put_policy(text)
    name = text.split("name: ", 1)[1].split("\n", 1)[0]
    change(place, lambda session: activate_policy(session, name, digest_of_policy(text), text, origin="push"))


def trail(place: Place, name: str) -> list[tuple[str, bool, bool]]:
    """Return what the audit trail says of a model: what by, whether allowed, whether only noted."""
    entries = change(place, lambda session: audit_trail(session, name=name))
    return [(entry.action, entry.allowed, entry.would_refuse) for entry in entries]


def test_a_policy_that_changed_makes_decisions_stale(local: Place) -> None:
    version = local.passed()
    push(local, policy_text("production", most=5))
    with refusal("earlier version of the policy"):
        local.promote(version)
    again = local.deliver(version, local.maker.decision(local.again(version)))
    local.promote(again)


def test_a_policy_whose_words_alone_changed_changes_nothing(local: Place) -> None:
    version = local.passed()
    push(local, "# a remark\n" + policy_text("production"))
    local.promote(version)


def test_grace_keeps_the_last_digest_for_a_while(tmp_path: Path, sqlite: Sqlite) -> None:
    place = direct(Settings.make(tmp_path), sqlite(tmp_path))
    version, waiting, late = place.passed(), place.passed(), place.version()
    prepared = place.maker.decision(late)
    push(place, policy_text("production", most=5, grace="1h"))
    place.promote(version)
    place.promote(place.deliver(late, prepared))
    _move_back(place, HOUR + timedelta(seconds=1))
    with refusal("earlier version of the policy"):
        place.promote(waiting)


def _move_back(place: Place, by: timedelta) -> None:
    """Let the policies in force have been so for longer."""

    def act(session: Session) -> None:
        millis = by // timedelta(milliseconds=1)
        session.execute(policies_table.update().values(activated_at=policies_table.c.activated_at - millis))
        session.execute(
            policies_table.metadata.tables["gate_registry"]
            .update()
            .values(revision=policies_table.metadata.tables["gate_registry"].c.revision + 1)
        )

    change(place, act)


def test_no_policies_refuse_every_model_and_leave_prompts_alone(tmp_path: Path, sqlite: Sqlite) -> None:
    settings = Settings(tmp_path)
    for name in ("policies", "keys"):
        (tmp_path / name).mkdir()
    place = direct(settings, sqlite(tmp_path))
    version = place.version(place.model("anything"))
    with refusal("no policy was ever loaded", "gate policy push"):
        place.promote(version, "some-alias")
    with refusal("no policy was ever loaded"):
        place.client.transition_model_version_stage(version.name, "1", "Staging")
    with refusal("no policy was ever loaded"):
        place.client.create_model_version(place.model("copy"), f"models:/{version.name}/1")
    place.client.register_prompt("greeting", "Hello {{name}}")
    place.client.set_prompt_alias("greeting", "production", 1)
    assert place.client.get_prompt_version_by_alias("greeting", "production").version == 1


def test_policies_that_were_all_taken_out_refuse_too(local: Place) -> None:
    version = local.passed()
    change(local, lambda session: retire_policy(session, "production"))
    with refusal("every policy of this registry was taken away"):
        local.promote(version)


@pytest.mark.parametrize("harm", ["gone", "broken", "empty"])
def test_a_folder_that_went_bad_keeps_the_last_good_set(local: Place, harm: str) -> None:
    version, unjudged = local.passed(), local.version()
    folder = local.settings.folder / "policies"
    if harm == "gone":
        folder.rename(folder.with_name("elsewhere"))
    elif harm == "broken":
        (folder / "production.yaml").write_text("version: 1\nname: [")
    else:
        (folder / "production.yaml").unlink()
    store = build_store(f"gate:{local.database}")  # a restarted server
    store.set_registered_model_alias(version.name, "champion", "1")
    with refusal("no decision"):
        store.set_registered_model_alias(unjudged.name, "champion", "1")


def test_a_policy_changed_behind_the_gate_refuses_everything(local: Place) -> None:
    version = local.passed()

    def tamper(session: Session) -> None:
        session.execute(policies_table.update().values(text=policy_text("production", match="{models: [x]}")))
        registry = policies_table.metadata.tables["gate_registry"]
        session.execute(registry.update().values(revision=registry.c.revision + 1))

    change(local, tamper)
    with refusal("not what was validated"):
        local.promote(version)
    with refusal("not what was validated"):
        local.promote(local.version(local.model("other")))


def test_every_governing_policy_has_to_pass(tmp_path: Path, sqlite: Sqlite) -> None:
    texts = policy_text("production"), policy_text("fairness", "{models: ['fraud-*']}")
    place = direct(Settings.make(tmp_path, *texts), sqlite(tmp_path))
    version = place.passed()
    with refusal("Policy 'fairness': there is no decision"):
        place.promote(version)
    failed = place.deliver(version, place.maker.blocked(version, policy="fairness"), "fairness")
    assert failed.tags["gate.outcome"] == "blocked"
    assert failed.tags["gate.policy"] == "fairness, production"
    with refusal("Policy 'fairness': decision 2 is blocked"):
        place.promote(version)
    mended = place.deliver(failed, place.maker.decision(failed, policy="fairness"), "fairness")
    assert mended.tags["gate.outcome"] == "passed"
    place.promote(mended)


def test_a_refusal_says_what_a_rule_found_as_it_was_signed(local: Place) -> None:
    rule = f"layer-alpha (Layers {'that learned ' * 12})"
    said = f"{rule}: 4 of 12 failed: within 2 to 6; worst: encoder.layer.3 6.493"
    version = local.version()
    local.deliver(version, local.maker.blocked(version, failures=(said,)))
    with refusal(f"decision 1 is blocked: {said}. Report: run {REPORT}. To see all"):
        local.promote(version)


def test_a_refusal_for_many_rules_still_says_where_the_reports_are_and_what_to_do(
    tmp_path: Path, sqlite: Sqlite
) -> None:
    names = tuple(f"policy-{number}" for number in range(7))
    place = direct(Settings.make(tmp_path, *map(policy_text, names)), sqlite(tmp_path))
    version = place.version()
    failures = tuple(f"rule-{number}: {'layer ' * 25}" for number in range(25))
    for number, name in enumerate(names):
        report = f"{number:032x}"
        text = place.maker.blocked(version, policy=name, failures=failures, report=report)
        place.deliver(version, text, name)
    quoted = [word for number in range(5) for word in (f"'policy-{number}'", f"Report: run {number:032x}.")]
    with refusal("rule-0", *quoted, "2 more policies object", f"gate check 'models:/{version.name}/1'"):
        place.promote(version)


def test_audit_mode_lets_pass_and_writes_down_what_it_would_have_refused(
    tmp_path: Path, sqlite: Sqlite
) -> None:
    settings = Settings.make(tmp_path, policy_text("production", mode="audit"))
    place = direct(settings, sqlite(tmp_path))
    version = place.version()
    place.promote(version)
    assert place.holder(version.name) == 1
    assert trail(place, version.name) == [("promote by alias", True, True)]


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        ({"role": "waive"}, "has the role waive"),
        ({"role": "override"}, "has the role override"),
        ({"models": ("churn-*",)}, "not trusted for the model"),
        ({"not_after": NOW - HOUR}, "was valid until"),
        ({"not_before": NOW + HOUR}, "is not valid before"),
    ],
)
def test_a_key_signs_only_what_it_is_trusted_with(
    tmp_path: Path, sqlite: Sqlite, trust: dict[str, Any], words: str
) -> None:
    settings = Settings.make(tmp_path)
    pair = settings.put_key("other", Pair.make(trust.pop("role", "check"), **trust))
    place = direct(settings, sqlite(tmp_path))
    version = place.version()
    with refusal(words):
        place.deliver(version, place.maker.decision(version, key=pair))
    with refusal("no decision"):
        place.promote(version)


def test_a_key_that_nobody_trusts(local: Place) -> None:
    version = local.version()
    with refusal("no trusted key signed it", "gate keys add"):
        local.deliver(version, local.maker.decision(version, key=Pair.make()))


def test_a_revoked_key_signs_nothing_and_what_it_signed_since_is_stale(local: Place) -> None:
    early, late = local.passed(), local.passed()
    key = local.settings.keys["check"].trusted.id
    change(local, lambda session: revoke_key(session, key, since=2))
    with refusal("no trusted key signed it"):
        local.deliver(early, local.maker.decision(local.again(early)))
    local.promote(early)
    with refusal("decision 2 was revoked", "key"):
        local.promote(late)


def test_a_revoked_key_is_revoked_under_every_id_that_it_is_trusted_by(
    tmp_path: Path, sqlite: Sqlite
) -> None:
    settings = Settings.make(tmp_path)
    key = settings.keys["check"]
    for role in ("check", "override"):
        twin = replace(key.trusted, id=f"z-{role}", role=role)
        Pair(key.private, twin).write(tmp_path / "keys")
    place = direct(settings, sqlite(tmp_path))
    version, blocked = place.passed(), place.version()
    glass = place.maker.override(blocked, "champion", NOW + HOUR)
    place.client.set_model_version_tag(blocked.name, "1", "gate.override.champion", glass)
    place.promote(blocked)
    change(place, lambda session: revoke_key(session, "z-check"))
    with refusal("revoked", "key"):
        place.promote(version)
    with refusal("no decision"):
        place.promote(blocked)
    with refusal("no trusted key signed it"):
        place.deliver(version, place.maker.decision(place.again(version)))


def test_a_decision_that_the_sweep_revoked(local: Place) -> None:
    version = local.passed()
    change(local, lambda session: revoke_decision(session, 1, at=0, reason="weights changed in storage"))
    with refusal("decision 1 was revoked: weights changed in storage"):
        local.promote(version)


def test_decisions_end_with_their_model(local: Place) -> None:
    """What is made anew has another time of creation; a clock that was put back must not matter."""
    version = local.passed()
    local.client.delete_registered_model(version.name)
    subject = VersionKey("default", version.name, 1, version.creation_timestamp)
    found = change(local, lambda session: decisions_of(session, subject, "production"))
    assert [entry.revoked_reason for entry in found] == ["the model was deleted"]


def test_a_decision_ends_with_its_first_waiver(local: Place) -> None:
    version = local.version()
    local.deliver(version, local.maker.decision(version, not_after=NOW - HOUR))
    with refusal("decision 1 ended at"):
        local.promote(version)


@pytest.mark.parametrize(
    ("signer", "words"),
    [(None, "waiver w-1 is not signed"), ("check", "waiver w-1: key"), ("stranger", "w-1")],
)
def test_a_waiver_counts_only_when_a_trusted_key_of_its_role_signed_it(
    local: Place, signer: str | None, words: str
) -> None:
    keys = {**local.settings.keys, "stranger": Pair.make("waive")}
    version, ends = local.version(), (NOW + HOUR).replace(microsecond=0)
    use = local.maker.waiver(version, ends, keys[signer] if signer else None)
    with refusal("did not take the decision", words):
        local.deliver(version, local.maker.decision(version, waivers=(use,), not_after=ends))
    with refusal("no decision"):
        local.promote(version)


def test_a_decision_may_not_outlive_its_waivers_nor_outlast_their_keys(local: Place) -> None:
    version, ends = local.version(), (NOW + HOUR).replace(microsecond=0)
    use = local.maker.waiver(version, ends, local.settings.keys["waive"])
    for end in (None, ends + HOUR):
        with refusal("outlives waiver w-1"):
            local.deliver(version, local.maker.decision(version, waivers=(use,), not_after=end))
    local.deliver(version, local.maker.decision(version, waivers=(use,), not_after=ends))
    local.promote(version)
    change(local, lambda session: revoke_key(session, local.settings.keys["waive"].trusted.id))
    with refusal("was revoked", "w-1"):
        local.promote(version)


def test_going_back_to_a_champion_whose_policy_changed_since(local: Place) -> None:
    first = local.passed()
    local.promote(first)
    push(local, policy_text("production", most=5))
    second = local.version(first.name)
    local.promote(local.deliver(second, local.maker.decision(second)))
    never = local.version(first.name)
    with refusal("no decision"):
        local.promote(never)
    local.promote(first)
    assert local.holder(first.name) == 1
    assert ("promote by alias", True, False) in trail(local, first.name)
    subject = VersionKey("default", first.name, 1, first.creation_timestamp)
    held = change(local, lambda session: aliases_held(session, subject, "champion"))
    assert [(entry.how, entry.decisions) for entry in held] == [("rollback", (1,)), ("decision", (1,))]


def test_no_going_back_to_another_alias_or_a_decision_that_went_bad(local: Place) -> None:
    first = local.passed()
    local.promote(first)
    push(local, policy_text("production", most=5))
    with refusal("earlier version"):
        local.client.transition_model_version_stage(first.name, "1", "Production")
    local.deliver(first, local.maker.blocked(local.again(first)))
    with refusal("is blocked"):
        local.promote(first)


def test_break_glass(local: Place) -> None:
    version = local.version()
    version = local.deliver(version, local.maker.blocked(version))
    glass = local.settings.keys["override"]

    def deliver(alias: str, text: str) -> None:
        local.client.set_model_version_tag(version.name, "1", f"gate.override.{alias}", text)

    with refusal("has the role check"):
        deliver("champion", local.maker.override(version, "champion", NOW + HOUR))
    with refusal("opens alias 'challenger'", code="INVALID_PARAMETER_VALUE"):
        deliver("champion", local.maker.override(version, "challenger", NOW + HOUR, key=glass))
    good = local.maker.override(version, "champion", NOW + HOUR, key=glass)
    deliver("champion", good)
    local.promote(version, "Champion")
    with refusal("is blocked"):
        local.client.transition_model_version_stage(version.name, "1", "Production")
    assert ("promote by alias", True, False) in trail(local, version.name)
    change(local, lambda session: revoke_key(session, glass.trusted.id))
    with refusal("is blocked"):
        local.promote(version)


def test_an_override_of_an_alias_opens_no_stage_of_that_name(local: Place) -> None:
    version = local.version()
    text = local.maker.override(version, "Production", NOW + HOUR, key=local.settings.keys["override"])
    local.client.set_model_version_tag(version.name, "1", "gate.override.Production", text)
    with refusal("no decision"):
        local.client.transition_model_version_stage(version.name, "1", "Production")


def test_an_override_that_ended(local: Place) -> None:
    version = local.version()
    glass = local.settings.keys["override"]
    text = local.maker.override(version, "champion", NOW - HOUR, key=glass)
    local.client.set_model_version_tag(version.name, "1", "gate.override.champion", text)
    with refusal("no decision"):
        local.promote(version)


def test_refusals_are_kept_in_the_audit_trail(local: Place) -> None:
    version = local.version()
    with refusal("no decision"):
        local.promote(version)
    assert trail(local, version.name) == [("promote by alias", False, False)]


def test_the_same_decision_in_another_layout_is_the_same(local: Place) -> None:
    version = local.passed()
    text = version.tags["gate.attestation.production"]
    spaced = text.replace(",", ", ")
    assert digest_of(spaced) == digest_of(text)
    assert local.deliver(version, spaced).tags == version.tags


def test_prompts_and_descriptions_are_never_refused(local: Place) -> None:
    local.client.register_prompt("fraud-greeting", "Hello {{name}}")
    local.client.set_prompt_alias("fraud-greeting", "champion", 1)
    local.client.set_prompt_version_tag("fraud-greeting", 1, "owner", "me")
    found = local.client.get_prompt_version_by_alias("fraud-greeting", "champion")
    assert (found.version, found.tags) == (1, {"owner": "me"})
    version = local.version()
    local.client.update_model_version(version.name, "1", "what it is for")
    local.client.update_registered_model(version.name, "what all are for")
    assert local.again(version).description == "what it is for"


def test_what_is_enforced_can_be_read_by_any_client(local: Place) -> None:
    name, other = local.model(), local.model("draft")
    registry = local.client.get_registered_model(other).tags["gate.registry"]
    text = policy_text("production")
    tags = {"gate.registry": registry, "gate.enforced.production": text}
    assert local.client.get_registered_model(name).tags == tags
    assert local.client.search_registered_models(f"name = '{name}'")[0].tags == {}


def test_a_registered_model_keeps_none_of_the_gates_tags(local: Place) -> None:
    forged = {"gate.enforced.production": "nothing", "Gate.registry": "mine", "owner": "me"}
    local.client.create_registered_model("fraud-forged", tags=forged)
    assert local.client.search_registered_models("name = 'fraud-forged'")[0].tags == {"owner": "me"}
    shown = local.client.get_registered_model("fraud-forged").tags
    assert shown["gate.enforced.production"] == policy_text("production")
    for key in ("gate.registry", "gate.enforced.production"):
        with refusal("the gate's own"):
            local.client.delete_registered_model_tag("fraud-forged", key)


def test_latest_is_read_as_before(local: Place) -> None:
    first = local.version()
    local.version(first.name)
    assert int(local.client.get_model_version_by_alias(first.name, "latest").version) == 2
    found = local.client.search_model_versions(f"name = '{first.name}'")
    assert [int(version.version) for version in found] == [2, 1]


def test_a_version_that_an_older_mlflow_registered_takes_a_decision(local: Place) -> None:
    """Its row has no storage location; MLflow then reads the source."""
    version = local.version()
    old = "UPDATE model_versions SET storage_location = NULL WHERE name = :name"
    change(local, lambda session: session.execute(text(old), {"name": version.name}))
    local.promote(local.deliver(version, local.maker.decision(version)))
    assert local.holder(version.name) == int(version.version)
