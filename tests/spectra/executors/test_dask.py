"""A real scheduler and real workers: the same bits as locally, whatever happens to a worker."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gate.errors import ModelError, ResourceError, UsageError
from gate.spectra import LayerResult, Settings, convention, measure_layers
from gate.spectra.cache import CacheFolder, LayerCache, identity
from gate.spectra.cache.tensor import Held, Layout, packed, tensor_digest
from gate.spectra.executors import Dask, Local, executor_named
from gate.spectra.executors.dask import connection, run
from gate.spectra.executors.dask.flight import SMALL, by_reference, with_bytes
from gate.spectra.executors.dask.worker import Failed, Measured, Task, Unlike, WantsBytes, measure_task
from gate.spectra.interface import GROUPS
from gate.spectra.lapack import threads
from gate.weights import read_weights
from tests.mlflow_server import free_port
from tests.spectra.executors.cluster import HIDE, WITHOUT_GATE, Cluster, start, until
from tests.spectra.layers import gaussian, layer_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.layer import WeightLayer

GATE = Settings(convention("gate-1"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = start(tmp_path_factory.mktemp("cluster"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[WeightLayer, ...]:
    folder = tmp_path_factory.mktemp("model")
    shapes = [(600 + 40 * index, 500) for index in range(9)] + [(20, 30)]
    tensors = {
        f"layer{index}.weight": gaussian(*shape, seed=index).astype(np.float32)
        for index, shape in enumerate(shapes)
    }
    tensors["conv.weight"] = gaussian(128, 160, 3, 3, seed=50).astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    return read_weights(folder / "model.safetensors", root=folder).layers


def slow_model(count: int = 14) -> list[WeightLayer]:
    values = gaussian(1000, 900).astype(np.float32)
    return [layer_of(values + index, name=f"layer{index}") for index in range(count)]


def tasks_on(cluster: Cluster) -> int:
    with cluster.client() as client:
        return int(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


class Counted:
    """Counts the layers whose bytes the client had to send."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        original = with_bytes

        def counting(layer: WeightLayer, *arguments: Any) -> Any:
            self.names.append(layer.name)
            return original(layer, *arguments)

        monkeypatch.setattr(run, "with_bytes", counting)


def test_workers_read_by_reference_and_give_the_bits_of_a_local_run(
    cluster: Cluster, model: tuple[WeightLayer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Counted(monkeypatch)
    seen: list[int] = []
    executor = Dask(cluster.address)
    found = measure_layers(
        model, GATE, progress=lambda done, total: seen.append(total - done), executor=executor
    )
    assert found == measure_layers(model, GATE)
    assert len(seen) == len(model)
    assert seen[-1] == 0
    assert not sent.names
    assert executor.notes == ()
    assert until(lambda: tasks_on(cluster) == 0)


def test_random_numbers_are_the_same_on_workers(cluster: Cluster, model: tuple[WeightLayer, ...]) -> None:
    full = replace(GATE, groups=frozenset(GROUPS), seed=7)
    few = model[-2:]
    assert measure_layers(few, full, executor=Dask(cluster.address)) == measure_layers(few, full)


def test_tensors_in_memory_are_sent_in_the_layout_they_have(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Counted(monkeypatch)
    wide = gaussian(700, 1400).astype(np.float32)
    factors = (gaussian(900, 300).astype(np.float16), gaussian(300, 800).astype(np.float16))
    lora = replace(
        layer_of(np.empty((0, 0)), "lora", "lora"),
        shape=(900, 800),
        read=Held(factors[0]),
        right=Held(factors[1]),
    )
    layers = [
        layer_of(wide[:, :700], name="gaps"),
        layer_of(wide[:, ::2].T, name="steps"),
        layer_of(gaussian(600, 600).T, name="turned"),
        lora,
    ]
    assert measure_layers(layers, GATE, executor=Dask(cluster.address)) == measure_layers(layers, GATE)
    assert sorted(sent.names) == ["gaps", "lora", "steps", "turned"]


def test_a_large_layer_gets_as_many_blas_threads_as_here(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "process_threads", lambda: 1)
    layers = [layer_of(gaussian(threads.LARGE, threads.LARGE).astype(np.float32), name="large")]
    with threads_of_process(1):
        expected = measure_layers(layers, replace(GATE, float32=True))
    assert measure_layers(layers, replace(GATE, float32=True), executor=Dask(cluster.address)) == expected


class threads_of_process:  # noqa: N801 - reads as a function
    """Gives BLAS that many threads for a while."""

    def __init__(self, count: int) -> None:
        from gate.spectra.lapack import backend  # noqa: PLC0415

        self._backend, self._count = backend(), count

    def __enter__(self) -> None:
        self._before = self._backend.threads()
        self._backend.set_threads(self._count)

    def __exit__(self, *_: object) -> None:
        self._backend.set_threads(self._before)


def test_a_worker_that_cannot_see_the_files_gets_bytes(
    tmp_path: Path, model: tuple[WeightLayer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Counted(monkeypatch)
    hidden = os.path.dirname(model[0].read.path)  # type: ignore[attr-defined]  # noqa: PTH120
    apart = start(tmp_path, workers=2, before=HIDE.format(path=hidden))
    try:
        found = measure_layers(model, GATE, executor=Dask(apart.address))
    finally:
        apart.stop()
    assert found == measure_layers(model, GATE)
    assert len(sent.names) == len(model) - 1  # all but the trivial one, which is measured here


@pytest.mark.parametrize("by_bytes", [False, True])
def test_a_worker_killed_in_the_middle_changes_nothing(
    tmp_path: Path, by_bytes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = slow_model()
    if not by_bytes:
        save_file({layer.name: layer.read() for layer in layers}, tmp_path / "m.safetensors")
        layers = list(read_weights(tmp_path / "m.safetensors", root=tmp_path).layers)
    running = start(tmp_path)
    killed: list[int] = []

    def kill_one(done: int, _total: int) -> None:
        if not killed:
            running.workers[0].send_signal(signal.SIGKILL)
            killed.append(done)

    try:
        found = measure_layers(layers, GATE, progress=kill_one, executor=Dask(running.address))
        assert running.workers[0].wait(timeout=5) == -signal.SIGKILL
    finally:
        running.stop()
    assert killed
    assert killed[0] < sum(layer.parameters for layer in layers)
    assert found == measure_layers(layers, GATE)


_CLIENT = """
import sys
import numpy as np
from gate.spectra import Settings, convention, measure_layers
from gate.spectra.executors import Dask
from tests.spectra.executors.test_dask import slow_model
measure_layers(slow_model(40), Settings(convention("gate-1")), executor=Dask(sys.argv[1]),
               progress=lambda done, total: print("some", flush=True))
"""


def test_ctrl_c_leaves_no_task_behind(cluster: Cluster) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    client = subprocess.Popen(
        [sys.executable, "-c", _CLIENT, cluster.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "some\n"
    assert tasks_on(cluster) > 0
    client.send_signal(signal.SIGINT)
    _, errors = client.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert client.returncode != 0
    assert until(lambda: tasks_on(cluster) == 0, seconds=10)
    with cluster.client() as watcher:
        assert until(lambda: not any(watcher.processing().values()), seconds=10)
        assert until(lambda: not any(watcher.has_what().values()), seconds=10)


def test_closing_early_leaves_no_task_behind(cluster: Cluster) -> None:
    rest = Dask(cluster.address).map(slow_model(), GATE)
    next(rest)
    rest.close()
    assert until(lambda: tasks_on(cluster) == 0, seconds=10)


def test_few_tasks_are_under_way_at_a_time(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way: list[int] = []
    original = run.Run._submit

    def counting(self: run.Run, *arguments: Any) -> None:
        original(self, *arguments)
        under_way.append(sum(flight.future is not None for flight in list(self._flights.values())))

    monkeypatch.setattr(run.Run, "_submit", counting)
    monkeypatch.setattr(run, "SENT", 3 * 1000 * 900 * 4)
    measure_layers(slow_model(), GATE, executor=Dask(cluster.address))
    assert len(under_way) == 14
    assert max(under_way) <= min(2 * run.PER_THREAD, 3)


def test_an_unreadable_layer_ends_the_run_and_is_named(
    cluster: Cluster, model: tuple[WeightLayer, ...]
) -> None:
    dense = next(layer for layer in model if layer.kind == "dense")
    broken = replace(dense, name="lost", shape=(7000, 5000))
    with pytest.raises(ModelError, match="layer lost"):
        measure_layers([*model, broken], GATE, executor=Dask(cluster.address))
    assert until(lambda: tasks_on(cluster) == 0)


def test_finished_layers_are_kept_by_the_client(
    cluster: Cluster, model: tuple[WeightLayer, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measure_layers(model, GATE, executor=Dask(cluster.address, LayerCache(CacheFolder(tmp_path))))
    monkeypatch.setattr(run.Run, "_submit", None)  # nothing may be submitted any more
    again = Dask(cluster.address, LayerCache(CacheFolder(tmp_path)))
    assert measure_layers(model, GATE, executor=again) == first
    assert str(len(model) - 1) in again.notes[0]
    local = Local(LayerCache(CacheFolder(tmp_path)))
    assert measure_layers(model, GATE, executor=local) == first
    assert str(len(model) - 1) in local.notes[0]


def test_workers_with_other_software_are_refused(
    cluster: Cluster, model: tuple[WeightLayer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "identity", lambda: replace(identity(), numpy="1.99"))
    with pytest.raises(ResourceError, match=r"numpy .* instead of 1\.99"):
        measure_layers(model, GATE, executor=Dask(cluster.address))


def test_workers_with_another_processor_are_told_of(
    cluster: Cluster, model: tuple[WeightLayer, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "identity", lambda: replace(identity(), processor="another"))
    executor = Dask(cluster.address, LayerCache(CacheFolder(tmp_path)))
    measure_layers(model, GATE, executor=executor)
    (note,) = executor.notes
    assert "processor" in note
    assert not list(tmp_path.rglob("*.json"))  # what another processor measured is not this one's


def test_a_worker_without_the_gate_is_told_of(tmp_path: Path, model: tuple[WeightLayer, ...]) -> None:
    running = start(tmp_path, workers=1, before=WITHOUT_GATE)
    try:
        with pytest.raises(ResourceError, match="cannot import the gate") as caught:
            measure_layers(model, GATE, executor=Dask(running.address))
    finally:
        running.stop()
    assert "Install" in str(caught.value.hint)


def test_a_scheduler_that_is_not_there_is_told_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1)
    begun = time.monotonic()
    with pytest.raises(ResourceError, match="no Dask scheduler answers") as caught:
        measure_layers(slow_model(1), GATE, executor=Dask(f"dask://127.0.0.1:{free_port()}"))
    assert time.monotonic() - begun < 20
    assert caught.value.hint


def test_a_scheduler_without_workers_is_told_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WORKER_SECONDS", 1)
    running = start(tmp_path, workers=0)
    try:
        with pytest.raises(ResourceError, match="has no workers"):
            measure_layers(slow_model(1), GATE, executor=Dask(running.address))
    finally:
        running.stop()


def test_a_scheduler_that_dies_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_LOOK_SECONDS", 0.5)
    running = start(tmp_path, workers=1)
    begun = time.monotonic()
    try:
        with pytest.raises(ResourceError, match="connection to the Dask scheduler"):
            measure_layers(
                slow_model(40),
                GATE,
                progress=lambda _done, _total: running.scheduler.kill(),
                executor=Dask(running.address),
            )
    finally:
        running.stop()
    assert time.monotonic() - begun < 90


@pytest.mark.parametrize(
    "name",
    [
        "dask://",
        "dask://host",
        "dask://host:port",
        "dask://me@host:1",
        "dask://host:1/x",
        "dask:host:1",
        "ray",
    ],
)
def test_a_malformed_executor_is_a_mistake_of_usage(name: str) -> None:
    with pytest.raises(UsageError):
        executor_named(name)


def test_executors_by_name() -> None:
    assert isinstance(executor_named("local"), Local)
    assert executor_named("dask://[::1]:8786").name == "dask://[::1]:8786"


# What runs on the worker, looked at alone.


def task_of(layer: WeightLayer, digests: tuple[str, ...], *layouts: Layout) -> bytes:
    return pickle.dumps(Task(layer, GATE, digests, layouts, 1))


def test_a_path_with_other_bytes_is_never_measured(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a.weight": gaussian(40, 30).astype(np.float32)}, path)
    (layer,) = read_weights(path, root=tmp_path).layers
    digests = (tensor_digest(layer.read()),)
    engine = asdict(identity())
    done = measure_task(engine, task_of(layer, digests))
    assert isinstance(done, Measured)
    assert (done.result,) == measure_layers([layer], GATE)
    status = path.stat()
    save_file({"a.weight": gaussian(40, 30, seed=1).astype(np.float32)}, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # same path, size and time
    assert isinstance(measure_task(engine, task_of(layer, digests)), WantsBytes)
    path.unlink()
    assert isinstance(measure_task(engine, task_of(layer, digests)), WantsBytes)


def test_bytes_that_arrive_as_others_are_never_measured() -> None:
    values = gaussian(40, 30)
    sent = packed(values).copy()
    task = task_of(layer_of(np.empty(0)), (tensor_digest(values),), Layout.of(values))
    sent[5] ^= 1
    assert isinstance(measure_task(asdict(identity()), task, sent), WantsBytes)


def test_a_layer_that_cannot_be_measured_comes_back_as_an_error() -> None:
    values = gaussian(40, 30)
    lying = replace(layer_of(np.empty(0), name="lying"), shape=(40, 31))
    task = task_of(lying, (tensor_digest(values),), Layout.of(values))
    outcome = measure_task(asdict(identity()), task, packed(values))
    assert isinstance(outcome, Failed)
    assert "lying" in outcome.error.message
    copied = pickle.loads(pickle.dumps(outcome))
    assert copied.error.message == outcome.error.message
    assert copied.error.hint == outcome.error.hint


def test_an_engine_of_another_shape_is_unlike() -> None:
    engine = {**asdict(identity()), "new": "field"}
    assert isinstance(measure_task(engine, b"never looked at"), Unlike)


def test_only_small_readers_go_by_reference(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a.weight": gaussian(400, 300).astype(np.float32)}, path)
    (layer,) = read_weights(path, root=tmp_path).layers
    task = by_reference(layer, GATE, ("d",), 1)
    assert task is not None
    assert len(task) < 2000 < SMALL
    assert by_reference(layer_of(gaussian(400, 300)), GATE, ("d",), 1) is None
    assert by_reference(layer_of(gaussian(400, 300)[:, ::2]), GATE, ("d",), 1) is None
    closure = replace(layer, read=lambda: gaussian(4, 3))
    assert by_reference(closure, GATE, ("d",), 1) is None


def test_results_are_results(cluster: Cluster, model: tuple[WeightLayer, ...]) -> None:
    (found,) = measure_layers(model[:1], GATE, executor=Dask(cluster.address))
    assert isinstance(found, LayerResult)
    assert found.rows[0].layer == model[0].name
