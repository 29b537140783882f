"""The names, sizes and ETags of a version's files, as this server's artifact destination lists them."""

from __future__ import annotations

import os
import posixpath
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from gate.registry.enforcement.addresses import destination, served_path, settled
from gate.registry.enforcement.tables.interface import RecordedFile, RecordedRoot
from gate.registry.enforcement.tables.registry import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.registry.enforcement.tables.interface import VersionKey

MOST_FILES: Final = 10_000


def read_served(subject: VersionKey, uri: str) -> RecordedRoot | None:
    """Return the names, sizes and ETags of a version's files, None where this server does not serve them.

    At most ``MOST_FILES`` are listed, and none where another process serves them; ``complete`` says
    whether these are all.

    Raises
    ------
    mlflow.exceptions.MlflowException
        The storage could not be listed, or the address is a run's that cannot be looked up.
    """
    root = destination()
    path = served_path(uri)
    if path is None:
        return None
    if root is None:
        return RecordedRoot(subject, settled(path), (), complete=False, recorded_at=now())
    files: list[RecordedFile] = []
    for file in _files(_repository(root), path):
        if len(files) == MOST_FILES:
            return RecordedRoot(subject, settled(path), tuple(files), complete=False, recorded_at=now())
        files.append(file)
    return RecordedRoot(subject, settled(path), tuple(files), complete=True, recorded_at=now())


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
