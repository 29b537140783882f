"""Every version of a model with what was decided on it, as the tags tell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from gate.registry.decision import BOUND_TAGS, CHECKSUM, Decision, current_decision
from gate.registry.description import report_address
from gate.registry.failures import MissingError, registry_errors
from gate.registry.record import REPORT_FILE
from gate.registry.resolve import ResolvedSource, all_versions, every_version
from gate.registry.source import VersionSource
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities.model_registry import ModelVersion

    from gate.registry.clients import Connection


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version; ``created`` is in milliseconds since 1970, ``status`` MLflow's own.

    ``torn`` says that some of the gate's tags are there and do not make up a decision: a check was
    cut off, or the tags are a copy's or somebody's own.  ``tagged`` is the version with its tags.
    """

    version: int
    created: int
    status: str
    aliases: tuple[str, ...]
    decision: Decision | None
    torn: bool = False
    tagged: ResolvedSource | None = None


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One registered model: its versions, oldest first, and the experiment that holds its reports."""

    name: str
    versions: tuple[VersionRecord, ...]
    experiment_id: str | None = None

    def report(self, record: VersionRecord, connection: Connection) -> str | None:
        """Return the web address of a version's report, or None where it has none."""
        if record.decision is None or self.experiment_id is None:
            return None
        return report_address(connection, self.experiment_id, record.decision.report, REPORT_FILE)


def history(connection: Connection, name: str) -> tuple[VersionRecord, ...]:
    """Return every version of ``name`` that is not deleted, oldest first.

    Raises
    ------
    gate.registry.failures.MissingError
        There is no such registered model.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    with registry_errors(f"look up {printable(name)}", connection.registry_uri):
        model = connection.client.get_registered_model(name)
    if model.name != name:
        raise MissingError(f"there is no registered model {printable(name)!r}")
    return _records(all_versions(name, connection), model.aliases, connection)


def model_record(connection: Connection, name: str) -> ModelRecord:
    """Return one model's history and where its reports are; three requests.

    Raises
    ------
    gate.registry.failures.MissingError
        There is no such registered model.
    gate.errors.RegistryError
        The registry or the tracking server cannot be reached.
    """
    versions = history(connection, name)
    with registry_errors(f"look up the reports of {printable(name)}", connection.tracking_uri):
        experiment = connection.client.get_experiment_by_name(connection.naming.experiment(name))
    return ModelRecord(name, versions, None if experiment is None else str(experiment.experiment_id))


def every_model(connection: Connection) -> tuple[ModelRecord, ...]:
    """Return every registered model's history, by name.

    A request per page of models, of versions and of experiments, not one per model.

    Raises
    ------
    gate.errors.RegistryError
        The registry or the tracking server cannot be reached.
    """
    versions: dict[str, list[ModelVersion]] = {}
    for found in every_version(connection):
        versions.setdefault(str(found.name), []).append(found)
    experiments = _experiments(connection)
    return tuple(
        ModelRecord(
            name,
            _records(iter(versions.get(name, ())), aliases, connection),
            experiments.get(connection.naming.experiment(name)),
        )
        for name, aliases in sorted(_models(connection))
    )


def earlier(connection: Connection, version: ResolvedSource, most: int) -> tuple[VersionRecord, ...]:
    """Return the ``most`` newest versions before ``version``, oldest first, without their aliases.

    One request, unless more than a page of versions is newer.  Nothing is before a source that is
    no registered version.

    Raises
    ------
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    if version.name is None or version.version is None:
        return ()
    number = version.version
    older = (found for found in all_versions(version.name, connection) if int(found.version) < number)
    return _records(islice(older, most), {}, connection)


def _models(connection: Connection) -> Iterator[tuple[str, Mapping[str, object]]]:
    token = None
    while True:
        with registry_errors("list the registered models", connection.registry_uri):
            page = connection.client.search_registered_models(page_token=token)
        yield from ((str(model.name), dict(model.aliases)) for model in page)
        token = page.token
        if not token:
            return


def _experiments(connection: Connection) -> dict[str, str]:
    """Return the id of every experiment that holds reports, by name."""
    prefix, token, found = connection.naming.experiment(""), None, {}
    while True:
        with registry_errors("list the experiments of the reports", connection.tracking_uri):
            page = connection.client.search_experiments(
                filter_string=f"name LIKE '{prefix}%'", page_token=token
            )
        found.update({str(experiment.name): str(experiment.experiment_id) for experiment in page})
        token = page.token
        if not token:
            return found


def _records(
    versions: Iterator[ModelVersion], aliases: Mapping[str, object], connection: Connection
) -> tuple[VersionRecord, ...]:
    held: dict[str, list[str]] = {}
    for alias, version in aliases.items():
        held.setdefault(str(version), []).append(str(alias))
    records = (_record(found, tuple(sorted(held.get(str(found.version), ()))), connection)
               for found in versions)  # fmt: skip
    return tuple(sorted(records, key=lambda record: record.version))


def _record(found: ModelVersion, aliases: tuple[str, ...], connection: Connection) -> VersionRecord:
    name, number, created = str(found.name), int(found.version), int(found.creation_timestamp)
    tags = dict(found.tags)
    tagged = ResolvedSource(
        uri=VersionSource(name, number).uri, name=name, version=number, creation_time=created, tags=tags
    )
    decision = current_decision(tagged, connection.naming)
    ours = {connection.naming.tag(tag) for tag in (*BOUND_TAGS, CHECKSUM)}
    torn = decision is None and not ours.isdisjoint(tags)
    return VersionRecord(number, created, str(found.status), aliases, decision, torn, tagged)
