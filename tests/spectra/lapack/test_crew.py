"""Tiles are all done, once, by whoever is free, and an error reaches the thread that asked."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gate.spectra.lapack.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def helpers(crew: Crew, count: int) -> Iterator[list[threading.Thread]]:
    """Let threads help, and see that all of them leave when they may."""
    over = threading.Event()
    threads = [threading.Thread(target=crew.help, args=(over.is_set,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    while crew._idle < count:
        time.sleep(0.001)
    try:
        yield threads
    finally:
        over.set()
        crew.wake()
        for thread in threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_tile_is_done_once(count: int) -> None:
    crew, done = Crew(), list[int]()
    with helpers(crew, count):
        for _ in range(20):
            done.clear()
            crew.run([partial(done.append, number) for number in range(50)])
            assert sorted(done) == list(range(50))


def test_idle_threads_take_tiles_and_are_waited_for() -> None:
    crew, names = Crew(), set[str]()
    both = threading.Barrier(2, timeout=5)  # passes only when two threads are at it at once

    def tile() -> None:
        both.wait()
        name = threading.current_thread().name
        time.sleep(0 if name == "MainThread" else 0.05)
        names.add(name)

    with helpers(crew, 1) as (helper,):
        crew.run([tile, tile])
        assert names == {"MainThread", helper.name}


@pytest.mark.parametrize("count", [0, 2])
def test_an_error_is_raised_where_the_batch_was_started_and_drops_the_rest(count: int) -> None:
    crew, done = Crew(), list[int]()

    def fail() -> None:
        raise ZeroDivisionError

    with helpers(crew, count):
        with pytest.raises(ZeroDivisionError):
            crew.run([fail] + [partial(time.sleep, 0.001)] * 200 + [partial(done.append, 1)])
        assert done == []
        crew.run([partial(done.append, 2)])
    assert done == [2]


def test_two_batches_at_a_time() -> None:
    crew = Crew()
    sums = {"a": 0, "b": 0}
    lock = threading.Lock()

    def add(name: str) -> None:
        with lock:
            sums[name] += 1

    def run(name: str) -> None:
        for _ in range(30):
            crew.run([partial(add, name)] * 20)

    owners = [threading.Thread(target=run, args=(name,)) for name in sums]
    with helpers(crew, 2):
        for owner in owners:
            owner.start()
        for owner in owners:
            owner.join(20)
    assert sums == {"a": 600, "b": 600}


def test_help_is_wanted_while_nobody_has_begun_a_tile() -> None:
    crew = Crew()
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert go_on.wait(5)

    owner = threading.Thread(target=crew.run, args=([first, first],))
    assert not crew.wants_help()
    owner.start()
    assert begun.wait(5)
    assert crew.wants_help()
    with helpers(crew, 1):
        while crew.wants_help():
            time.sleep(0.001)
        go_on.set()
        owner.join(5)
    assert not owner.is_alive()
    assert not crew.wants_help()
