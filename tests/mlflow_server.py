"""A real MLflow server for tests: its own process, SQLite and a folder, a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_START_SECONDS = 90.0
_POLL_SECONDS = 0.2


def free_port() -> int:
    """Return a port of this machine that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_server(
    folder: Path,
    *,
    backend: str | None = None,
    environment: Mapping[str, str] | None = None,
    workers: int = 1,
    arguments: Sequence[str] = (),
) -> Iterator[str]:
    """Run ``mlflow server`` with its files in ``folder``, and yield its address once it answers.

    ``backend`` replaces the SQLite file (any store URI); ``environment`` is added to this process's,
    ``arguments`` to the command.
    The whole process group is ended afterwards.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", backend or f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"]
    command += ["--workers", str(workers), *arguments]
    log = folder / "server.log"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    clean["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # three more processes that no test needs
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**clean, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, address, log)
            yield address
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{address}/health", timeout=2).close()  # noqa: S310 - our own address
            return
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            continue
        break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
