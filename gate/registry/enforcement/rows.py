"""MLflow's rows, read and locked: the versions, aliases and tags that a promotion turns on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlflow.entities.model_registry.model_version_stages import (
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    STAGE_DELETED_INTERNAL,
)
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelAlias,
)
from sqlalchemy import bindparam, select

from gate.registry.enforcement.reserved import is_reserved
from gate.registry.enforcement.tables.interface import VersionKey

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

ACTIVE_STAGES = frozenset(DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS) - {"None"}
"""Stages that are a promotion; leaving one, or being archived, is none."""

_VERSION: Final[Select[tuple[Any]]] = select(SqlModelVersion).where(
    SqlModelVersion.workspace == bindparam("workspace"),
    SqlModelVersion.name == bindparam("name"),
    SqlModelVersion.version == bindparam("version"),
    SqlModelVersion.current_stage != STAGE_DELETED_INTERNAL,
)
_LOCKED: Final = _VERSION.with_for_update()
_LOCKED_SHARED: Final = _VERSION.with_for_update(read=True)
"""Built once: to build a query takes about as long as to have it answered, and promotions wait for it."""


def locked_version(
    session: Session, workspace: str, name: str, version: int, *, shared: bool = False
) -> Any | None:
    """Return MLflow's row of a version, held until the transaction ends; None where there is none.

    Whoever accepts a decision on a version, promotes it or renames its model takes this lock first,
    so that these happen one after the other.  ``shared`` lets promotions of one version run side by
    side.  SQLite has no such locks: there the whole transaction is alone.
    """
    return _version(session, _LOCKED_SHARED if shared else _LOCKED, workspace, name, version)


def found_version(session: Session, workspace: str, name: str, version: int) -> Any | None:
    """Return MLflow's row of a version as it stands, held by nobody; None where there is none."""
    return _version(session, _VERSION, workspace, name, version)


def _version(
    session: Session, query: Select[tuple[Any]], workspace: str, name: str, version: int
) -> Any | None:
    asked = {"workspace": workspace, "name": name, "version": version}
    return session.execute(query, asked).scalar_one_or_none()


def locked_versions(session: Session, workspace: str, name: str) -> list[Any]:
    """Return every version of a model that is not deleted, each held until the transaction ends."""
    rows: list[Any] = (
        session.query(SqlModelVersion)
        .filter(SqlModelVersion.workspace == workspace, SqlModelVersion.name == name)
        .order_by(SqlModelVersion.version)
        .with_for_update()
        .all()
    )
    return [row for row in rows if row.current_stage != STAGE_DELETED_INTERNAL]


def places(session: Session, workspace: str, name: str, versions: list[Any]) -> list[tuple[Any, str, str]]:
    """Return what a model's versions hold: (version's row, ``alias`` or ``stage``, which)."""
    by_number = {row.version: row for row in versions}
    aliases = (
        session.query(SqlRegisteredModelAlias)
        .filter(SqlRegisteredModelAlias.workspace == workspace, SqlRegisteredModelAlias.name == name)
        .all()
    )
    held = [(by_number[row.version], "alias", row.alias) for row in aliases if row.version in by_number]
    return held + [
        (row, "stage", row.current_stage) for row in versions if row.current_stage in ACTIVE_STAGES
    ]


def held_alias(session: Session, row: Any, alias: str) -> Any | None:
    """Return MLflow's row of an alias of a version's model, None where nothing holds it."""
    key = {"workspace": row.workspace, "name": row.name, "alias": alias}
    return session.get(SqlRegisteredModelAlias, key)


def alias_as_stored(session: Session, workspace: str, name: str, alias: str) -> str | None:
    """Return how the database spells the alias that it takes for ``alias``."""
    found = (
        session.query(SqlRegisteredModelAlias.alias)
        .filter(
            SqlRegisteredModelAlias.workspace == workspace,
            SqlRegisteredModelAlias.name == name,
            SqlRegisteredModelAlias.alias == alias,
        )
        .first()
    )
    return None if found is None else str(found[0])


def subject_of(row: Any) -> VersionKey:
    """Return which version a row is; the name as the registry has it, not as somebody typed it."""
    return VersionKey(row.workspace, row.name, row.version, row.creation_time)


def stored_tag(session: Session, subject: VersionKey, key: str) -> Any | None:
    """Return MLflow's row of a version's tag that its database takes for ``key``."""
    return (
        session.query(SqlModelVersionTag)
        .filter(
            SqlModelVersionTag.workspace == subject.workspace,
            SqlModelVersionTag.name == subject.name,
            SqlModelVersionTag.version == subject.version,
            SqlModelVersionTag.key == key,
        )
        .one_or_none()
    )


def put_tag(session: Session, subject: VersionKey, key: str, value: str) -> None:
    """Write a version's tag."""
    session.merge(
        SqlModelVersionTag(
            workspace=subject.workspace, name=subject.name, version=subject.version, key=key, value=value
        )
    )


def remove_tags(session: Session, subject: VersionKey, keys: frozenset[str]) -> None:
    """Remove a version's tags of these exact names."""
    for key in sorted(keys):
        row = stored_tag(session, subject, key)
        if row is not None and row.key == key:
            session.delete(row)


def remove_own_tags(session: Session, workspace: str, name: str) -> None:
    """Remove the gate's tags from every version of a model."""
    rows = (
        session.query(SqlModelVersionTag)
        .filter(SqlModelVersionTag.workspace == workspace, SqlModelVersionTag.name == name)
        .all()
    )
    for row in rows:
        if is_reserved(row.key):
            session.delete(row)
    session.flush()
