"""Memory: layers that do not fit together wait, and the whole process stays within its limit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from gate.errors import ResourceError
from gate.spectra import Settings, convention, measure_layers
from gate.spectra.executors import budget, local
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from tests.spectra.layers import Broken, gaussian, layer_of

GATE = Settings(convention("gate-1"))


def test_two_layers_that_do_not_fit_together_wait_for_each_other() -> None:
    layer = replace(layer_of(np.zeros((1, 1))), shape=(40_000, 40_000))
    budget = MemoryBudget([layer, layer])
    need = peak_bytes(layer, GATE)
    assert need > 40_000**2 * 8
    order: list[str] = []

    def second() -> None:
        with budget.hold(need * 2):
            order.append("second")

    with budget.hold(need):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.05)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_a_closed_budget_sends_waiters_away() -> None:
    layer = replace(layer_of(np.zeros((1, 1))), shape=(10_000, 10_000))
    budget = MemoryBudget([layer])
    granted: list[bool] = []

    def wait() -> None:
        with budget.hold(1 << 40) as held:
            granted.append(held)

    with budget.hold(1 << 40):
        waiting = threading.Thread(target=wait)
        waiting.start()
        budget.close()
        waiting.join(timeout=5)
    assert granted == [False]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_layers_that_wait_to_be_finished_give_their_room_back_when_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    layers = [layer_of(gaussian(90, 80, seed=seed), name=str(seed)) for seed in range(40)]
    expected = measure_layers(layers, GATE)
    monkeypatch.setattr(local, "ALONE", 0)
    monkeypatch.setattr(budget, "SLACK", 0)
    limit = MemoryBudget(layers)
    limit.take(peak_bytes(layers[0], GATE))
    assert not limit.has_room(peak_bytes(layers[0], GATE))  # or 16 would be finished together
    assert measure_layers(layers, replace(GATE, jobs=jobs)) == expected


_MEMORY = """
import numpy as np
from gate.layer import WeightLayer
from gate.spectra import Settings, convention, measure_layers
rows, columns = SHAPE
def read():
    values = np.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)
    values[:, -1] = values[:, 0]
    return values
shape = (rows, columns)
layers = [WeightLayer(f"l{i}", "dense", shape, "float32", read, "t", shape) for i in range(4)]
measure_layers(layers, Settings(convention("CONVENTION"), jobs=4))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024 - 3 * rows * columns * 8)  # ru_maxrss would count the parent's
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(
    ("convention", "shape"),
    [("gate-1", "2200, 2200"), ("weightwatcher-0.7", "12_000, 800")],  # the latter decomposes copies
)
def test_the_process_stays_within_three_copies_of_the_largest_matrix_and_a_constant(
    convention: str, shape: str
) -> None:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY.replace("SHAPE", shape).replace("CONVENTION", convention)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert int(done.stdout) < 150e6


def test_running_out_of_memory_names_the_layer_and_a_way_out() -> None:
    layers = [replace(layer_of(np.ones((4, 4)), name="vast"), read=Broken(MemoryError()))]
    with pytest.raises(ResourceError, match="layer vast") as caught:
        measure_layers(layers, GATE)
    assert caught.value.hint is not None
    assert "jobs" in caught.value.hint
