"""The report run: one MLflow run per check, in an experiment per model."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import RegistryError, UsageError
from gate.registry.failures import registry_errors, storage_errors
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.registry.clients import Connection

KIND: Final = "kind"
REPORT: Final = "report"
_LARGEST_READ: Final = 128 << 20
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_LONGEST_VALUE: Final = 500
_ATTEMPTS: Final = 4
_ACTIVE: Final = "active"


def ensure_experiment(connection: Connection, model: str) -> str:
    """Return the id of the experiment that holds the reports of ``model``.

    It is created, or restored where it was deleted; another process may do the same meanwhile.

    Raises
    ------
    gate.errors.RegistryError
        The server cannot be reached or refuses, or the experiment keeps being deleted.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes seconds to import

    name = connection.naming.experiment(model)
    client = connection.client
    lost: MlflowException | None = None
    for _ in range(_ATTEMPTS):
        with registry_errors(f"open experiment {printable(name)}", connection.tracking_uri):
            found = client.get_experiment_by_name(name)
            if found is not None and found.lifecycle_stage == _ACTIVE:
                return str(found.experiment_id)
            try:
                if found is not None:
                    client.restore_experiment(found.experiment_id)
                else:
                    return str(client.create_experiment(name))
            except MlflowException as error:
                if error.error_code not in {
                    "RESOURCE_ALREADY_EXISTS",
                    "INVALID_STATE",
                    "INVALID_PARAMETER_VALUE",
                }:
                    raise
                lost = error
    said = f": {printable(lost.message)}" if lost is not None else ""
    raise RegistryError(
        f"cannot open experiment {printable(name)}{said}",
        hint="It may be deleted while its name is still taken: mlflow gc removes it for good.",
    )


def write_report(
    connection: Connection,
    experiment_id: str,
    *,
    name: str,
    facts: Mapping[str, str],
    metrics: Mapping[str, float],
    artifacts: Mapping[str, bytes],
) -> str:
    """Create a finished run with the reports of one check and return its id.

    Parameters
    ----------
    connection, experiment_id, name:
        Where it goes and what it is called.
    facts:
        Written as the run's params, and as tags from the moment it exists.
    metrics:
        Finite model metrics.
    artifacts:
        File names and their contents.

    Raises
    ------
    gate.errors.RegistryError
        The server or its artifact store cannot be reached or refuses.  The run is then marked
        FAILED if that is still possible.
    """
    short = {key: printable(value, _LONGEST_VALUE) for key, value in facts.items()}
    tags = {connection.naming.tag(key): value for key, value in {**short, KIND: REPORT}.items()}
    client = connection.client
    with registry_errors("create the report run", connection.tracking_uri):
        run_id = str(client.create_run(experiment_id, run_name=printable(name), tags=tags).info.run_id)
    with _failed_unless_finished(connection, run_id):
        with registry_errors(f"write the report run {run_id}", connection.tracking_uri):
            log_values(connection, run_id, metrics, params=short)
        add_files(connection, run_id, artifacts)
        with registry_errors(f"finish the report run {run_id}", connection.tracking_uri):
            client.set_terminated(run_id, "FINISHED")
    return run_id


def add_files(connection: Connection, run_id: str, artifacts: Mapping[str, bytes]) -> None:
    """Add files to a report run, finished or not; those of the same names are replaced.

    Raises
    ------
    gate.errors.RegistryError
        The artifact store cannot be reached or refuses.
    """
    with (
        _written(artifacts) as folder,
        storage_errors(f"store the reports of run {run_id}", "the artifact store"),
    ):
        connection.client.log_artifacts(run_id, str(folder))


def find_reports(connection: Connection, model: str, version: int, most: int) -> tuple[str, ...]:
    """Return the ids of the newest report runs of a version, newest first; none where there are none.

    Raises
    ------
    gate.errors.RegistryError
        The tracking server cannot be reached.
    """
    naming = connection.naming
    reports = f"tags.`{naming.tag(KIND)}` = '{REPORT}' AND tags.`{naming.tag('version')}` = '{version}'"
    with registry_errors("look for the reports", connection.tracking_uri):
        experiment = connection.client.get_experiment_by_name(naming.experiment(model))
        if experiment is None:
            return ()
        runs = connection.client.search_runs(
            [experiment.experiment_id],
            filter_string=reports,
            max_results=most,
            order_by=["attributes.start_time DESC"],
        )
    return tuple(str(run.info.run_id) for run in runs)


def log_values(
    connection: Connection,
    run_id: str,
    metrics: Mapping[str, float],
    *,
    params: Mapping[str, str] | None = None,
    timestamp: int = 0,
    step: int = 0,
) -> None:
    """Log metrics at one step, and params, in one request."""
    from mlflow.entities import Metric, Param  # noqa: PLC0415 - takes seconds to import

    connection.client.log_batch(
        run_id,
        metrics=[Metric(key, value, timestamp, step) for key, value in metrics.items()],
        params=[Param(key, value) for key, value in (params or {}).items()],
    )


@contextlib.contextmanager
def _failed_unless_finished(connection: Connection, run_id: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # Whatever stopped us is what the caller must hear, not that this did not work either.
        with contextlib.suppress(Exception):
            connection.client.set_terminated(run_id, "FAILED")
        raise


@contextlib.contextmanager
def _written(artifacts: Mapping[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gate-report-") as folder:
        for name, content in artifacts.items():
            if not _FILE.match(name):
                raise ValueError(f"{name!r} is no name for a report file")
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


def read_report(connection: Connection, run_id: str, file: str) -> bytes | None:
    """Return a file of a report run, or None where it is gone or larger than any report of ours.

    Only for showing: reports lie where others can write, so nothing may be decided by them.
    """
    if not _FILE.match(file):
        return None
    with contextlib.suppress(RegistryError, UsageError, OSError):
        with registry_errors(f"read {file} of run {printable(run_id)}", connection.tracking_uri):
            listed = connection.client.list_artifacts(run_id)
        size = next((item.file_size for item in listed if item.path == file), None)
        if size is None or size > _LARGEST_READ:
            return None
        with tempfile.TemporaryDirectory(prefix="gate-") as folder:
            with storage_errors(f"download {file}", connection.tracking_uri):
                local = Path(connection.client.download_artifacts(run_id, file, folder))
            return local.read_bytes() if local.stat().st_size <= _LARGEST_READ else None
    return None
