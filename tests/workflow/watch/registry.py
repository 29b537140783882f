"""A registry with tiny real models whose verdicts are known beforehand, and a watcher as a process.

The policy asks for log10 of the squared spectral norm to be at most 4.  A model's one matrix is
Gaussian, 64 x 48: its largest singular value lies near sqrt(64) + sqrt(48) = 14.9 (Marchenko-Pastur),
so the metric is near 2.3, and 6.3 once the matrix is multiplied by 100.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.policy import load_policies, policy_digest
from gate.registry import Registry, policies_digest
from tests.cli.command import GATE, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gate.registry import Decision

POLICY = """
version: 1
name: norm
rules:
  - id: norm-in-bounds
    description: The spectral norm is small
    metric: layer.log_spectral_norm
    at_most: {limit}
"""
_PATIENCE = 120.0


def write_policy(file: Path, limit: float = 4) -> Path:
    file.write_text(POLICY.format(limit=limit))
    return file


def write_model(folder: Path, seed: int, scale: float = 1.0, shape: tuple[int, int] = (64, 48)) -> Path:
    """Write what MLflow's ONNX flavour writes, with one matrix."""
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    values = (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "dense.weight"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, shape[1]])],
        [numpy_helper.from_array(values, "dense.weight")],
    )
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), folder / "model.onnx")
    (folder / "MLmodel").write_text("flavors:\n  onnx:\n    data: model.onnx\n")
    return folder


@dataclass
class Models:
    """Registers versions, and reads what was decided on them."""

    address: str
    folder: Path
    runs: dict[tuple[str, int], str] = field(default_factory=dict)
    _experiment: str = ""

    def __post_init__(self) -> None:
        self.registry = Registry.connect(self.address, self.address)
        self.client: Any = self.registry.connection.client
        self._experiment = str(self.client.create_experiment(f"training {time.time_ns()}"))

    def register(self, name: str, seed: int, scale: float = 1.0, shape: tuple[int, int] = (64, 48)) -> int:
        files = write_model(self.folder / f"{time.time_ns()}", seed, scale, shape)
        run_id = str(self.client.create_run(self._experiment).info.run_id)
        self.client.log_artifacts(run_id, str(files), "model")
        with contextlib.suppress(Exception):  # it is there already
            self.client.create_registered_model(name)
        source = f"{self.client.get_run(run_id).info.artifact_uri}/model"
        version = int(self.client.create_model_version(name, source, run_id).version)
        self.runs[name, version] = run_id
        return version

    def overwrite(self, name: str, version: int, seed: int, scale: float) -> None:
        """Write other weights over those of a registered version, as MLflow lets anybody do."""
        files = write_model(self.folder / f"{time.time_ns()}", seed, scale)
        self.client.log_artifacts(self.runs[name, version], str(files), "model")

    def decision(self, name: str, version: int) -> Decision | None:
        return self.registry.decision(self.registry.resolve(f"models:/{name}/{version}"))

    def outcome(self, name: str, version: int) -> str | None:
        decision = self.decision(name, version)
        return None if decision is None else decision.outcome


def asked(policy: Path) -> str:
    """Return the digest that a decision by ``policy`` names."""
    return policies_digest((found.name, policy_digest(found, "gate-1")) for found in load_policies([policy]))


@dataclass
class Watching:
    """A watcher that runs; ``log`` is its stderr so far."""

    process: subprocess.Popen[bytes]
    file: Path

    @property
    def log(self) -> str:
        return self.file.read_text(errors="replace")

    def events(self, name: str) -> list[str]:
        return [line for line in self.log.splitlines() if f" event={name}" in f"{line} "]

    def workers(self) -> list[int]:
        return children(self.process.pid)

    def kill(self) -> None:
        """End the watcher and its workers at once, as a machine that loses power does."""
        workers = self.workers()
        for process in (self.process.pid, *workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def watcher(
    address: str, folder: Path, *arguments: str | Path, changes: Mapping[str, str] | None = None
) -> Iterator[Watching]:
    """Run ``gate watch`` and end it, if it has not ended by itself."""
    file = folder / f"watch-{time.time_ns()}.log"
    with file.open("wb") as stderr:
        process = subprocess.Popen(
            [*GATE, "watch", *map(str, arguments)],
            env=environment({"MLFLOW_TRACKING_URI": address, "OPENBLAS_NUM_THREADS": "1", **(changes or {})}),
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        yield Watching(process, file)
    finally:
        if process.poll() is None:
            Watching(process, file).kill()
        if process.stdout is not None:
            process.stdout.close()


def until(holds: Callable[[], object], patience: float = _PATIENCE) -> None:
    """Wait until something holds; fail after a while that no machine is slow enough for."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError("it never came to hold")
        time.sleep(0.05)


def children(process: int) -> list[int]:
    """Return the processes that ``process`` started and that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == process and fields[0] != "Z":
                found.append(int(status.parent.name))
    return found
