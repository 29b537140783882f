"""What a sweep sees: every version of the registry as a listing tells it, the last touched first.

A listing carries the tags, so telling which version has a decision costs one request per page and
none per version.  Prompts are told by their source: the tag that MLflow tells them by can be set on
any model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.registry.attest import registry_id
from gate.registry.failures import registry_errors
from gate.registry.resolve import READY, ResolvedSource, all_versions, every_version
from gate.registry.source import VersionSource
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities.model_registry import ModelVersion

    from gate.registry.clients import Connection

PROMPT_SOURCES: Final = frozenset({"prompt-template", "dummy-source"})
"""What MLflow writes as the source of a prompt's version."""

_UNSTAGED: Final = frozenset({"None", "Archived", ""})

ENFORCED: Final = "enforced."
"""Tags (after the prefix) of a registered model by which an enforcing registry tells its policies."""


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version as a listing tells it; times are the server's, in milliseconds since 1970."""

    name: str
    version: int
    created: int
    updated: int
    status: str
    stage: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from other versions."""
        return self.name, self.version

    @property
    def uri(self) -> str:
        """The canonical form of its source."""
        return VersionSource(self.name, self.version).uri

    @property
    def ready(self) -> bool:
        """Whether its files are said to be there."""
        return self.status == READY

    @property
    def staged(self) -> bool:
        """Whether it stands in one of MLflow's stages."""
        return self.stage not in _UNSTAGED

    @property
    def resolved(self) -> ResolvedSource:
        """What reading a decision from its tags needs."""
        return ResolvedSource(
            uri=self.uri,
            name=self.name,
            version=self.version,
            creation_time=self.created,
            tags=self.tags,
        )


def sweep(
    connection: Connection, *, model: str | None = None, since: int | None = None
) -> Iterator[ListedVersion]:
    """Yield the versions of one model, or of all, without prompts.

    Parameters
    ----------
    connection:
        Where to look.
    model:
        Only this one's, newest first.
    since:
        Stop at the first version that was last touched before then (milliseconds since 1970): the
        listing of all models comes last touched first.  Setting a tag does not touch a version.

    Raises
    ------
    gate.errors.RegistryError
        The registry cannot be reached, or refuses.
    """
    found = every_version(connection) if model is None else all_versions(model, connection)
    for version in found:
        listed = _listed(version)
        if since is not None and model is None and listed.updated < since:
            return
        if str(version.source) not in PROMPT_SOURCES:
            yield listed


def listed_version(connection: Connection, name: str, version: int) -> ListedVersion:
    """Look one version up as a listing tells it: without asking where its files are.

    Raises
    ------
    gate.registry.failures.MissingError
        There is no such version.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    doing = f"look up {printable(VersionSource(name, version).uri)}"
    with registry_errors(doing, connection.registry_uri):
        return _listed(connection.client.get_model_version(name, str(version)))


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a registered model tells of itself.

    ``enforced`` are the policies that the registry itself enforces on it, name to text; ``enforcing``
    says that it does enforce, if not on this model; ``aliased`` are the versions that hold an alias.
    """

    enforced: Mapping[str, str]
    aliased: frozenset[int]
    enforcing: bool = False


def model_facts(connection: Connection, model: str) -> ModelFacts:
    """Look a registered model up; one request.

    Raises
    ------
    gate.registry.failures.MissingError
        There is no such registered model.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    with registry_errors(f"look up {printable(model)}", connection.registry_uri):
        found = connection.client.get_registered_model(model)
    prefix = connection.naming.tag(ENFORCED)
    return ModelFacts(
        {
            name.removeprefix(prefix): str(text)
            for name, text in found.tags.items()
            if name.startswith(prefix)
        },
        frozenset(int(version) for version in found.aliases.values()),
        enforcing=registry_id(found.tags, connection.naming) is not None,
    )


def _listed(found: ModelVersion) -> ListedVersion:
    return ListedVersion(
        name=str(found.name),
        version=int(found.version),
        created=int(found.creation_timestamp),
        updated=int(found.last_updated_timestamp or found.creation_timestamp),
        status=str(found.status),
        stage=str(found.current_stage or "None"),
        tags=dict(found.tags),
    )
