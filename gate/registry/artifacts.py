"""The files of one artifact, wherever MLflow keeps them: listed, and fetched one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gate.analysis.manifest import check_count, checked_path
from gate.errors import ModelError, UnsafeModelError
from gate.registry.failures import public_uri, storage_errors
from gate.text import printable

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from gate.registry.clients import Connection
    from gate.registry.resolve import ResolvedSource

_LOCAL_HOSTS: Final = {"", "localhost", "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as its store lists it: path relative to the artifact, size in bytes if the store tells."""

    path: str
    size: int | None


@dataclass(frozen=True, slots=True)
class RemoteArtifact:
    """An artifact in a store that only MLflow can read.

    ``base`` is the folder within the store that the files are listed relative to; ``single`` tells
    that the artifact is one file of that folder rather than the folder.
    """

    repository: ArtifactRepository
    uri: str
    base: str
    files: tuple[RemoteFile, ...]
    single: bool

    def fetch(self, file: RemoteFile, folder: Path) -> Path:
        """Download one file into ``folder`` and return where it is.

        Raises
        ------
        gate.errors.RegistryError
            The store cannot be reached.
        gate.errors.ModelError
            The file is not as large as it was listed.
        """
        with storage_errors(f"download {printable(file.path)}", self.uri):
            local = Path(self.repository.download_artifacts(_join(self.base, file.path), str(folder)))
            size = local.stat().st_size
        if not local.resolve().is_relative_to(folder.resolve()):
            raise UnsafeModelError(f"{printable(file.path)} was downloaded outside the folder meant for it")
        if file.size is not None and size != file.size:
            raise ModelError(
                f"{printable(file.path)} has {size} bytes, not the {file.size} that were listed",
                hint="It changed meanwhile or came through damaged: try again.",
            )
        return local


def local_place(resolved: ResolvedSource) -> Path | None:
    """Return the folder or file on this machine where the artifact is, or None if it is elsewhere."""
    if resolved.path is not None:
        return resolved.path
    parts = urlsplit(resolved.artifact_uri)
    if parts.scheme == "file" and (parts.hostname or "") in _LOCAL_HOSTS:
        from urllib.request import url2pathname  # noqa: PLC0415 - loads ssl, for next to nothing

        root = Path(url2pathname(parts.path))
    elif "://" not in resolved.artifact_uri and len(parts.scheme) <= 1:
        root = Path(resolved.artifact_uri)
    else:
        return None
    return root / resolved.artifact_path if resolved.artifact_path else root


def open_remote(resolved: ResolvedSource, connection: Connection) -> RemoteArtifact:
    """List every file of a remote artifact, in path order.

    Raises
    ------
    gate.errors.RegistryError
        The store cannot be reached, or no plugin knows its scheme.
    gate.errors.ModelError
        There is nothing there.
    gate.errors.UnsafeModelError
        The listing names paths outside the folder listed, or never ends.
    """
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - imports mlflow
        get_artifact_repository,
    )

    with storage_errors(f"open the files of {printable(resolved.uri)}", resolved.artifact_uri):
        repository = get_artifact_repository(
            resolved.artifact_uri,
            tracking_uri=connection.tracking_uri,
            registry_uri=connection.registry_uri,
        )
    base = resolved.artifact_path
    files = _walk(repository, base, resolved.artifact_uri)
    single = bool(base) and not files
    if single:
        base, _, name = base.rpartition("/")
        files = [file for file in _files_in(repository, base, resolved.artifact_uri) if file.path == name]
    if not files:
        raise ModelError(
            f"{printable(resolved.uri)} has no files at {printable(public_uri(resolved.artifact_uri))}",
            hint="Was the artifact deleted, or the run garbage-collected?",
        )
    ordered = tuple(sorted(files, key=lambda file: file.path))
    return RemoteArtifact(repository, resolved.artifact_uri, base, ordered, single)


def _walk(repository: ArtifactRepository, base: str, uri: str) -> list[RemoteFile]:
    files: list[RemoteFile] = []
    pending = [""]
    seen = 0
    while pending:
        folder = pending.pop()
        for name, is_folder, size in _list_folder(repository, _join(base, folder), uri):
            seen += 1
            check_count(seen)
            path = checked_path(_join(folder, name))
            if is_folder:
                pending.append(path)
            else:
                files.append(RemoteFile(path, size))
    return files


def _files_in(repository: ArtifactRepository, folder: str, uri: str) -> list[RemoteFile]:
    listed = _list_folder(repository, folder, uri)
    return [RemoteFile(name, size) for name, is_folder, size in listed if not is_folder]


def _list_folder(repository: ArtifactRepository, folder: str, uri: str) -> list[tuple[str, bool, int | None]]:
    """List one folder as (name, is it a folder, size); the store names paths from its own root."""
    with storage_errors(f"list {printable(folder or 'the artifact')}", uri):
        listed = [
            (str(entry.path), bool(entry.is_dir), None if entry.file_size is None else int(entry.file_size))
            for entry in repository.list_artifacts(folder or None)
        ]
    prefix = f"{folder}/" if folder else ""
    entries = []
    for path, is_folder, size in listed:
        name = path.removeprefix(prefix)
        if not path.startswith(prefix) or "/" in checked_path(name):
            raise UnsafeModelError(
                f"the artifact store lists {printable(path)!r} in {printable(folder or '/')!r}, "
                "which is not in it"
            )
        entries.append((name, is_folder, size))
    return entries


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
