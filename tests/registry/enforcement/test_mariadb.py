"""Behind MySQL and its kin, which take names for equal that differ in case or accents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text

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


@pytest.fixture(scope="module")
def unicode(mariadb: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """As MySQL 8 is by default: all of Unicode, and accents, width and the invisible ignored."""
    url = mariadb()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(f"ALTER DATABASE {engine.url.database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        )
    engine.dispose()
    return direct(Settings.make(tmp_path_factory.mktemp("unicode")), url)


@pytest.mark.parametrize("alias", ["chámpion", "\uff43hampion", "CHAMPIÖN", "cha\u1e41pion"])
def test_an_alias_under_which_a_governed_one_would_be_found(unicode: Place, alias: str) -> None:
    version = unicode.version()
    with refusal("no decision"):
        unicode.promote(version, alias)
    with pytest.raises(MlflowException, match="not found"):
        unicode.client.get_model_version_by_alias(version.name, "champion")


@pytest.mark.parametrize("name", ["fráud-a1", "fra\u200bud-a2", "\uff46raud-a3", "fra\x01ud-a4", "frǎud-a5"])
def test_a_model_under_which_a_governed_one_would_be_found(unicode: Place, name: str) -> None:
    unicode.client.create_registered_model(name)
    version = unicode.client.create_model_version(name, "s3://bucket/model")
    assert "gate.enforced.production" in unicode.client.get_registered_model(name).tags
    with refusal("no decision"):
        unicode.promote(version)
    draft = unicode.version(unicode.model("draft"))
    unicode.promote(draft)
    with refusal("renaming"):
        unicode.client.rename_registered_model(draft.name, f"{name}-too")
    with refusal("copying"):
        unicode.client.create_model_version(name, f"models:/{draft.name}/1")


def test_other_letters_are_other_models(unicode: Place) -> None:
    for name in ("prévision", "модель", "模型"):
        unicode.client.create_registered_model(name)
        unicode.promote(unicode.client.create_model_version(name, "s3://bucket/model"))
        assert unicode.holder(name) == 1


def test_a_model_in_other_letters_is_judged_by_its_own_name(mysql: Place) -> None:
    version = mysql.version()
    with refusal(f"models:/{version.name}/1"):
        mysql.client.set_registered_model_alias(version.name.replace("fraud", "fráud"), "champion", "1")
    assert mysql.holder(version.name) is None
