"""Behind MySQL and its kin, which take names for equal that differ in case or accents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.registry.enforcement.places import Place, Settings, direct, refusal
from tests.registry.enforcement.signing import policy_text

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def mysql(mariadb: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Place:
    settings = Settings.make(
        tmp_path_factory.mktemp("mariadb"),
        policy_text("production", "{models: ['fraud-*'], aliases: [champion], stages: [Production]}"),
    )
    return direct(settings, mariadb())


def test_the_way_through(mysql: Place) -> None:
    version = mysql.version()
    with refusal("no decision"):
        mysql.promote(version)
    mysql.promote(mysql.deliver(version, mysql.maker.decision(version)))
    assert mysql.holder(version.name) == 1
    mysql.client.transition_model_version_stage(version.name, "1", "Production")
    mysql.deliver(version, mysql.maker.blocked(mysql.again(version)))
    with refusal("is blocked"):
        mysql.promote(version)


@pytest.mark.parametrize("alias", ["CHAMPION", "chámpion"])
def test_an_alias_that_the_database_takes_for_a_governed_one(mysql: Place, alias: str) -> None:
    champion = mysql.passed()
    mysql.promote(champion)
    unjudged = mysql.version(champion.name)
    with refusal("no decision"):
        mysql.promote(unjudged, alias)
    assert mysql.holder(champion.name) == 1


@pytest.mark.parametrize("key", ["GATE.outcome", "gáte.outcome", "gate.outcomé"])
def test_a_tag_that_the_database_takes_for_one_of_ours(mysql: Place, key: str) -> None:
    version = mysql.passed()
    with refusal("the gate's own"):
        mysql.client.set_model_version_tag(version.name, "1", key, "blocked")
    with refusal("the gate's own"):
        mysql.client.delete_model_version_tag(version.name, "1", key)
    assert mysql.again(version).tags["gate.outcome"] == "passed"


def test_a_model_in_other_letters_is_judged_by_its_own_name(mysql: Place) -> None:
    version = mysql.version()
    with refusal(f"models:/{version.name}/1"):
        mysql.client.set_registered_model_alias(version.name.replace("fraud", "fráud"), "champion", "1")
    assert mysql.holder(version.name) is None
