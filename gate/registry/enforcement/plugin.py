"""Entry point ``gate`` of MLflow's group ``mlflow.model_registry_store``.

MLflow loads it while its own stores are still being imported: everything is imported when a store is
built.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.registry.enforcement.store import GateStore, WorkspaceGateStore

_READ_REPLICA: Final = "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE"
"""How ``mlflow server`` tells its workers; importing the name would import the whole server."""


def build_store(store_uri: str, tracking_uri: str | None = None) -> GateStore | WorkspaceGateStore:
    """Return the enforcing registry store over the database named after ``gate:``.

    Parameters
    ----------
    store_uri:
        ``gate:`` and any SQLAlchemy address of SQLite, PostgreSQL or MySQL.
    tracking_uri:
        Unused; MLflow passes it to builders that name it.

    Raises
    ------
    gate.errors.GateError
        No such database, or its tables are of a newer gate.
    """
    del tracking_uri
    from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES  # noqa: PLC0415 - see the module

    from gate.registry.enforcement.store import GateStore, WorkspaceGateStore  # noqa: PLC0415
    from gate.registry.enforcement.tables.database import database_url  # noqa: PLC0415

    database = _without_scheme(store_uri)
    database_url(database)
    replica = os.environ.get(_READ_REPLICA)
    kind = WorkspaceGateStore if MLFLOW_ENABLE_WORKSPACES.get() else GateStore
    return kind(database, _without_scheme(replica) if replica else None)


def _without_scheme(uri: str) -> str:
    return uri.partition(":")[2] if uri.lower().startswith("gate:") else uri
