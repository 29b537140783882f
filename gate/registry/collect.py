"""What a registry knows of many models at once: every version of a name, every run of an experiment.

Nothing is pulled here.  Each candidate says where its model is, what its run measured of it, and the
tags and parameters it goes by; all of that is text that anybody with access may have written.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gate.registry.failures import MissingError, registry_errors
from gate.registry.resolve import all_versions
from gate.registry.source import VersionSource
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from gate.registry.clients import Connection
    from gate.registry.resolve import ResolvedSource

_PAGE: Final = 500
_OWN: Final = "mlflow."
_HISTORY: Final = "mlflow.log-model.history"
_USUAL: Final = "model"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may be measured.

    ``source`` is what to measure, empty where there is nothing and ``reason`` says why; ``model`` is what
    a person calls it, ``names`` how a table may call it.
    """

    model: str
    source: str = ""
    names: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


def versions_of(connection: Connection, name: str) -> tuple[Candidate, ...]:
    """Return every version of a registered model, oldest first, with what its run knows.

    Raises
    ------
    gate.errors.UsageError
        There is no such model.
    gate.errors.RegistryError
        The registry or the tracking server cannot be reached.
    """
    with registry_errors(f"look up {printable(name)}", connection.registry_uri):
        connection.client.get_registered_model(name)
    found = sorted(all_versions(name, connection), key=lambda version: int(version.version))
    return tuple(_of_version(version, connection) for version in found)


def single(connection: Connection, resolved: ResolvedSource) -> Candidate:
    """Return one model that was looked up, with what its run knows.

    Raises
    ------
    gate.errors.RegistryError
        The tracking server cannot be reached.
    """
    known = _known(_run(resolved.run_id, connection) if resolved.run_id else None)
    tags = {**known.tags, **_shown(resolved.tags)}
    return Candidate(
        resolved.uri, resolved.uri, (resolved.uri, *known.names), known.metrics, known.params, tags
    )


def runs_of(connection: Connection, experiment: str) -> tuple[Candidate, ...]:
    """Return every run of an experiment (its name, or its id), oldest first, with the model it logged.

    Raises
    ------
    gate.errors.UsageError
        There is no such experiment.
    gate.errors.RegistryError
        The tracking server cannot be reached.
    """
    identifier = _experiment_id(connection, experiment)
    return tuple(each for run in _runs(connection, identifier) for each in _of_run(run, connection))


def _experiment_id(connection: Connection, experiment: str) -> str:
    doing = f"look up experiment {printable(experiment)}"
    with registry_errors(doing, connection.tracking_uri):
        found = connection.client.get_experiment_by_name(experiment)
        if found is None and experiment.isascii() and experiment.isdigit():
            found = connection.client.get_experiment(experiment)
    if found is None:
        raise MissingError(
            f"there is no experiment {printable(experiment)!r}",
            hint="Write experiment:NAME or experiment:ID as MLflow shows them.",
        )
    return str(found.experiment_id)


def _runs(connection: Connection, identifier: str) -> Iterator[Run]:
    token = None
    while True:
        with registry_errors(f"list the runs of experiment {identifier}", connection.tracking_uri):
            page = connection.client.search_runs(
                [identifier], max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
        yield from page
        token = page.token
        if not token:
            return


def _of_version(found: ModelVersion, connection: Connection) -> Candidate:
    uri = VersionSource(str(found.name), int(found.version)).uri
    run = _run(found.run_id, connection) if found.run_id else None
    known = _known(run)
    tags = {**known.tags, **_shown(found.tags)}
    names = (uri, str(found.version), *known.names)
    return Candidate(uri, uri, names, known.metrics, known.params, tags)


def _run(run_id: str, connection: Connection) -> Run | None:
    """Return a run; None where it is gone, which a version outlives."""
    try:
        with registry_errors(f"read run {printable(run_id)}", connection.tracking_uri):
            return connection.client.get_run(run_id)
    except MissingError:
        return None


def _known(run: Run | None) -> Candidate:
    if run is None:
        return Candidate("")
    metrics = {str(key): float(value) for key, value in run.data.metrics.items() if math.isfinite(value)}
    params = {str(key): str(value) for key, value in run.data.params.items()}
    names = tuple(name for name in (str(run.info.run_id), run.info.run_name) if name)
    return Candidate("", "", names, metrics, params, _shown(run.data.tags))


def _shown(tags: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in tags.items() if not str(key).startswith(_OWN)}


def _of_run(run: Run, connection: Connection) -> Iterator[Candidate]:
    """Yield the run's newest model; the others, and a run without any, with a reason."""
    known, sources = _known(run), _logged(run, connection)
    name = f"run {known.names[-1]} ({str(run.info.run_id)[:8]})"
    if not sources:
        yield Candidate(name, reason="the run logged no model")
        return
    for older in sources[:-1]:
        yield Candidate(older, reason=f"{name} logged {len(sources)} models, and its newest stands for it")
    newest = sources[-1]
    yield Candidate(name, newest, (newest, *known.names), known.metrics, known.params, known.tags)


def _logged(run: Run, connection: Connection) -> list[str]:
    """Return the sources of a run's models, newest last: as MLflow 3, MLflow 2 or a person logs them."""
    outputs = getattr(getattr(run, "outputs", None), "model_outputs", None) or []
    if outputs:
        newest_last = sorted(outputs, key=lambda output: int(output.step or 0))
        return [f"models:/{output.model_id}" for output in newest_last]
    run_id = str(run.info.run_id)
    paths = _paths_in(run.data.tags.get(_HISTORY, "")) or _single_artifact(run_id, connection)
    return [f"runs:/{run_id}/{path}" for path in paths]


def _paths_in(history: str) -> list[str]:
    """Return the paths in MLflow 2's list of logged models; a tag that is no such list has none."""
    try:
        entries = json.loads(history or "[]")
    except (ValueError, RecursionError):
        return []
    if not isinstance(entries, list):
        return []
    found = [entry.get("artifact_path") for entry in entries if isinstance(entry, dict)]
    return [path for path in found if isinstance(path, str) and path]


def _single_artifact(run_id: str, connection: Connection) -> list[str]:
    """Return what a run holds where that is one thing, or one that is called model."""
    with registry_errors(f"list the artifacts of run {printable(run_id)}", connection.tracking_uri):
        paths = [str(found.path) for found in connection.client.list_artifacts(run_id)]
    return paths if len(paths) == 1 else [path for path in paths if path == _USUAL]
