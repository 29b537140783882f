"""What becomes of decisions when the version they speak of is renamed or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from gate.registry.enforcement.tables.registry import now
from gate.registry.enforcement.tables.schema import decisions, overrides

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def end_decisions(session: Session, workspace: str, name: str, reason: str) -> None:
    """Revoke every decision and override on a model's versions.

    A decision is bound to a name: a model that was renamed and renamed back is not what was judged,
    as nobody guarded its files in between.
    """
    at = now()
    for table, values in ((decisions, {"revoked_reason": reason}), (overrides, {})):
        session.execute(
            update(table)
            .where(table.c.workspace == workspace, table.c.name == name, table.c.revoked_at.is_(None))
            .values(revoked_at=at, **values)
        )
