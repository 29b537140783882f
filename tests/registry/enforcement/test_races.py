"""Promotions and checks at once: whoever is first, what stands in the end was allowed when it was done."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text

from gate.registry.enforcement.tables import aliases_held, decisions_of, open_database
from gate.registry.enforcement.tables.interface import VersionKey
from tests.registry.enforcement.places import Place, Settings, direct

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.orm import Session

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


def test_a_promotion_that_waited_for_a_block_sees_it_whatever_the_database_is_set_to(
    postgresql: Callable[[], str], tmp_path: Path
) -> None:
    """A snapshot taken before the wait would show the decision that the block superseded."""
    url = postgresql()
    engine = create_engine(url)
    with engine.begin() as connection:
        wanted = f"ALTER DATABASE {engine.url.database} SET default_transaction_isolation = 'repeatable read'"
        connection.execute(text(wanted))
    engine.dispose()
    place = direct(Settings.make(tmp_path), url)
    version = place.passed()
    text_of_block = place.maker.blocked(version)
    subject = VersionKey("default", version.name, 1, version.creation_timestamp)
    from gate.registry.enforcement.accept import Delivery, accept_decision  # noqa: PLC0415 - as above
    from gate.registry.enforcement.rows import locked_version  # noqa: PLC0415 - as above
    from gate.registry.enforcement.rulebook import RulebookReader  # noqa: PLC0415 - imports MLflow's stores

    with ThreadPoolExecutor(1) as pool:
        with open_database(url).transaction() as session:
            locked_version(session, "default", version.name, 1)
            promoting = pool.submit(outcome, lambda: place.promote(version))
            _wait_until_somebody_waits(session)
            book = RulebookReader("postgresql").read(session)
            accept_decision(session, book, Delivery(text_of_block, subject, "production"))
        assert promoting.result(30) == "PERMISSION_DENIED"
    assert place.holder(version.name) is None


def _wait_until_somebody_waits(session: Session) -> None:
    deadline = time.monotonic() + 30
    while not session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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
