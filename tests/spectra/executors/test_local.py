"""Running many layers: the same bits however many workers, prompt errors and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import ModelError
from gate.spectra import Settings, convention, lapack, measure_layers
from gate.spectra.executors import Local, local
from gate.spectra.lapack import openblas, threads, tiled
from gate.spectra.lapack.blas import Blas
from tests.spectra.layers import Broken, gaussian, layer_of, mixed_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray


GATE = Settings(convention("gate-1"))


def test_results_come_in_the_order_given_and_do_not_depend_on_the_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "LARGE", 350)  # so that some layers take all BLAS threads and some one
    layers = mixed_layers()
    alone = measure_layers(layers, replace(GATE, jobs=1))
    assert [result.rows[0].layer for result in alone] == [layer.name for layer in layers]
    for jobs in (2, 5):
        assert measure_layers(layers, replace(GATE, jobs=jobs)) == alone
    assert measure_layers(layers[::-1], replace(GATE, jobs=3)) == alone[::-1]


def test_threads_without_a_layer_share_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    if not lapack.backend().tiled:
        pytest.skip("numpy brings another BLAS here")
    monkeypatch.setattr(openblas, "TWO_STAGE", 300)
    monkeypatch.setattr(local, "TWO_STAGE", 300)
    monkeypatch.setattr(local, "ALONE", 0)
    monkeypatch.setattr(tiled, "ROWS", 32)
    multiply, helpers = Blas.multiply, set[str]()

    def recorded(blas: Blas, *matrices: Any, **how: Any) -> None:
        helpers.add(threading.current_thread().name)
        time.sleep(0.0005)  # long enough for whoever is idle to come
        multiply(blas, *matrices, **how)

    monkeypatch.setattr(Blas, "multiply", recorded)
    large = [layer_of(gaussian(400, 350).astype(np.float32), name="large")]
    alone = measure_layers(large, replace(GATE, jobs=1))
    assert len(helpers) == 1
    assert measure_layers(large, replace(GATE, jobs=3)) == alone
    assert len(helpers) > 2


def test_progress_ends_at_the_total() -> None:
    layers, seen = mixed_layers(), list[tuple[int, int]]()
    measure_layers(layers, GATE, progress=lambda done, total: seen.append((done, total)))
    total = sum(layer.parameters for layer in layers)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) == len(layers)


def test_no_layers_give_no_results() -> None:
    assert measure_layers([], GATE) == ()


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_unreadable_layer_ends_the_run_and_is_named(jobs: int) -> None:
    layers = [
        *mixed_layers(),
        replace(layer_of(np.ones((4, 4)), name="lost"), read=Broken(ModelError("cut short"))),
    ]
    with pytest.raises(ModelError, match="layer lost: cut short"):
        measure_layers(layers, replace(GATE, jobs=jobs))


class Watched:
    """Counts how many tensors are being read and measured at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.read: list[str] = []

    def reader(self, name: str, values: NDArray[Any]) -> Any:
        def read() -> NDArray[Any]:
            with self.lock:
                self.read.append(name)
            return values

        return read


def test_closing_early_begins_no_further_layer() -> None:
    watched = Watched()
    layers = [
        replace(
            layer_of(gaussian(200, 150), name=str(index)), read=watched.reader(str(index), gaussian(200, 150))
        )
        for index in range(60)
    ]
    run = Local().map(layers, replace(GATE, jobs=2))
    next(run)
    run.close()
    time.sleep(0.1)
    begun = len(watched.read)
    time.sleep(0.2)
    assert len(watched.read) == begun < len(layers)


def test_the_largest_layers_begin_first() -> None:
    watched = Watched()
    sizes = [10, 90, 30, 60]
    layers = [
        replace(layer_of(gaussian(size, size)), read=watched.reader(str(size), gaussian(size, size)))
        for size in sizes
    ]
    measure_layers(layers, replace(GATE, jobs=1))
    assert watched.read == ["90", "60", "30", "10"]


def test_the_last_of_several_threads_begins_with_the_smallest_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "ALONE", 0)
    sizes = list(range(10, 90, 10))
    taken: dict[str, list[int]] = {}
    both = threading.Barrier(2)

    def reader(size: int) -> Any:
        def read() -> NDArray[Any]:
            mine = taken.setdefault(threading.current_thread().name, [])
            mine.append(size)
            if len(mine) == 1:
                both.wait(60)  # neither thread does the other's share
            return gaussian(size, size)

        return read

    layers = [replace(layer_of(gaussian(size, size)), read=reader(size)) for size in sizes]
    measure_layers(layers, replace(GATE, jobs=2))
    largest, smallest = sorted(taken.values(), reverse=True)
    assert largest == sizes[::-1][: len(largest)]
    assert smallest == sizes[: len(smallest)]


def test_a_tiny_model_is_measured_by_one_thread() -> None:
    names: set[str] = set()

    def reader(values: NDArray[Any]) -> Any:
        def read() -> NDArray[Any]:
            names.add(threading.current_thread().name)
            return values

        return read

    def threads_of(size: int) -> set[str]:
        names.clear()
        values = gaussian(size, size)
        layers = [replace(layer_of(values, name=str(index)), read=reader(values)) for index in range(8)]
        measure_layers(layers, replace(GATE, jobs=2))
        return set(names)

    assert threads_of(40) == {"gate-layer-0"}
    assert threads_of(200) == {"gate-layer-0", "gate-layer-1"}


def test_results_that_wait_for_others_are_those_of_one_layer_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layers = [layer_of(gaussian(90, 80, seed=seed), name=str(seed)) for seed in range(80)]
    deliveries: list[int] = []

    class Counting(SimpleQueue[Any]):
        def put(self, item: Any, *rest: Any) -> None:
            deliveries.extend([] if item is None else [len(item)])
            super().put(item, *rest)

    monkeypatch.setattr(local, "ALONE", 0)
    monkeypatch.setattr(local, "SimpleQueue", Counting)
    together = measure_layers(layers, replace(GATE, jobs=1))
    assert sum(deliveries) == len(layers) > 2 * len(deliveries)
    assert max(deliveries) == 16
    assert deliveries[-1] == 1  # towards the end nobody is kept waiting
    deliveries.clear()
    monkeypatch.setattr(local, "is_short", lambda *_: False)
    assert measure_layers(layers, replace(GATE, jobs=1)) == together
    assert deliveries == [1] * len(layers)


def test_threads_without_a_layer_take_slices_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    if not lapack.backend().tiled:
        pytest.skip("numpy brings another BLAS here")
    solve, helpers = openblas.OpenBlas._tridiagonal, set[str]()

    def recorded(backend: openblas.OpenBlas, gram: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        helpers.add(threading.current_thread().name)
        time.sleep(0.005)  # long enough for whoever is idle to come
        return solve(backend, gram)

    monkeypatch.setattr(openblas.OpenBlas, "_tridiagonal", recorded)
    stack = [layer_of(gaussian(300, 200, 3, 3).astype(np.float32), "conv2d", "stack")]
    alone = measure_layers(stack, replace(GATE, jobs=1))
    assert len(helpers) == 1
    assert measure_layers(stack, replace(GATE, jobs=3)) == alone
    assert len(helpers) > 2


_EVERY_GROUP = """
import time
import numpy as np
from gate.layer import WeightLayer
from gate.spectra import Settings, convention
from gate.spectra.interface import GROUPS
from gate.spectra.layer import measure
values = np.random.default_rng(0).standard_normal((512, 256, 3, 1)).astype(np.float32)
values[:, :, 0] *= np.linspace(1, 30, 256)[:, None]
layer = WeightLayer("l", "conv2d", values.shape, "float32", lambda: values, "t", values.shape)
settings = Settings(convention("gate-1"), groups=frozenset(GROUPS))
measure(layer, settings)  # imports, and BLAS starts its threads
time.sleep(0.5)  # which give up waiting for work
everybody, here = time.process_time(), time.thread_time()
for _ in range(5):
    measure(layer, settings)
print((time.process_time() - everybody) / (time.thread_time() - here))
"""


def test_no_group_of_metrics_wakes_the_threads_of_blas() -> None:
    """They would change last bits, and wait busily beside the threads that have work."""
    if not lapack.backend().tiled:
        pytest.skip("numpy brings another BLAS here")
    done = subprocess.run(
        [sys.executable, "-c", _EVERY_GROUP],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
        timeout=120,
    )
    assert float(done.stdout) < 1.05


_ENDLESS = """
import sys, time
import numpy as np
from gate.layer import WeightLayer
from gate.spectra import Settings, convention, measure_layers
def read():
    sys.stdout.write("begun\\n")  # one write: two threads begin at once
    sys.stdout.flush()
    time.sleep(60)
    return np.ones((9, 9))
layers = [WeightLayer(f"l{i}", "dense", (9, 9), "float64", read, "t", (9, 9)) for i in range(9)]
measure_layers(layers, Settings(convention("gate-1"), jobs=2))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches a process group differently")
def test_ctrl_c_leaves_at_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - begun < 10
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
