"""Every version of a model with what was decided on it, as the tags tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.registry.decision import Decision, current_decision
from gate.registry.failures import MissingError, registry_errors
from gate.registry.resolve import ResolvedSource, all_versions
from gate.registry.source import VersionSource
from gate.text import printable

if TYPE_CHECKING:
    from gate.registry.clients import Connection


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version; ``created`` is in milliseconds since 1970, ``status`` MLflow's own."""

    version: int
    created: int
    status: str
    aliases: tuple[str, ...]
    decision: Decision | None


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
    aliases = {str(alias): str(version) for alias, version in dict(model.aliases).items()}
    records = []
    for found in all_versions(name, connection):
        number = str(found.version)
        held = tuple(sorted(alias for alias, version in aliases.items() if version == number))
        created = int(found.creation_timestamp)
        tagged = ResolvedSource(
            uri=VersionSource(name, int(number)).uri,
            name=name,
            version=int(number),
            creation_time=created,
            tags=dict(found.tags),
        )
        decision = current_decision(tagged, connection.naming)
        records.append(VersionRecord(int(number), created, str(found.status), held, decision))
    return tuple(sorted(records, key=lambda record: record.version))
