"""When files are compared: spread over the interval, sizes more often than contents."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gate.workflow.watch.files import LISTINGS_PER_REHASH, FilesSchedule

if TYPE_CHECKING:
    import pytest


def test_every_version_is_hashed_once_and_listed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    schedule, keys = FilesSchedule(2400.0), [("m", version) for version in range(200)]
    deep: dict[tuple[str, int], int] = dict.fromkeys(keys, 0)
    shallow = dict(deep)
    busiest = 0
    for now in range(1000, 1000 + 3 * 2400, 20):  # noqa: B007 - the clock reads it
        due = {key: found for key in keys if (found := schedule.due(key))}
        busiest = max(busiest, sum(found == "deep" for found in due.values()))
        for key, found in due.items():
            (deep if found == "deep" else shallow)[key] += 1
    assert set(deep.values()) <= {2, 3}  # in three intervals, begun anywhere in the first
    assert min(shallow.values()) >= 2 * (LISTINGS_PER_REHASH - 2)
    assert busiest < 20, "not all at once"


def test_at_every_look() -> None:
    schedule = FilesSchedule(0.0)
    assert [schedule.due(("m", 1)) for _ in range(3)] == ["deep"] * 3


def test_a_promotion_hastens_it() -> None:
    schedule = FilesSchedule(86400.0)
    schedule.due(("m", 1))
    schedule.hasten(("m", 1))
    assert schedule.due(("m", 1)) == "deep"
    assert schedule.due(("m", 1)) is None
