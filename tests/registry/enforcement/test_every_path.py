"""Every path to a promotion or a forged decision, by every way in, on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gate.registry.attestation.envelope import digest_of
from tests.registry.enforcement.callers import WAYS, ByClient, caller

if TYPE_CHECKING:
    from tests.registry.enforcement.callers import Answer, Caller
    from tests.registry.enforcement.places import Place

SAME_AS_API = ("client", "ajax-api")
DENIED, CONFLICT, INVALID = "PERMISSION_DENIED", "RESOURCE_CONFLICT", "INVALID_PARAMETER_VALUE"


@pytest.fixture(params=WAYS)
def by(request: pytest.FixtureRequest, place: Place) -> Caller:
    if "postgresql" in place.database and request.param in SAME_AS_API:
        pytest.skip("tried on SQLite; it comes to the same requests as /api")
    return caller(request.param, place)


def refused(answer: Answer, *words: str, code: str = DENIED) -> None:
    assert answer.code == code, answer.message
    for word in words:
        assert word in answer.message


def attestation(by: Caller, version: Any, text: str, policy: str = "production") -> Answer:
    return by.tag(version.name, version.version, f"gate.attestation.{policy}", text)


@pytest.mark.parametrize("alias", ["champion", "Champion", "CHAMPION"])
def test_alias(place: Place, by: Caller, alias: str) -> None:
    version = place.version()
    refused(
        by.alias(version.name, alias, version.version),
        alias,
        "production",
        "no decision",
        f"gate check 'models:/{version.name}/1'",
    )
    assert place.holder(version.name, alias) is None


@pytest.mark.parametrize("stage", ["Production", "production", "PRODUCTION"])
def test_stage(place: Place, by: Caller, stage: str) -> None:
    version = place.version()
    refused(by.stage(version.name, version.version, stage), "stage 'Production'", "no decision")
    assert place.again(version).current_stage == "None"


def test_copy_into_a_governed_model(place: Place, by: Caller) -> None:
    source = place.version(place.model("draft"))
    target = place.model()
    refused(by.create(target, f"models:/{source.name}/1"), target, "no decision", "--policy")
    refused(by.create(target, f"MODELS:/{source.name}/1"))
    assert place.client.search_model_versions(f"name = '{target}'") == []


def test_a_judged_version_may_be_copied_and_its_copy_is_unjudged(place: Place, by: Caller) -> None:
    source = place.passed()
    target = place.model()
    assert by.create(target, f"models:/{source.name}/1", dict(source.tags)).code is None
    assert [key for key in place.client.get_model_version(target, "1").tags if key != "gate.registry"] == []
    refused(by.alias(target, "champion", 1), "no decision")


def test_rename_into_a_governed_name(place: Place, by: Caller) -> None:
    version = place.version(place.model("draft"))
    place.promote(version)
    refused(by.rename(version.name, f"fraud-of-{version.name}"), "rename", "'champion'")
    assert place.holder(version.name) == 1


def test_rename_takes_decisions_and_their_tags_away(place: Place, by: Caller) -> None:
    version = place.passed()
    away = f"draft-of-{version.name}"
    assert by.rename(version.name, away).code is None
    assert place.client.get_model_version(away, "1").tags.keys() == {"gate.registry"}
    assert by.rename(away, version.name).code is None
    refused(by.alias(version.name, "champion", 1), "revoked", "renamed")


def test_tags_at_create(place: Place, by: Caller) -> None:
    judged = place.passed()
    name = place.model()
    forged = {"gate.outcome": "passed", "GATE.outcome": "passed", "mine": "kept"}
    forged["gate.attestation.production"] = judged.tags["gate.attestation.production"]
    assert by.create(name, "s3://bucket/model", forged).code is None
    assert place.client.get_model_version(name, "1").tags.keys() == {"mine", "gate.registry"}
    refused(by.alias(name, "champion", 1), "no decision")


@pytest.mark.parametrize(
    "key", ["gate.outcome", "gate.digest", "gate.registry", "Gate.outcome", "gáte.outcome", "gate.anything"]
)
def test_own_tags_cannot_be_set(place: Place, by: Caller, key: str) -> None:
    version = place.version()
    refused(by.tag(version.name, 1, key, "passed"), "the gate's own")
    refused(by.tag_model(version.name, key, "passed"), "the gate's own")
    assert place.again(version).tags.keys() == {"gate.registry"}


def test_own_tags_cannot_be_deleted(place: Place, by: Caller) -> None:
    version = place.version()
    blocked = place.deliver(version, place.maker.blocked(version))
    for key in set(blocked.tags) - {"gate.registry"}:
        refused(by.untag(version.name, 1, key), key)
    assert place.again(version).tags == blocked.tags
    assert by.untag(version.name, 1, "gate.never-there").code is None


def test_what_stands_there_already_may_be_said_again(place: Place, by: Caller) -> None:
    version = place.passed()
    for key, value in version.tags.items():
        assert by.tag(version.name, 1, key, value).code is None, key
    assert place.again(version).tags == version.tags


def test_deleted_and_made_anew(place: Place, by: Caller) -> None:
    judged = place.passed()
    place.client.delete_registered_model(judged.name)
    place.client.create_registered_model(judged.name)
    anew = place.version(judged.name)
    assert anew.version == judged.version
    refused(by.alias(anew.name, "champion", 1), "no decision")
    refused(attestation(by, anew, judged.tags["gate.attestation.production"]), "time of creation")


def test_a_model_that_says_it_is_a_prompt(place: Place, by: Caller) -> None:
    version = place.version()
    toggle = "mlflow.prompt.is_prompt"
    assert by.tag(version.name, 1, toggle, "true").code is None
    assert by.tag_model(version.name, toggle, "true").code is None
    for answer in (by.alias(version.name, "champion", 1), by.stage(version.name, 1, "Production")):
        # MLflow's client finds no such model any more; whoever asks the server is refused.
        assert answer.code == ("RESOURCE_DOES_NOT_EXIST" if isinstance(by, ByClient) else DENIED)
    _, found = place.send(
        "registered-models/set-tag", {"name": version.name, "key": toggle, "value": "false"}
    )
    assert found == {}
    assert place.holder(version.name) is None


def test_a_decision_of_another_version(place: Place, by: Caller) -> None:
    first = place.passed()
    second = place.version(first.name)
    refused(attestation(by, second, first.tags["gate.attestation.production"]), "another version")
    refused(by.alias(second.name, "champion", 2), "no decision")


def test_a_decision_of_another_model(place: Place, by: Caller) -> None:
    first, second = place.passed(), place.version()
    refused(attestation(by, second, first.tags["gate.attestation.production"]), "another model")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("registry", "00000000-0000-0000-0000-000000000000", "another registry"),
        ("registry", None, "another registry"),
        ("workspace", "elsewhere", "another workspace"),
        ("version", 7, "another version"),
        ("creation_time", 1, "another time of creation"),
    ],
)
def test_a_decision_of_another_place(place: Place, by: Caller, field: str, value: Any, words: str) -> None:
    version = place.version()
    refused(attestation(by, version, place.maker.decision(version, **{field: value})), words)
    refused(by.alias(version.name, "champion", 1), "no decision")


def test_an_old_pass_again_after_a_block(place: Place, by: Caller) -> None:
    version = place.passed()
    old = version.tags["gate.attestation.production"]
    blocked = place.deliver(version, place.maker.blocked(version))
    refused(attestation(by, version, old), "changed meanwhile", code=CONFLICT)
    unaware = place.maker.decision(version, supersedes=digest_of(old))
    refused(attestation(by, version, unaware), code=CONFLICT)
    refused(
        by.alias(version.name, "champion", 1),
        "is blocked",
        "layer-alpha-in-range: 5 of 12 layers outside [2, 6]",
        "run 0123456789abcdef0123456789abcdef",
    )
    assert place.again(version).tags == blocked.tags


def test_a_changed_envelope(place: Place, by: Caller) -> None:
    version = place.version()
    text = place.maker.blocked(version)
    payload = text.split('"payload":"')[1].split('"')[0]
    passed = place.maker.decision(version).split('"payload":"')[1].split('"')[0]
    refused(attestation(by, version, text.replace(payload, passed)), "the signature does not fit")
    refused(attestation(by, version, "passed"), code=INVALID)
    refused(attestation(by, version, "{}"), code=INVALID)
    refused(attestation(by, version, place.maker.decision(version), "other"), "production", code=INVALID)


def test_a_policy_that_is_not_enforced_here(place: Place, by: Caller) -> None:
    version = place.version()
    lenient = place.maker.decision(version, policy="lenient")
    refused(attestation(by, version, lenient, "lenient"), "enforces no policy 'lenient'")
    other_words = place.maker.decision(version, policy_digest=f"sha256:{'0' * 64}")
    refused(attestation(by, version, other_words), "another wording")


def test_a_decision_is_no_override(place: Place, by: Caller) -> None:
    version = place.version()
    refused(by.tag(version.name, 1, "gate.override.champion", place.maker.decision(version)), code=INVALID)


def test_what_passed_is_promoted_and_shown(place: Place, by: Caller) -> None:
    version = place.version()
    assert attestation(by, version, place.maker.decision(version)).code is None
    assert by.alias(version.name, "Champion", 1).code is None
    assert by.stage(version.name, 1, "Production").code is None
    tags = place.again(version).tags
    assert place.holder(version.name, "Champion") == 1
    assert (tags["gate.outcome"], tags["gate.policy"], tags["gate.alpha"]) == ("passed", "production", "3.25")
    assert place.client.search_model_versions("tags.`gate.outcome` = 'passed'", max_results=1)


def test_what_no_policy_governs_is_left_alone(place: Place, by: Caller) -> None:
    draft, version = place.version(place.model("draft")), place.version()
    assert by.alias(draft.name, "champion", 1).code is None
    assert by.stage(draft.name, 1, "Production").code is None
    assert by.alias(version.name, "challenger", 1).code is None
    assert by.stage(version.name, 1, "Archived").code is None
    assert by.tag(version.name, 1, "owner", "me").code is None
    assert by.untag(version.name, 1, "owner").code is None
    assert by.create(place.model("draft"), f"models:/{version.name}/1").code is None
