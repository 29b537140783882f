"""MLflow's SQL registry store with the gate in front of everything that promotes or could forge.

What is overridden, and nothing else: aliases and stages set, versions copied, models renamed or
deleted, tags written, and what is read by name (the gate's read-only tags).  MLflow's own methods
still do the work, inside the transaction in which the promotion was looked up (``sessions``).

Importing this module imports MLflow's stores, which import their plugins: only ``plugin`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from mlflow.entities.model_registry.model_version_stages import get_canonical_stage
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.validation import (
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_renaming,
    _validate_model_version,
)

from gate.registry.enforcement.endings import end_decisions
from gate.registry.enforcement.guard import Guard
from gate.registry.enforcement.reserved import carries, is_reserved, without_reserved
from gate.registry.enforcement.rows import (
    ACTIVE_STAGES,
    found_version,
    locked_version,
    locked_versions,
    stored_tag,
    subject_of,
)
from gate.registry.enforcement.rulebook import MYSQL, RulebookReader
from gate.registry.enforcement.served import read_served
from gate.registry.enforcement.sessions import SharedSessions
from gate.registry.enforcement.tables.artifacts import release_artifacts, release_model
from gate.registry.enforcement.tables.seed import prepare
from gate.registry.enforcement.tagging import reserved, set_own_tag
from gate.registry.enforcement.virtual import is_prompt, over_model, over_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.enforcement.tables.interface import RecordedRoot

# MLflow's stores have no types, and their methods no annotations to override.
# mypy: disable-error-code="misc, no-untyped-call, no-any-return, has-type"


class _Enforcing(SqlAlchemyStore):
    """The gate's overrides; mixed into either of MLflow's SQL stores."""

    def __init__(self, db_uri: str, read_db_uri: str | None = None) -> None:
        super().__init__(db_uri, read_db_uri=read_db_uri)
        prepare(self.engine)
        dialect = str(self._get_dialect())
        self._sessions = SharedSessions(self.ManagedSessionMaker, dialect)
        self.ManagedSessionMaker = self._sessions
        self._rulebooks = RulebookReader(dialect)
        self._guard = Guard(self._sessions, self._rulebooks, dialect)

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        _validate_model_alias_name(alias)
        _validate_model_alias_name_reserved(alias)
        number = _validate_model_version(version)
        at = (self._get_active_workspace(), name, number)
        set_alias = super().set_registered_model_alias
        self._guard.promote("alias", alias, at, lambda: set_alias(name, alias, number))

    def transition_model_version_stage(
        self,
        name: str,
        version: Any,
        stage: str,
        archive_existing_versions: bool,  # noqa: FBT001 - as MLflow calls it
    ) -> Any:
        canonical = get_canonical_stage(stage)
        number = _validate_model_version(version)
        transition = super().transition_model_version_stage

        def write() -> Any:
            return transition(name, number, canonical, archive_existing_versions)

        if canonical not in ACTIVE_STAGES:
            return write()
        at = (self._get_active_workspace(), name, number)
        return self._guard.promote("stage", canonical, at, write)

    def create_registered_model(
        self, name: str, tags: Any = None, description: str | None = None, deployment_job_id: Any = None
    ) -> Any:
        return super().create_registered_model(name, without_reserved(tags), description, deployment_job_id)

    def create_model_version(
        self, name: str, source: str, run_id: str | None = None, tags: Any = None, *others: Any, **more: Any
    ) -> Any:
        create = super().create_model_version
        kept = without_reserved(tags)

        def write() -> Any:
            return create(name, source, run_id, kept, *others, **more)

        copied = self._copied_version(source)
        return write() if copied is None else self._guard.copy(name, copied, write)

    def _copied_version(self, source: str) -> tuple[str, str, int] | None:
        """Return which registered version ``source`` is; None for a run, a logged model or a place."""
        if urlparse(source).scheme != "models":
            return None
        parsed = _parse_model_uri(source)
        if parsed.model_id is not None:
            return None
        name, version = parsed.name, parsed.version
        if version is None and parsed.alias is not None:
            version = self.get_model_version_by_alias(name, parsed.alias).version
        # MLflow's store copies nothing else: by a stage or `latest` it fails by itself.
        return None if version is None else (self._get_active_workspace(), name, int(version))

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        _validate_model_renaming(new_name)
        rename = super().rename_registered_model
        return self._guard.rename(
            self._get_active_workspace(), name, new_name, lambda: rename(name, new_name)
        )

    def delete_registered_model(self, name: str) -> None:
        workspace = self._get_active_workspace()
        with self._sessions.transaction() as session:
            locked_versions(session, workspace, name)
            end_decisions(session, workspace, name, "the model was deleted")
            release_model(session, workspace, name)
            super().delete_registered_model(name)

    def delete_model_version(self, name: str, version: Any) -> None:
        at = (self._get_active_workspace(), name, _validate_model_version(version))
        with self._sessions.transaction() as session:
            row = locked_version(session, *at)
            if row is not None:
                release_artifacts(session, subject_of(row))
            super().delete_model_version(name, version)

    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> None:
        set_tag = super().set_model_version_tag
        self._tag_version(name, version, tag.key, tag.value, lambda: set_tag(name, version, tag))

    def delete_model_version_tag(self, name: str, version: Any, key: str) -> None:
        delete_tag = super().delete_model_version_tag
        self._tag_version(name, version, key, None, lambda: delete_tag(name, version, key))

    def _tag_version(
        self, name: str, version: Any, key: str, value: str | None, write: Callable[[], None]
    ) -> None:
        """Let MLflow set or delete a tag, unless it is one of the gate's."""
        if not is_reserved(key) and self._get_dialect() not in MYSQL:
            write()
            return
        at = (self._get_active_workspace(), name, _validate_model_version(version))
        files = self._files(*at) if value is not None and carries(key) else None
        with self._sessions.transaction() as session:
            row = locked_version(session, *at)
            stored = None if row is None else stored_tag(session, subject_of(row), key)
            ours = is_reserved(key) or (stored is not None and is_reserved(stored.key))
            if row is None or not ours:
                write()
            elif value is not None:
                set_own_tag(session, self._rulebooks.read(session), row, key, value, files)
            elif stored is not None:
                raise reserved(key)

    def _files(self, workspace: str, name: str, version: int) -> RecordedRoot | None:
        """List the files of a version where this server serves them: before the lock, as it takes time."""
        with self._sessions.reading() as session:
            row = found_version(session, workspace, name, version)
            known = (
                None
                if row is None or is_prompt(row)
                else (subject_of(row), row.storage_location or row.source)
            )
        return None if known is None else read_served(*known)

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        if is_reserved(tag.key):
            if self.get_registered_model(name).tags.get(tag.key) != tag.value:
                raise reserved(tag.key)
            return
        super().set_registered_model_tag(name, tag)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        if is_reserved(key) and key in self.get_registered_model(name).tags:
            raise reserved(key)
        super().delete_registered_model_tag(name, key)

    def get_registered_model(self, name: str) -> Any:
        with self._sessions.reading() as session:
            model = super().get_registered_model(name)
            return over_model(model, self._get_active_workspace(), self._rulebooks.read(session))

    def get_model_version(self, name: str, version: Any) -> Any:
        with self._sessions.reading() as session:
            return over_version(super().get_model_version(name, version), self._rulebooks.read(session))

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        with self._sessions.reading() as session:
            found = super().get_model_version_by_alias(name, alias)
            return over_version(found, self._rulebooks.read(session))


class GateStore(_Enforcing):
    """The registry of a server without workspaces."""


class WorkspaceGateStore(_Enforcing, WorkspaceAwareSqlAlchemyStore):
    """The registry of a server with workspaces; each request acts in its own."""
