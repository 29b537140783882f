"""Other work for the threads that measure: done once, in the gaps, and its errors are told."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import ModelError
from gate.spectra import Settings, convention, measure_layers
from gate.spectra.executors import Beside, Local, local
from tests.spectra.layers import Broken, gaussian, layer_of, mixed_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray


GATE = Settings(convention("gate-1"))


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_what_is_to_be_done_beside_is_done_once_and_changes_nothing(jobs: int) -> None:
    layers, done = mixed_layers(), list[str]()
    beside = Beside(
        [partial(done.append, "long")], [partial(done.append, f"short{n}") for n in range(20)], 21
    )
    found = dict(Local().in_memory(beside).map(layers, replace(GATE, jobs=jobs)))
    assert sorted(done) == sorted(["long", *(f"short{n}" for n in range(20))])
    assert tuple(found[index] for index in range(len(layers))) == measure_layers(layers, GATE)
    done.clear()
    assert dict(Local().in_memory(beside).map([], replace(GATE, jobs=jobs))) == {}
    assert len(done) == 21
    assert dict(Local().in_memory(Beside((), (), 0)).map([], GATE)) == {}


def test_the_last_thread_begins_with_what_takes_long_and_ends_with_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "BRIEF", 0)
    done: dict[str, list[str]] = {}
    both = threading.Barrier(2)

    def note(what: str) -> None:
        mine = done.setdefault(threading.current_thread().name, [])
        mine.append(what)
        if len(mine) == 1:
            both.wait(60)  # neither thread does the other's share

    def reader(values: NDArray[Any]) -> Any:
        def read() -> NDArray[Any]:
            note("layer")
            return values

        return read

    monkeypatch.setattr(local, "ALONE", 0)
    layers = [
        replace(layer_of(gaussian(90, 80)), name=str(seed), read=reader(gaussian(90, 80, seed=seed)))
        for seed in range(12)
    ]
    beside = Beside([partial(note, "long")] * 2, [partial(note, "short")] * 3, 5)
    assert len(dict(Local().in_memory(beside).map(layers, replace(GATE, jobs=2)))) == len(layers)
    assert done["gate-layer-0"][0] == "layer"
    assert done["gate-layer-1"][:2] == ["long", "long"]
    for thread in done.values():
        assert "layer" not in thread[thread.index("short") :] if "short" in thread else True
    assert sum(thread.count("short") for thread in done.values()) == 3


def test_an_error_beside_is_raised_after_the_layers_and_theirs_before() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    found, layers = list[int](), mixed_layers()
    run = Local().in_memory(Beside([fail], [fail], 2)).map(layers, GATE)
    with pytest.raises(ZeroDivisionError):
        found.extend(index for index, _ in run)
    assert sorted(found) == list(range(len(layers)))
    lost = replace(layer_of(np.ones((4, 4)), name="lost"), read=Broken(ModelError("cut short")))
    with pytest.raises(ModelError, match="layer lost: cut short"):
        dict(Local().in_memory(Beside([fail], [fail], 2)).map([*layers, lost], GATE))
