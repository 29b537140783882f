"""From a parsed source to what MLflow knows of it: one version, one place where its files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.errors import RegistryError, UsageError
from gate.registry.failures import MissingError, registry_errors
from gate.registry.source import (
    AliasSource,
    LatestSource,
    LoggedModelSource,
    PathSource,
    RunSource,
    Source,
    VersionSource,
    parse_source,
)
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlflow.entities.model_registry import ModelVersion

    from gate.registry.clients import Connection

READY: Final = "READY"
_DELETED: Final = "Deleted_Internal"
_PAGE: Final = 200
_LONGEST_CHAIN: Final = 8


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """One model whose place is known.

    Attributes
    ----------
    uri:
        Canonical: ``models:/NAME/V`` for every registered version, however it was asked for.
    path:
        The file or folder, for a source on disk; else None.
    artifact_uri, artifact_path:
        Root of the artifact store and the path of the model in it (empty for the root itself).
    name, version, creation_time:
        The registered model version and when it was made (milliseconds since 1970), else None.
    note:
        What a moving name (an alias, ``latest``) stood for when it was looked up, else empty.
    """

    uri: str
    path: Path | None = None
    artifact_uri: str = ""
    artifact_path: str = ""
    name: str | None = None
    version: int | None = None
    creation_time: int | None = None
    run_id: str | None = None
    model_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    note: str = ""


def resolve(source: Source | str, connection: Connection | None = None) -> ResolvedSource:
    """Look ``source`` up.

    Parameters
    ----------
    source:
        A parsed source, or its text.
    connection:
        Where to look; a path needs none.

    Raises
    ------
    gate.errors.UsageError
        It is malformed, there is no such thing, or the version is not READY.
    gate.errors.RegistryError
        The registry cannot be reached, or refuses.
    """
    parsed = parse_source(source) if isinstance(source, str) else source
    if isinstance(parsed, PathSource):
        return _resolve_path(parsed)
    if connection is None:
        raise UsageError(f"{printable(parsed.uri)!r} needs a registry", hint="Set MLFLOW_TRACKING_URI.")
    if isinstance(parsed, LoggedModelSource):
        return _resolve_logged_model(parsed, connection)
    if isinstance(parsed, RunSource):
        return _resolve_run(parsed, connection)
    return _resolve_registered(parsed, connection)


def run_metrics(resolved: ResolvedSource, connection: Connection) -> Mapping[str, float]:
    """Return the metrics of the run that made the model; empty when there is no such run."""
    if resolved.run_id is None:
        return {}
    try:
        with registry_errors(f"read run {printable(resolved.run_id)}", connection.tracking_uri):
            return dict(connection.client.get_run(resolved.run_id).data.metrics)
    except MissingError:
        return {}


def all_versions(name: str, connection: Connection) -> Iterator[ModelVersion]:
    """Yield every version of ``name`` that is not deleted, newest first, page by page.

    Raises
    ------
    gate.errors.UsageError
        The name holds both kinds of quotes, which MLflow's search cannot express.
    gate.errors.RegistryError
        The registry cannot be reached, or refuses.
    """
    if "'" in name and '"' in name:
        raise UsageError(f"MLflow cannot search for a name with both ' and \": {printable(name)}")
    quote = '"' if "'" in name else "'"
    doing = f"list the versions of {printable(name)}"
    # Some databases compare names without regard to case.
    yield from (
        found
        for found in _search(connection, doing, f"name = {quote}{name}{quote}", ["version_number DESC"])
        if found.name == name
    )


def every_version(connection: Connection) -> Iterator[ModelVersion]:
    """Yield every version of every model that is not deleted, page by page.

    Raises
    ------
    gate.errors.RegistryError
        The registry cannot be reached, or refuses.
    """
    yield from _search(connection, "list the versions of all models", None, None)


def _search(
    connection: Connection, doing: str, condition: str | None, order: list[str] | None
) -> Iterator[ModelVersion]:
    token = None
    while True:
        with registry_errors(doing, connection.registry_uri):
            page = connection.client.search_model_versions(
                filter_string=condition, max_results=_PAGE, order_by=order, page_token=token
            )
        yield from (found for found in page if found.current_stage != _DELETED)
        token = page.token
        if not token:
            return


def resolve_version(found: ModelVersion, connection: Connection, note: str = "") -> ResolvedSource:
    """Return a version that MLflow described as a resolved source.

    Raises
    ------
    gate.errors.UsageError
        It is not READY.
    """
    name, version = str(found.name), int(found.version)
    uri = VersionSource(name, version).uri
    if found.status != READY:
        raise UsageError(
            f"{printable(uri)} is not ready: {printable(str(found.status))}",
            hint="Wait until its files are there, or register it again.",
        )
    root, path = _artifact_place(VersionSource(name, version), connection)
    return ResolvedSource(
        uri=uri,
        artifact_uri=root,
        artifact_path=path,
        name=name,
        version=version,
        creation_time=int(found.creation_timestamp),
        run_id=found.run_id or None,
        model_id=getattr(found, "model_id", None) or None,
        tags=dict(found.tags),
        aliases=tuple(sorted(str(alias) for alias in found.aliases)),
        note=note,
    )


def _resolve_path(source: PathSource) -> ResolvedSource:
    if not source.path.exists():
        raise UsageError(
            f"there is no file or folder {printable(source.uri)!r}",
            hint="For a registered model write models:/NAME/VERSION.",
        )
    return ResolvedSource(uri=source.uri, path=source.path)


def _resolve_registered(
    source: VersionSource | LatestSource | AliasSource, connection: Connection
) -> ResolvedSource:
    shown = printable(source.uri)
    if isinstance(source, LatestSource):
        newest = next(all_versions(source.name, connection), None)
        if newest is None:
            raise MissingError(f"{shown}: no such registered model, or it has no version")
        return resolve_version(newest, connection, f"latest is version {newest.version}")
    client = connection.client
    if isinstance(source, AliasSource):
        with registry_errors(f"look up {shown}", connection.registry_uri, invalid_is_missing=True):
            found = client.get_model_version_by_alias(source.name, source.alias)
        return resolve_version(found, connection, f"alias {source.alias} is version {found.version}")
    with registry_errors(f"look up {shown}", connection.registry_uri):
        found = client.get_model_version(source.name, str(source.version))
    return resolve_version(found, connection)


def _resolve_logged_model(source: LoggedModelSource, connection: Connection) -> ResolvedSource:
    with registry_errors(f"look up {printable(source.uri)}", connection.tracking_uri):
        model = connection.client.get_logged_model(source.model_id)
    status = getattr(model.status, "value", str(model.status))
    if status != READY:
        raise UsageError(f"{source.uri} is not ready: {printable(str(status))}")
    return ResolvedSource(
        uri=source.uri,
        artifact_uri=str(model.artifact_location),
        creation_time=int(model.creation_timestamp),
        run_id=model.source_run_id or None,
        model_id=source.model_id,
        tags=dict(model.tags),
    )


def _resolve_run(source: RunSource, connection: Connection) -> ResolvedSource:
    root, path = _artifact_place(source, connection)
    return ResolvedSource(uri=source.uri, artifact_uri=root, artifact_path=path, run_id=source.run_id)


def _artifact_place(source: Source, connection: Connection) -> tuple[str, str]:
    """Follow a source to the store that holds its files: a root, and a path within it.

    A version may point to a logged model, to a run or to another version (a copy).
    """
    for _ in range(_LONGEST_CHAIN):
        if isinstance(source, VersionSource):
            with registry_errors(f"find the files of {printable(source.uri)}", connection.registry_uri):
                uri = str(connection.client.get_model_version_download_uri(source.name, str(source.version)))
            if not uri.startswith(("models:", "runs:")):
                return uri, ""
            source = parse_source(uri)
        elif isinstance(source, LoggedModelSource):
            return _resolve_logged_model(source, connection).artifact_uri, ""
        elif isinstance(source, RunSource):
            return _run_place(source, connection)
        else:
            break
    raise RegistryError(
        f"cannot find the files of {printable(source.uri)}: it points to something else that moves"
    )


def _run_place(source: RunSource, connection: Connection) -> tuple[str, str]:
    """Return where a run keeps ``path``: MLflow 3 stores models that a run logs outside of it."""
    with registry_errors(f"look up {printable(source.uri)}", connection.tracking_uri):
        run = connection.client.get_run(source.run_id)
        outputs = getattr(run.outputs, "model_outputs", None) or []
        models = [connection.client.get_logged_model(output.model_id) for output in outputs]
    first, _, rest = source.path.partition("/")
    named = [model for model in models if model.name == first]
    if named:
        newest = max(named, key=lambda model: int(model.creation_timestamp))
        return str(newest.artifact_location), rest
    return str(run.info.artifact_uri), source.path
