"""Where a version's files stand below the artifact destination that an MLflow server serves.

Everything is told by paths relative to that destination: two servers may mount the same storage
under different names, and storage moves.
"""

from __future__ import annotations

import os
import posixpath
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlparse

from gate.registry.enforcement.tables.artifacts import canonical_path
from gate.registry.enforcement.tables.database import SCHEME
from gate.registry.enforcement.tables.interface import RecordedFile, RecordedRoot
from gate.registry.enforcement.tables.registry import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.registry.enforcement.tables.interface import VersionKey

DESTINATION: Final = ("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "MLFLOW_ARTIFACTS_DESTINATION")
"""What MLflow tells its workers, and what an operator tells MLflow."""

MOST_FILES: Final = 10_000
_ROUTE: Final = "/api/2.0/mlflow-artifacts/artifacts/"


def destination() -> str | None:
    """Return the artifact destination of this server, without ``gate:``; None outside a server."""
    found = next((os.environ[name] for name in DESTINATION if os.environ.get(name)), None)
    return None if found is None else found.removeprefix(SCHEME)


def below(root: str, uri: str) -> str | None:
    """Return the path of ``uri`` relative to the storage location ``root``, None if it is outside."""
    outer, inner = _place(root), _place(uri)
    if inner == outer:
        return ""
    prefix = outer if outer.endswith("/") else f"{outer}/"
    return canonical_path(inner[len(prefix) :]) if inner.startswith(prefix) else None


def served_path(uri: str) -> str | None:
    """Return where the files behind a version's download URI stand, relative to the destination.

    None where this server does not serve them: there is no destination, or they stand elsewhere.
    """
    root = destination()
    if root is None:
        return None
    parsed = urlparse(uri)
    if parsed.scheme == "mlflow-artifacts":
        return _in_workspace(parsed.path)
    if parsed.scheme in {"http", "https"}:
        _, route, path = parsed.path.partition(_ROUTE)
        return _in_workspace(path) if route else None
    return below(root, uri)


def read_served(subject: VersionKey, uri: str) -> RecordedRoot | None:
    """Return the names, sizes and ETags of a version's files, None where this server does not serve them.

    At most ``MOST_FILES`` are listed; ``complete`` says whether these are all.

    Raises
    ------
    mlflow.exceptions.MlflowException
        The storage could not be listed.
    """
    root = destination()
    path = served_path(uri)
    if root is None or path is None:
        return None
    files: list[RecordedFile] = []
    for file in _files(_repository(root), path):
        if len(files) == MOST_FILES:
            return RecordedRoot(subject, path, tuple(files), complete=False, recorded_at=now())
        files.append(file)
    return RecordedRoot(subject, path, tuple(files), complete=True, recorded_at=now())


def _place(uri: str) -> str:
    """Return one spelling of a storage location; a local one with links resolved."""
    parsed = urlparse(uri)
    if parsed.scheme in {"", "file"} or os.path.isabs(uri):  # noqa: PTH117 - a URI, perhaps
        local = unquote(parsed.path) if parsed.scheme == "file" else uri
        return os.path.realpath(local)
    return f"{parsed.scheme}://{parsed.netloc}/{canonical_path(parsed.path)}".rstrip("/")


def _in_workspace(path: str) -> str:
    """Return the path as MLflow's proxy reads it in the workspace of this request."""
    if os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() not in {"true", "1"}:
        return canonical_path(path)
    from mlflow.server.handlers import (  # noqa: PLC0415 - only servers with workspaces have it
        _get_workspace_scoped_repo_path_if_enabled,
    )

    return canonical_path(_get_workspace_scoped_repo_path_if_enabled(path.lstrip("/")) or "")


@lru_cache(maxsize=4)
def _repository(root: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - loads us
        get_artifact_repository,
    )

    return get_artifact_repository(root)


def _files(repository: Any, root: str) -> Iterator[RecordedFile]:
    """Yield the files below ``root``, their paths relative to it."""
    if hasattr(repository, "parse_s3_compliant_uri"):
        yield from _s3_files(repository, root)
        return
    folders = [root]
    while folders:
        listed = repository.list_artifacts(folders.pop() or None)
        for info in listed:
            if info.is_dir:
                folders.append(info.path)
            else:
                path = posixpath.relpath(info.path, root or ".")
                yield RecordedFile(path, info.file_size, _local_etag(repository, info.path))


def _s3_files(repository: Any, root: str) -> Iterator[RecordedFile]:
    """List without delimiter: one request for a thousand files, and with their ETags."""
    bucket, prefix = repository.parse_s3_compliant_uri(repository.artifact_uri)
    start = posixpath.join(prefix, root).rstrip("/")
    start = f"{start}/" if start else ""
    pages = repository._get_s3_client().get_paginator("list_objects_v2")  # noqa: SLF001 - as MLflow lists
    owner = getattr(repository, "_bucket_owner_params", {})
    for page in pages.paginate(Bucket=bucket, Prefix=start, **owner):
        for found in page.get("Contents", ()):
            if not found["Key"].endswith("/"):
                yield RecordedFile(found["Key"][len(start) :], int(found["Size"]), found["ETag"].strip('"'))


def _local_etag(repository: Any, path: str) -> str | None:
    """Return time and size of a local file, which is what web servers make their ETags of."""
    local_path = getattr(repository, "get_local_path", None)
    local = local_path(path) if local_path is not None else None
    if local is None:
        return None
    status = os.stat(local)  # noqa: PTH116 - a path of MLflow's
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"
