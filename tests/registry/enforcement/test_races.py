"""Promotions and checks at once: whoever is first, what stands in the end was allowed when it was done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException

from gate.registry.enforcement.tables import aliases_held, decisions_of, open_database
from gate.registry.enforcement.tables.interface import VersionKey
from tests.registry.enforcement.places import Place, Settings, direct

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 12


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("races")
    new_database = request.getfixturevalue(request.param)
    url = new_database(folder) if request.param == "sqlite" else new_database()
    return direct(Settings.make(folder), url)


def outcome(act: Callable[..., object], *arguments: object) -> str | None:
    try:
        act(*arguments)
    except MlflowException as error:
        return str(error.error_code)
    return None


def test_a_block_and_a_promotion_at_once(shared: Place) -> None:
    """No alias is set on a decision that was superseded before: the history tells under which it was."""
    for _ in range(ROUNDS):
        version = shared.passed()
        blocked = shared.maker.blocked(version)
        with ThreadPoolExecutor(2) as pool:
            promoting = pool.submit(outcome, shared.promote, version)
            blocking = pool.submit(outcome, shared.deliver, version, blocked)
        assert blocking.result() is None
        assert promoting.result() in {None, "PERMISSION_DENIED"}
        assert shared.holder(version.name) == (1 if promoting.result() is None else None)
        subject = VersionKey("default", version.name, 1, version.creation_timestamp)
        with open_database(shared.database).transaction() as session:
            passed, block = decisions_of(session, subject, "production")
            held = aliases_held(session, subject, "champion")
        assert block.current
        assert not passed.current
        assert [entry.decisions for entry in held] == ([(passed.seq,)] if promoting.result() is None else [])
        assert outcome(shared.promote, version) == "PERMISSION_DENIED"


def test_two_checks_at_once(shared: Place) -> None:
    """Of two decisions that supersede the same one, one is taken; the other is told to look again."""
    for _ in range(ROUNDS):
        version = shared.version()
        texts = shared.maker.blocked(version), shared.maker.decision(version)
        with ThreadPoolExecutor(2) as pool:
            delivering = [pool.submit(outcome, shared.deliver, version, text) for text in texts]
        results = [done.result() for done in delivering]
        assert sorted(map(str, results)) == ["None", "RESOURCE_CONFLICT"]
        winner = texts[results.index(None)]
        assert shared.again(version).tags["gate.attestation.production"] == winner


def test_a_rename_and_a_promotion_at_once(shared: Place) -> None:
    """An alias set while its model gets a governed name is not carried into it."""
    for _ in range(ROUNDS):
        version = shared.version(shared.model("draft"))
        governed = f"fraud-of-{version.name}"
        with ThreadPoolExecutor(2) as pool:
            promoting = pool.submit(outcome, shared.promote, version)
            renaming = pool.submit(outcome, shared.client.rename_registered_model, version.name, governed)
        if renaming.result() is None:
            assert promoting.result() is not None
            assert shared.holder(governed) is None
        else:
            assert renaming.result() == "PERMISSION_DENIED"
            assert shared.holder(version.name) == 1
