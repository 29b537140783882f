"""The digest of a model in memory is taken by whoever is free, wherever its layers are measured."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gate
from gate.analysis import ArraysDigest, arrays_digest
from gate.errors import ModelError
from gate.spectra.executors import Local, local
from gate.weights.arrays import live_readers

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerResult, Settings
    from gate.spectra.layer import Finish

ARRAYS = {
    f"fc{index}.weight": np.random.default_rng(index).standard_normal((400, 300)).astype(np.float32)
    for index in range(6)
}


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the threads that digest arrays."""
    names: set[str] = set()
    add = ArraysDigest._add

    def recorded(digest: ArraysDigest, arrays: Any) -> None:
        names.add(threading.current_thread().name)
        add(digest, arrays)

    monkeypatch.setattr(ArraysDigest, "_add", recorded)
    return names


class Elsewhere(Local):
    """Measures where no thread of this process does it, as a cluster does."""

    name = "elsewhere"

    def __init__(self, digested: set[str]) -> None:
        super().__init__()
        self._digested = digested

    def map(
        self, layers: Sequence[WeightLayer], settings: Settings
    ) -> Generator[tuple[int, LayerResult], None, None]:
        until = time.monotonic() + 10
        while not self._digested and time.monotonic() < until:
            time.sleep(0.001)
        yield from super().map(layers, settings)


def test_one_worker_digests_by_itself(hashing: set[str]) -> None:
    found = gate.analyze(ARRAYS, jobs=1).source.digest
    assert found == arrays_digest(live_readers(ARRAYS))
    assert hashing <= {"MainThread", "gate-layer-0"}


def test_a_thread_digests_while_layers_are_measured_elsewhere(hashing: set[str]) -> None:
    analysis = gate.analyze(ARRAYS, executor=Elsewhere(hashing))
    assert hashing == {"gate-digest"}
    hashing.clear()
    assert analysis == gate.analyze(ARRAYS)
    assert "gate-digest" not in hashing
    assert all(thread.name != "gate-digest" for thread in threading.enumerate())


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_array_that_cannot_be_digested_is_told(
    monkeypatch: pytest.MonkeyPatch, jobs: int, elsewhere: bool
) -> None:
    begun = set[str]()

    def fail(*_: object) -> None:
        begun.add("one")
        raise ModelError("'fc0.weight' cannot be read: it went away")

    monkeypatch.setattr(ArraysDigest, "_add", fail)
    with pytest.raises(ModelError, match="went away"):
        gate.analyze(ARRAYS, jobs=jobs, executor=Elsewhere(begun) if elsewhere else None)


def test_nothing_more_is_digested_where_measuring_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[object]()

    def slowly(*names: object) -> None:
        begun.append(names)
        time.sleep(0.05)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ArraysDigest, "_add", slowly)
    monkeypatch.setattr(local, "BRIEF", 0)
    many = {f"{name}{copy}": values for copy in range(8) for name, values in ARRAYS.items()}
    with pytest.raises(KeyboardInterrupt):
        gate.analyze(many, progress=interrupt)
    time.sleep(0.15)
    count = len(begun)
    time.sleep(0.15)
    assert len(begun) == count < len(many)


def test_a_small_model_in_memory_is_measured_by_the_calling_thread_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = set[str]()
    begin, both = local.start_named, threading.Barrier(2)

    def recorded(*arguments: Any) -> Finish:
        name = threading.current_thread().name
        if name not in seen:
            seen.add(name)
            both.wait(60)  # neither thread does the other's share
        return begin(*arguments)

    monkeypatch.setattr(local, "start_named", recorded)
    found = gate.analyze(ARRAYS, jobs=2)
    assert seen == {"MainThread", "gate-layer-1"}
    seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr(local, "BRIEF", 0)  # what takes longer
        assert gate.analyze(ARRAYS, jobs=2) == found
    assert seen == {"gate-layer-0", "gate-layer-1"}
    seen.clear()
    assert gate.analyze({**ARRAYS, "bias": np.zeros(20_000_000, np.int8)}, jobs=2).layers == found.layers
    assert seen == {"gate-layer-0", "gate-layer-1"}


def test_ctrl_c_waits_for_a_small_model_in_memory_and_is_raised_then(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = list[str]()
    begin = local.start_named

    def interrupted(layer: WeightLayer, *rest: Any) -> Finish:
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)
        measured.append(layer.name)
        return begin(layer, *rest)

    monkeypatch.setattr(local, "start_named", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gate.analyze(ARRAYS, jobs=1)
    assert len(measured) == len(ARRAYS)
