"""A checker that dies between any two requests: what is left, and that checking again mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.registry import RecordInput, ResolvedSource
from gate.registry.decision import PASSING
from gate.registry.record import record
from tests.registry.conftest import Place, make_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gate.policy.interface import Outcome
    from gate.registry import Decision
    from gate.registry.clients import Connection

OLD_DIGEST, NEW_DIGEST = "sha256:old", "sha256:new"


class Killed(BaseException):
    """Stands for SIGKILL: nothing may be done about it."""


class DyingClient:
    """Passes calls on and dies before the server hears of the k-th, or of any later one."""

    def __init__(self, client: Any, dies_at: int) -> None:
        self.client, self.left = client, dies_at

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*args: Any, **keywords: Any) -> Any:
            self.left -= 1
            if self.left <= 0:
                raise Killed(name)
            return method(*args, **keywords)

        return call


def judged(outcome: Outcome, digest: str) -> RecordInput:
    return RecordInput(outcome, (("default", "sha256:01"),), digest, {"alpha": 3.0}, {"report.html": b"<p>"})


def decision_of(place: Place, version: ResolvedSource) -> tuple[str | None, Decision | None]:
    now = place.registry.resolve(version.uri)
    return now.tags.get("gate.outcome"), place.registry.decision(now)


def reset(place: Place, version: ResolvedSource, tags: Mapping[str, str]) -> None:
    present = place.registry.resolve(version.uri).tags
    for tag in present.keys() - tags.keys():
        place.client.delete_model_version_tag(version.name, str(version.version), tag)
    for tag, value in tags.items():
        place.client.set_model_version_tag(version.name, str(version.version), tag, value)


def died(connection: Connection, version: ResolvedSource, new: RecordInput, at: int) -> bool:
    dying: Any = DyingClient(connection.client, at)
    try:
        record(replace(connection, client=dying), version, new)
    except Killed:
        return True
    return False


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "passed"), (None, "blocked"), ("passed", "blocked"), ("blocked", "passed"), ("passed", "passed")],
)
def test_every_cut_off(
    embedded: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    before: Outcome | None,
    after: Outcome,
) -> None:
    from gate.registry import Registry  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    place = Place(Registry.connect(embedded), (tmp_path / "store").as_uri())
    version = place.registry.resolve(f"models:/{name}/{place.version(name, make_model(tmp_path / 'm', 1))}")
    new = judged(after, NEW_DIGEST)
    if before is not None:
        place.registry.record(version, judged(before, OLD_DIGEST))
    tags_before = place.registry.resolve(version.uri).tags
    cuts = 0
    while True:
        reset(place, version, tags_before)
        if not died(place.connection, version, new, cuts + 1):
            break
        cuts += 1
        outcome, decision = decision_of(place, version)
        if outcome in PASSING:
            # Passed is only ever said by a whole decision that was really taken.
            assert decision is not None, f"cut {cuts}"
            assert (decision.outcome, decision.digest) in {(before, OLD_DIGEST), (after, NEW_DIGEST)}
            assert after in PASSING or cuts <= 2, "it outlived the look at it and the first write"
        place.registry.record(version, new)
        outcome, decision = decision_of(place, version)
        assert decision is not None
        assert (outcome, decision.outcome, decision.digest) == (after, after, NEW_DIGEST)
        assert place.client.get_run(decision.report).info.status == "FINISHED"
    assert cuts >= 15
