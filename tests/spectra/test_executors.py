"""Running many layers: the same bits however many workers, bounded memory, prompt errors and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import ModelError, ResourceError
from gate.spectra import Settings, convention, lapack, measure_layers
from gate.spectra.executors import Beside, Local, budget, local
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from gate.spectra.lapack import openblas, threads, tiled
from gate.spectra.lapack.blas import Blas
from tests.spectra.layers import gaussian, layer_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.layer import WeightLayer

GATE = Settings(convention("gate-1"))


def model() -> list[WeightLayer]:
    shapes = [(300, 200), (40, 30), (64, 64), (500, 420), (130, 260), (9, 7), (350, 350), (20, 500)]
    layers = [
        layer_of(gaussian(*shape, seed=seed).astype(np.float32), name=f"dense{seed}")
        for seed, shape in enumerate(shapes)
    ]
    return [*layers, layer_of(gaussian(48, 32, 3, 3).astype(np.float32), "conv2d", "conv")]


def test_results_come_in_the_order_given_and_do_not_depend_on_the_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "LARGE", 350)  # so that some layers take all BLAS threads and some one
    layers = model()
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
    layers, seen = model(), list[tuple[int, int]]()
    measure_layers(layers, GATE, progress=lambda done, total: seen.append((done, total)))
    total = sum(layer.parameters for layer in layers)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) == len(layers)


def test_no_layers_give_no_results() -> None:
    assert measure_layers([], GATE) == ()


@dataclass(frozen=True)
class Broken:
    error: Exception

    def __call__(self) -> NDArray[Any]:
        raise self.error


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_unreadable_layer_ends_the_run_and_is_named(jobs: int) -> None:
    layers = [*model(), replace(layer_of(np.ones((4, 4)), name="lost"), read=Broken(ModelError("cut short")))]
    with pytest.raises(ModelError, match="layer lost: cut short"):
        measure_layers(layers, replace(GATE, jobs=jobs))


def test_running_out_of_memory_names_the_layer_and_a_way_out() -> None:
    layers = [replace(layer_of(np.ones((4, 4)), name="vast"), read=Broken(MemoryError()))]
    with pytest.raises(ResourceError, match="layer vast") as caught:
        measure_layers(layers, GATE)
    assert caught.value.hint is not None
    assert "jobs" in caught.value.hint


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


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_what_is_to_be_done_beside_is_done_once_and_changes_nothing(jobs: int) -> None:
    layers, done = model(), list[str]()
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

    found, layers = list[int](), model()
    run = Local().in_memory(Beside([fail], [fail], 2)).map(layers, GATE)
    with pytest.raises(ZeroDivisionError):
        found.extend(index for index, _ in run)
    assert sorted(found) == list(range(len(layers)))
    lost = replace(layer_of(np.ones((4, 4)), name="lost"), read=Broken(ModelError("cut short")))
    with pytest.raises(ModelError, match="layer lost: cut short"):
        dict(Local().in_memory(Beside([fail], [fail], 2)).map([*layers, lost], GATE))


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
