"""From ``dask://HOST:PORT`` to a connected client, within bounded time."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from gate.errors import ResourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_SECONDS: Final = 10
WORKER_SECONDS: Final = 30
"""How long to wait for the scheduler to answer, and for it to have a first worker."""

_MODULE: Final = "gate.spectra.executors.dask.worker"


def scheduler_address(name: str) -> str:
    """Return ``HOST:PORT`` of ``dask://HOST:PORT``.

    Raises
    ------
    gate.errors.UsageError
        It is something else.
    """
    try:
        parts = urlsplit(name)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or name != f"dask://{parts.netloc}" or "@" in parts.netloc:
        raise UsageError(
            f"--executor {name!r} is no address of a Dask scheduler", hint="Write dask://HOST:PORT."
        )
    return parts.netloc


@contextmanager
def connected(address: str, name: str) -> Iterator[Any]:
    """Connect to the scheduler, wait for a worker, and disconnect at the end.

    TLS is used where Dask's own configuration requires encryption.

    Raises
    ------
    gate.errors.UsageError
        The package ``distributed`` is not installed.
    gate.errors.ResourceError
        The scheduler does not answer, or has no worker.
    """
    try:
        import dask  # noqa: PLC0415 - an optional extra, and slow to import
        import distributed  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "--executor dask://… needs the package distributed",
            hint="pip install 'mlflow-spectral-gate[dask]'",
        ) from error
    scheme = "tls" if dask.config.get("distributed.comm.require-encryption", default=False) else "tcp"
    try:
        client = distributed.Client(
            f"{scheme}://{address}", timeout=CONNECT_SECONDS, set_as_default=False, name="gate"
        )
    except (OSError, ValueError, TypeError) as error:  # TypeError, ValueError: Dask's TLS settings
        raise ResourceError(
            f"no Dask scheduler answers at {name} ({_last_line(error)})",
            hint="Is `dask scheduler` running there, and its port reachable from here?",
        ) from error
    try:
        _wait_for_worker(client, name)
        _refuse_without_gate(client, name)
        yield client
    finally:
        client.close(timeout=CONNECT_SECONDS)


def _wait_for_worker(client: Any, name: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError as error:
        raise ResourceError(
            f"the Dask scheduler at {name} has no workers",
            hint=f"Start some: `dask worker {name.removeprefix('dask://')}`, with gate installed.",
        ) from error


def _refuse_without_gate(client: Any, name: str) -> None:
    """Ask every worker for the gate by a function of the standard library: one of ours would crash it."""
    answers = client.run(find_spec, _MODULE, on_error="return")
    without = sorted(
        worker for worker, answer in answers.items() if answer is None or isinstance(answer, ImportError)
    )
    if without:
        raise ResourceError(
            f"{len(without)} of {len(answers)} workers of {name} cannot import the gate "
            f"({', '.join(without[:5])})",
            hint="Install the same mlflow-spectral-gate on the scheduler and on every worker.",
        )


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
