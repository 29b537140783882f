"""Where a version's files stand below the artifact destination that an MLflow server serves.

Everything is told by paths relative to that destination: two servers may mount the same storage
under different names, and storage moves.  One place has many spellings; a version's address may be
any that its loader understands, so what is protected is told by the one they all come down to.
"""

from __future__ import annotations

import os
import posixpath
from typing import Final
from urllib.parse import unquote, urlparse

from gate.registry.enforcement.tables.artifacts import canonical_path
from gate.registry.enforcement.tables.database import SCHEME

DESTINATION: Final = ("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "MLFLOW_ARTIFACTS_DESTINATION")
"""What MLflow tells its workers, and what an operator tells MLflow."""

_BACKEND: Final = "_MLFLOW_SERVER_FILE_STORE"
_ROUTE: Final = "/2.0/mlflow-artifacts/artifacts/"


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


def settled(path: str) -> str:
    """Return the one path that every percent-encoding of ``path`` comes down to.

    The proxy decodes once, MLflow's local repository once more, a loader's client what is unreserved:
    who asks for the last form finds them all, and at worst protects a file whose name looks encoded.
    """
    while (decoded := unquote(path)) != path:
        path = decoded
    return canonical_path(path)


def served_path(uri: str) -> str | None:
    """Return where the files behind a version's download URI stand, relative to the destination.

    What MLflow's proxy serves is relative to it whoever asks, another server or a direct client too.
    None where they stand elsewhere, or in a storage of which this process serves nothing.

    Raises
    ------
    mlflow.exceptions.MlflowException
        It is a run's, which cannot be looked up.
    """
    uri = _looked_up(uri.removeprefix(SCHEME))
    parsed = urlparse(uri)
    if parsed.scheme == "mlflow-artifacts":
        return _in_workspace(unquote(parsed.path))
    if parsed.scheme in {"http", "https"}:
        _, route, path = unquote(parsed.path).partition(_ROUTE)
        return _in_workspace(path) if route else None
    root = destination()
    return None if root is None else below(root, uri)


def _looked_up(uri: str) -> str:
    """Return where a run keeps its files, for an address that names the run; every other as it is.

    MLflow's client looks such an address up before it registers a version; a plain request need not.
    """
    if urlparse(uri).scheme != "runs":
        return uri
    # Not at the top: MLflow imports this module while it makes its registry of repositories.
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository  # noqa: PLC0415

    if not os.environ.get(_BACKEND):
        return str(RunsArtifactRepository.get_underlying_uri(uri))
    from mlflow.server.handlers import _get_tracking_store  # noqa: PLC0415 - only servers have it

    run, path = RunsArtifactRepository.parse_runs_uri(uri)
    return posixpath.join(_get_tracking_store().get_run(run).info.artifact_uri, path or "")


def _place(uri: str) -> str:
    """Return one spelling of a storage location; a local one decoded as MLflow does, with links resolved."""
    parsed = urlparse(uri)
    if parsed.scheme in {"", "file"} or os.path.isabs(uri):  # noqa: PTH117 - a URI, perhaps
        return os.path.realpath(unquote(parsed.path if parsed.scheme == "file" else uri))
    return f"{parsed.scheme}://{parsed.netloc}/{canonical_path(parsed.path)}".rstrip("/")


def _in_workspace(path: str) -> str:
    """Return the path as MLflow's proxy reads it in the workspace of this request."""
    if os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() not in {"true", "1"}:
        return canonical_path(path)
    from mlflow.server.handlers import (  # noqa: PLC0415 - only servers with workspaces have it
        _get_workspace_scoped_repo_path_if_enabled,
    )

    return canonical_path(_get_workspace_scoped_repo_path_if_enabled(path.lstrip("/")) or "")
