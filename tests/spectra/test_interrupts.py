"""Ctrl-C and forks at any moment leave nothing behind that a later analysis would wait for."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gate
from gate.errors import ResourceError
from gate.spectra import Settings, convention, measure_layers
from gate.spectra.executors import local
from gate.spectra.interrupts import signals_put_off
from gate.spectra.lapack import backend, blas_threads, crew
from tests.spectra.layers import gaussian, layer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


GATE = Settings(convention("gate-1"), jobs=2)


def small(seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    shapes = [(70, 40), (300, 200), (160, 140, 3, 3)]
    return {
        f"layer{index}.weight": rng.standard_normal(shapes[index % 3]).astype(np.float32)
        for index in range(9)
    }


@pytest.fixture
def alarm() -> Iterator[None]:
    """Let an alarm raise KeyboardInterrupt, as Ctrl-C does."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no timers that signal on this system")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def left_behind() -> dict[str, Any]:
    gang, threads = crew(), blas_threads()
    return {
        "batches": len(gang._batches),
        "idle": gang._idle,
        "inside": threads._inside,
        "alone": threads._alone,
        "locked": gang._condition._is_owned() or threads._condition._is_owned(),  # type: ignore[attr-defined]
        "threads": backend().threads(),
    }


NOTHING = {"batches": 0, "idle": 0, "inside": 0, "alone": False, "locked": False}


def settled() -> dict[str, Any]:
    """Wait for threads that are still leaving; return what is left behind then."""
    until = time.monotonic() + 10
    while not left_behind().items() >= NOTHING.items() and time.monotonic() < until:
        time.sleep(0.005)
    return left_behind()


@pytest.mark.parametrize("brief", [local.BRIEF, 0])  # the calling thread measures too, or only waits
def test_an_interrupt_at_any_moment_leaves_nothing_behind(
    alarm: None, monkeypatch: pytest.MonkeyPatch, brief: int
) -> None:
    monkeypatch.setattr(local, "BRIEF", brief)
    arrays = small()
    expected, before = gate.analyze(arrays, jobs=2), settled()
    assert before.items() >= NOTHING.items()
    begun = time.perf_counter()
    gate.analyze(arrays, jobs=2)
    taken = time.perf_counter() - begun
    moments, interrupted = np.random.default_rng(0), 0
    for _ in range(60):
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-4, taken))
            gate.analyze(arrays, jobs=2)
            time.sleep(taken)
        except KeyboardInterrupt:
            interrupted += 1
        gc.collect(0)
        assert settled() == before
    assert interrupted > 30
    assert gate.analyze(arrays, jobs=2) == expected


def test_signals_wait_for_the_end_and_are_handled_there(alarm: None) -> None:
    done = []

    def work() -> None:
        with signals_put_off(), signals_put_off():
            signal.raise_signal(signal.SIGINT)
            done.append("still")
            signal.raise_signal(signal.SIGALRM)
            done.append("here")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["still", "here"]
    with pytest.raises(KeyboardInterrupt):  # the handlers are back
        signal.raise_signal(signal.SIGALRM)
    with pytest.raises(ZeroDivisionError), signals_put_off():
        raise ZeroDivisionError


def test_other_threads_put_nothing_off() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []

    def run() -> None:
        with signals_put_off():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_measures_whatever_its_parent_held() -> None:
    arrays = small()
    expected = gate.analyze(arrays, jobs=2)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with crew()._lock, blas_threads()._lock, blas_threads().one():
            held.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    try:
        child = os.fork()
        if not child:
            same = False
            try:
                signal.alarm(60)  # a child that hangs ends by itself
                threads = backend().threads()
                same = gate.analyze(arrays, jobs=2) == expected and backend().threads() == threads
            finally:
                sys.stderr.flush()
                os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        go_on.set()
        thread.join()


class NoThread(threading.Thread):
    """A thread that the system does not start."""

    allowed = 0

    def start(self) -> None:
        if NoThread.allowed:
            NoThread.allowed -= 1
            super().start()
        else:
            raise RuntimeError("can't start new thread")


def test_threads_that_cannot_be_started_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [layer_of(gaussian(90, 80, seed=seed), name=str(seed)) for seed in range(10)]
    expected = measure_layers(layers, GATE)
    monkeypatch.setattr(local, "ALONE", 0)
    monkeypatch.setattr(threading, "Thread", NoThread)
    with pytest.raises(ResourceError, match="no thread"):
        measure_layers(layers, GATE)
    NoThread.allowed = 1
    assert measure_layers(layers, GATE) == expected
