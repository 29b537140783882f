"""The order of the work, and what is held back."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.registry.sweep import ListedVersion
from gate.workflow.watch.agenda import Agenda, Backoff, Untaken
from gate.workflow.watch.interface import Task

if TYPE_CHECKING:
    from gate.workflow.watch.interface import Reason


def task(version: int, reason: Reason = "new", created: int | None = None) -> Task:
    moment = version if created is None else created
    return Task(ListedVersion("m", version, moment, moment, "READY", "None"), reason)


def drained(agenda: Agenda, count: int) -> list[int]:
    taken = [agenda.take() for _ in range(count)]
    return [each.version.version for each in taken if each is not None]


@given(st.permutations(range(8)))
def test_the_most_recent_goes_first_in_whatever_order_it_was_found(order: list[int]) -> None:
    agenda = Agenda()
    for version in order:
        agenda.put(task(version))
    assert drained(agenda, 8) == [7, 6, 5, 4, 3, 2, 1, 0]


def test_judging_goes_before_comparing_files() -> None:
    agenda = Agenda()
    agenda.put(task(9, "files"))
    agenda.put(task(1))
    assert drained(agenda, 2) == [1, 9]


def test_nothing_is_done_twice_at_once() -> None:
    agenda = Agenda()
    assert agenda.put(task(1))
    assert not agenda.put(task(1))
    assert drained(agenda, 1) == [1]
    assert not agenda.put(task(1))  # it runs
    assert agenda.state()[:2] == (0, 1)
    agenda.finished(task(1))
    assert agenda.put(task(1))


def test_failed_work_is_held_back_and_a_sweep_does_not_hasten_it() -> None:
    agenda = Agenda()
    agenda.put(task(1))
    drained(agenda, 1)
    failures, pause = agenda.failed(task(1), Backoff(60.0, 600.0))
    assert (failures, agenda.put(task(1))) == (1, False)
    assert 30 <= pause <= 60
    agenda.put(task(0))
    assert drained(agenda, 1) == [0]  # older, but due


def test_a_new_reason_is_a_new_start() -> None:
    agenda = Agenda()
    agenda.put(task(1, "error"))
    drained(agenda, 1)
    agenda.failed(task(1, "error"), Backoff(600.0, 600.0))
    agenda.put(task(1, "policy"))
    assert drained(agenda, 1) == [1]


def test_what_a_full_sweep_does_not_find_any_more_is_dropped() -> None:
    agenda = Agenda()
    for each in (task(1), task(2), task(3, "files"), task(4, "files")):
        agenda.put(each)
    agenda.keep_only({("m", 2)}, {("m", version) for version in (1, 2, 3)})
    assert drained(agenda, 2) == [2, 3]
    assert agenda.state()[0] == 0


def test_closing_sends_everybody_away() -> None:
    agenda = Agenda()
    taken: list[Task | None] = []
    waiting = threading.Thread(target=lambda: taken.append(agenda.take()))
    waiting.start()
    agenda.close()
    waiting.join(10)
    assert taken == [None]


def test_the_age_is_that_of_the_oldest_work_to_be_judged() -> None:
    agenda = Agenda()
    assert agenda.state()[:2] == (0, 0)
    assert agenda.state()[2] == pytest.approx(0, abs=1e-3)
    agenda.put(task(1))
    time.sleep(0.02)
    agenda.put(task(2))
    assert agenda.state()[2] >= 0.02


@given(st.floats(0.1, 100), st.floats(1, 1000), st.integers(1, 10_000))
def test_pauses_double_and_are_bounded(first: float, factor: float, failures: int) -> None:
    most = first * factor
    pause = Backoff(first, most).pause(failures)
    assert first / 2 <= pause <= most
    assert pause <= first * 2.0 ** min(failures - 1, 60)


def test_what_was_judged_is_not_judged_again_at_once_for_the_same_reason() -> None:
    untaken = Untaken(Backoff(60.0, 600.0))
    first = task(1)
    assert untaken.let(first) is first
    untaken.judged(first)
    assert untaken.let(first) is None
    for other in (task(1, "policy"), replace(first, asked="sha256:01"), task(1, created=7)):
        assert untaken.let(other) is other  # other work on a version of that number
    untaken.forget(first.key)
    assert untaken.let(first) is first
