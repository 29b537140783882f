"""A Dask cluster as a user starts one: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributed import Client

from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WORKER = """
import sys
{before}
from distributed.cli.dask_worker import main
main(sys.argv[1:])
"""

HIDE = """
def hide(event, arguments, hidden={path!r}):
    if event in ("open", "mmap.__new__") and str(arguments[0]).startswith(hidden):
        raise FileNotFoundError(2, "no such file here", str(arguments[0]))
sys.addaudithook(hide)
"""
"""Makes a folder invisible to a worker, as on a machine that does not share it."""

WITHOUT_GATE = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "gate":
            raise ModuleNotFoundError("No module named 'gate'", name=name)
sys.meta_path.insert(0, Missing())
"""


@dataclass
class Cluster:
    """The processes of a cluster, and where its scheduler listens."""

    port: int
    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    def add_worker(self, before: str = "") -> None:
        """Start a worker in a folder of its own; ``before`` runs in it first."""
        home = self.folder / f"worker{len(self.workers)}"
        home.mkdir()
        log = (home / "log").open("wb")
        command = [sys.executable, "-c", _WORKER.format(before=before), f"tcp://127.0.0.1:{self.port}"]
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        self.workers.append(
            subprocess.Popen([*command, *options], cwd=home, stdout=log, stderr=log, env=_environment())
        )

    def wait(self) -> None:
        """Wait until every worker has joined."""
        with self.client() as client:
            client.wait_for_workers(len(self.workers), timeout=90)

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        client: Any = Client(f"tcp://127.0.0.1:{self.port}", timeout=60, set_as_default=False)
        try:
            yield client
        finally:
            client.close()

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


def start(folder: Path, workers: int = 2, before: str = "") -> Cluster:
    """Start a scheduler and workers; the caller stops them."""
    port = free_port()
    log = (folder / "scheduler.log").open("wb")
    module = "import sys; from distributed.cli.dask_scheduler import main; main(sys.argv[1:])"
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    scheduler = subprocess.Popen(
        [sys.executable, "-c", module, *options], cwd=folder, stdout=log, stderr=log, env=_environment()
    )
    cluster = Cluster(port, folder, scheduler)
    try:
        for _ in range(workers):
            cluster.add_worker(before)
        if workers:
            cluster.wait()
    except BaseException:
        cluster.stop()
        raise
    return cluster


def until(happened: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait for something; tell whether it happened."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.1)
    return False


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
