"""MLflow's artifact proxy behind the gate: ``--artifacts-destination gate:/path`` or ``gate:s3://…``.

The files of a version that was decided on are neither overwritten nor deleted, and nothing is added
to their folder: what was judged stays what is served.  Everything else passes unchanged; the
repository is MLflow's own, with the methods that write asking first.  Whoever can write to the
storage itself is not stopped here; the sweep of ``gate watch`` finds what they did.

What is decided is looked up in the gate's tables at every write: one probe per folder above the
file.  Where they cannot be asked nothing is written at all, as nobody can tell what is protected.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import posixpath
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from gate.errors import GateError
from gate.registry.enforcement.addresses import below, destination, settled
from gate.registry.enforcement.served import read_served
from gate.registry.enforcement.tables.artifacts import owners_above, owners_below, put_root
from gate.registry.enforcement.tables.database import SCHEME, SETTING, Database, open_database
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from sqlalchemy.orm import Session

    from gate.registry.enforcement.tables.interface import RecordedRoot, VersionKey

REGISTRY_STORE: Final = ("_MLFLOW_SERVER_REGISTRY_STORE", "MLFLOW_REGISTRY_STORE_URI")
"""What MLflow tells its workers, and what an operator tells MLflow."""


def record_artifacts(session: Session, subject: VersionKey, uri: str) -> RecordedRoot | None:
    """Record where the files behind a version's download URI stand, and protect them from now on.

    Listing takes a request to the storage per thousand files; a caller who holds a lock may rather
    call :func:`~gate.registry.enforcement.served.read_served` before it and
    :func:`~gate.registry.enforcement.tables.artifacts.put_root` after.

    Returns
    -------
    RecordedRoot or None
        What was recorded; None where this server does not serve the files, and so cannot protect them.

    Raises
    ------
    mlflow.exceptions.MlflowException
        The storage could not be listed.
    """
    recorded = read_served(subject, uri)
    if recorded is not None:
        put_root(session, recorded)
    return recorded


def gate_artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> Any:
    """Return MLflow's own repository for the URI after ``gate:``, with a guard on all that writes.

    This is what the entry point ``mlflow.artifact_repository`` names.
    """
    # Not at the top: MLflow imports this module while it makes that registry.
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: PLC0415

    inner = artifact_uri.removeprefix(SCHEME)
    repository = get_artifact_repository(inner, tracking_uri, registry_uri)
    root = destination()
    return guarded(repository, Guard(None if root is None else below(root, inner)))


@dataclass(frozen=True, slots=True)
class Guard:
    """Answers whether a path may be written to; ``prefix`` is where its repository stands.

    It is None for a repository outside the destination, which nothing is known about.
    """

    prefix: str | None

    def may_write(self, paths: Iterable[str]) -> None:
        """Raise unless every path is free to be written.

        Raises
        ------
        mlflow.exceptions.MlflowException
            403: it belongs to a decided version.  503: the tables could not be asked.
        """
        asked = [spelling for path in paths for spelling in self._spellings(path)]
        self._refuse(lambda session: owners_above(session, asked), "write", asked)

    def may_delete(self, path: str) -> None:
        """Raise unless nothing at or below ``path``, nor a folder it is in, is of a decided version.

        Raises
        ------
        mlflow.exceptions.MlflowException
            403: it is.  503: the tables could not be asked.
        """
        asked = self._spellings(path)

        def owners(session: Session) -> tuple[VersionKey, ...]:
            inside = (owner for spelling in asked for owner in owners_below(session, spelling))
            return (*owners_above(session, asked), *inside)

        self._refuse(owners, "delete", asked)

    def _spellings(self, path: str) -> list[str]:
        """Return ``path`` as it stands, and as it is read when it is decoded once more or to the end."""
        if self.prefix is None:
            raise _error(
                "PERMISSION_DENIED",
                "The gate cannot tell what is protected here: this repository is not below the artifact "
                "destination of the server. Set MLFLOW_ARTIFACTS_DESTINATION, or leave gate: out of the URI.",
            )
        full = posixpath.join(self.prefix, path)
        return list(dict.fromkeys((full, unquote(full), settled(full))))

    def _refuse(
        self, owners: Callable[[Session], tuple[VersionKey, ...]], verb: str, paths: list[str]
    ) -> None:
        try:
            with _database().transaction() as session:
                found = owners(session)
        except GateError as error:
            raise _error(
                "TEMPORARILY_UNAVAILABLE",
                f"The gate writes no artifact while it cannot look up which are protected: {error.message}. "
                f"{error.hint or ''}",
            ) from error
        if found:
            owner = found[0]
            raise _error(
                "PERMISSION_DENIED",
                f"The gate refused to {verb} {printable(paths[0])}: it is among the files of "
                f"{printable(owner.name)} version {owner.version}, and what was judged may not change. "
                "Log the model again and register it as a new version, or delete that version first.",
            )


def _one(arguments: Mapping[str, Any], name: str) -> list[str]:
    """Return the path of one file; of its local name only the last part counts, as in MLflow."""
    folder = arguments.get("artifact_path") or ""
    return [posixpath.join(folder, os.path.basename(str(arguments[name])))]  # noqa: PTH119 - a text


def _local_file(arguments: Mapping[str, Any]) -> list[str]:
    return _one(arguments, "local_file")


def _stream(arguments: Mapping[str, Any]) -> list[str]:
    return _one(arguments, "artifact_file_name")


def _path(arguments: Mapping[str, Any]) -> list[str]:
    return [arguments.get("artifact_path") or ""]


def _folder(arguments: Mapping[str, Any]) -> list[str]:
    """Return the path of every file that copying a folder would write, and of the folder."""
    local = Path(arguments["local_dir"])
    target = arguments.get("artifact_path") or ""
    below_it = (path.relative_to(local).as_posix() for path in local.rglob("*"))
    return [target, *(posixpath.join(target, path) for path in below_it)]


def _traces(_arguments: Mapping[str, Any]) -> list[str]:
    return ["traces.pb"]


WRITES: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "log_artifact": _local_file,
    "log_artifacts": _folder,
    "log_artifact_from_stream": _stream,
    "log_artifact_from_async_stream": _stream,
    "create_multipart_upload": _local_file,
    "complete_multipart_upload": _local_file,
    "create_presigned_upload_url": _path,
    "upload_archived_trace_data_bytes": _traces,
}
"""Every method of MLflow's repositories that writes by itself, and the paths that it writes."""

DELETES: Final = "delete_artifacts"


def guarded(repository: Any, guard: Guard) -> Any:
    """Return ``repository`` with a guard on what writes; everything else of it stays as it is.

    Its class becomes a subclass of its class, so that what MLflow asks of its type (can it stream,
    can it upload in parts) is answered as before.
    """
    base = type(repository)
    methods = {
        name: _asking(getattr(base, name), paths, guard)
        for name, paths in WRITES.items()
        if hasattr(base, name)
    }
    methods[DELETES] = _asking_to_delete(getattr(base, DELETES), guard)
    repository.__class__ = type(f"Guarded{base.__name__}", (base,), methods)
    return repository


def _asking(
    method: Callable[..., Any], paths: Callable[[Mapping[str, Any]], list[str]], guard: Guard
) -> Callable[..., Any]:
    """Return ``method`` asking the guard before it writes, and once more when a stream has ended."""
    signature = inspect.signature(method)

    @wraps(method)
    def ask(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        asked = paths(bound.arguments)
        guard.may_write(asked)
        if "stream" in bound.arguments:
            bound.arguments["stream"] = _AskingStream(bound.arguments["stream"], guard, asked)
        return method(*bound.args, **bound.kwargs)

    @wraps(method)
    async def ask_without_blocking(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        asked = paths(bound.arguments)
        await asyncio.to_thread(guard.may_write, asked)
        bound.arguments["chunks"] = _asking_chunks(bound.arguments["chunks"], guard, asked)
        return await method(*bound.args, **bound.kwargs)

    return ask_without_blocking if inspect.iscoroutinefunction(method) else ask


def _asking_to_delete(method: Callable[..., Any], guard: Guard) -> Callable[..., Any]:
    @wraps(method)
    def ask(self: Any, artifact_path: str | None = None) -> Any:
        guard.may_delete(artifact_path or "")
        return method(self, artifact_path)

    return ask


class _AskingStream:
    """A stream whose end asks again: uploading may take longer than deciding."""

    def __init__(self, stream: Any, guard: Guard, paths: list[str]) -> None:
        self._stream = stream
        self._guard = guard
        self._paths = paths

    def read(self, size: int = -1) -> bytes:
        """Read; at the end raise if the path was decided on meanwhile, before anything is published."""
        data: bytes = self._stream.read(size)
        if not data or size < 0:
            self._guard.may_write(self._paths)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


async def _asking_chunks(chunks: Any, guard: Guard, paths: list[str]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
    await asyncio.to_thread(guard.may_write, paths)


def _database() -> Database:
    """Return the database of the gate's tables: what ``GATE_DATABASE`` says, else the enforcing store's."""
    uri = os.environ.get(SETTING)
    if not uri:
        named = (os.environ.get(name, "") for name in REGISTRY_STORE)
        uri = next((value for value in named if value.startswith(SCHEME)), None)
    if not uri:
        raise GateError(
            f"neither {SETTING} is set nor does this server's registry store begin with {SCHEME}",
            hint="Start the server with --registry-store-uri gate:…, or say where its tables are.",
        )
    return _opened(uri)


@cache
def _opened(uri: str) -> Database:
    return open_database(uri)


def _error(code: str, message: str) -> Exception:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - MLflow imports this module
    from mlflow.protos.databricks_pb2 import ErrorCode  # noqa: PLC0415

    refusal: Exception = MlflowException(message.strip(), error_code=ErrorCode.Value(code))
    return refusal
