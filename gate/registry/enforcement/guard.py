"""The order of things around a promotion: lock, look up, write or refuse, remember."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from gate.registry.enforcement.endings import end_decisions
from gate.registry.enforcement.promotion import remember, remember_refusal, rule_on
from gate.registry.enforcement.refusal import PromotionRefusedError
from gate.registry.enforcement.rows import (
    alias_as_stored,
    held_alias,
    locked_version,
    locked_versions,
    places,
    remove_own_tags,
    subject_of,
)
from gate.registry.enforcement.rulebook import MYSQL
from gate.registry.enforcement.ruling import Promotion
from gate.registry.enforcement.tables.artifacts import rename_artifacts
from gate.registry.enforcement.tables.interface import VersionKey
from gate.registry.enforcement.virtual import is_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from gate.registry.enforcement.rulebook import RulebookReader, Standing
    from gate.registry.enforcement.ruling import Kind, Ruling
    from gate.registry.enforcement.sessions import SharedSessions

Written = TypeVar("Written")


class Guard:
    """What stands between a request and MLflow's own method, which it gets as ``write``."""

    def __init__(self, sessions: SharedSessions, reader: RulebookReader, dialect: str) -> None:
        self._sessions = sessions
        self._reader = reader
        self._dialect = dialect

    def promote(
        self, kind: Kind, target: str, at: tuple[str, str, int], write: Callable[[], Written]
    ) -> Written:
        """Set an alias or a stage of the version ``at`` (workspace, name, version), if it may be.

        What does not exist is left to MLflow to say.

        Raises
        ------
        gate.registry.enforcement.refusal.PromotionRefusedError
            It may not be.
        """
        with self._remembering(), self._sessions.transaction() as session:
            row = locked_version(session, *at, shared=kind == "alias")
            if row is not None and not is_prompt(row):
                # Held on to until MLflow writes, which then finds it in the session and asks no more.
                held = held_alias(session, row, target) if kind == "alias" else None
                changes = held is None or held.version != row.version
                standing = self._reader.standing(session, subject_of(row))
                for spelling in self._spellings(session, kind, target, row):
                    promotion = Promotion(kind, spelling, row.workspace, row.name, row.version)
                    ruling = _judge(session, standing, promotion, kind)
                    # What stays where it is has to be allowed too, and is not news.
                    if changes:
                        remember(session, promotion, standing.subject, ruling)
            return write()

    def copy(self, into: str, source: tuple[str, str, int], write: Callable[[], Written]) -> Written:
        """Make a version of the model ``into`` out of the version ``source``, if it may be."""
        with self._remembering(), self._sessions.transaction() as session:
            row = locked_version(session, *source, shared=True)
            if row is not None and not is_prompt(row):
                standing = self._reader.standing(session, subject_of(row))
                governing = standing.book.governing(model=into, workspace=row.workspace)
                promotion = Promotion("copy", into, row.workspace, row.name, row.version)
                ruling = rule_on(session, standing, promotion, governing)
                remember(session, promotion, standing.subject, ruling)
            return write()

    def rename(self, workspace: str, name: str, new_name: str, write: Callable[[], Written]) -> Written:
        """Rename a model, if what its versions hold may be held under the new name.

        Decisions are bound to the name, so under the new one there are none yet.
        """
        with self._remembering(), self._sessions.transaction() as session:
            versions = locked_versions(session, workspace, name)
            for row, kind, target in places(session, workspace, name, versions):
                if not is_prompt(row):
                    subject = VersionKey(row.workspace, new_name, row.version, row.creation_time)
                    standing = self._reader.standing(session, subject)
                    promotion = Promotion("rename", target, row.workspace, new_name, row.version)
                    remember(session, promotion, subject, _judge(session, standing, promotion, kind))
            end_decisions(session, workspace, name, f"the model was renamed to {new_name}")
            remove_own_tags(session, workspace, name)
            rename_artifacts(session, workspace, name, new_name)
            return write()

    def _spellings(self, session: Session, kind: Kind, target: str, row: Any) -> tuple[str, ...]:
        """Return the target, and what it would overwrite where the database takes both for the same."""
        if kind != "alias" or self._dialect not in MYSQL:
            return (target,)
        stored = alias_as_stored(session, row.workspace, row.name, target)
        return (target,) if stored in {None, target} else (target, str(stored))

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        """Keep a refusal in the audit trail; its own transaction was rolled back when it was raised."""
        try:
            yield
        except PromotionRefusedError as error:
            with self._sessions.transaction() as session:
                remember_refusal(session, error)
            raise


def _judge(session: Session, standing: Standing, promotion: Promotion, place: str) -> Ruling:
    """Judge what puts a version into a place, an alias or a stage."""
    governing = standing.book.governing(
        model=standing.subject.name,
        workspace=standing.subject.workspace,
        alias=promotion.target if place == "alias" else None,
        stage=promotion.target if place == "stage" else None,
    )
    return rule_on(session, standing, promotion, governing)
