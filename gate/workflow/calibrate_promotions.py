"""Who held which alias when: an enforcing registry writes it down, a plain one does not.

The history lies in the registry's database, so it is read where that is the registry's address
(``sqlite:…``, ``postgresql:…``, with or without ``gate:`` before it), or where ``GATE_DATABASE``
names it beside a registry reached over HTTP.  Nothing is written.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Final

from gate.study.calibrate.truth import Held

if TYPE_CHECKING:
    from collections.abc import Mapping

_STAGE: Final = "stage:"
_MOST: Final = 10_000


def holders(registry_uri: str, name: str, created: Mapping[int, int]) -> tuple[Held, ...]:
    """Return each time a version of ``name`` got an alias or a stage, oldest first; often nothing.

    Parameters
    ----------
    registry_uri:
        Where the registry is.
    name:
        The registered model.
    created:
        Its versions with the time of their creation, in milliseconds: a model that was deleted and
        made again has others of the same numbers.

    Raises
    ------
    gate.errors.RegistryError
        The database cannot be reached.
    """
    uri = _database(registry_uri)
    if uri is None:
        return ()
    from sqlalchemy import inspect, select  # noqa: PLC0415 - mlflow-skinny comes without it

    from gate.registry.enforcement.tables.database import open_database  # noqa: PLC0415 - as above
    from gate.registry.enforcement.tables.schema import alias_history  # noqa: PLC0415 - as above

    database = open_database(uri)
    columns = alias_history.c
    newest = (
        select(columns.version, columns.creation_time, columns.alias)
        .where(columns.name == name)
        .order_by(columns.seq.desc())
        .limit(_MOST)
    )
    with database.transaction() as session:
        if not inspect(session.connection()).has_table(alias_history.name):
            return ()
        rows = list(session.execute(newest))
    return tuple(
        Held(int(row.version), *_place(str(row.alias)))
        for row in reversed(rows)
        if created.get(int(row.version)) == int(row.creation_time)
    )


def _database(registry_uri: str) -> str | None:
    """Return the database that may hold the history; none without SQLAlchemy, as with mlflow-skinny."""
    if importlib.util.find_spec("sqlalchemy") is None:
        return None
    from gate.registry.enforcement.tables.database import DIALECTS, SCHEME, SETTING  # noqa: PLC0415 - as above

    scheme = registry_uri.removeprefix(SCHEME).partition(":")[0].partition("+")[0]
    return registry_uri if scheme in DIALECTS else os.environ.get(SETTING) or None


def _place(alias: str) -> tuple[str, str]:
    """Return (alias, stage): the history names a stage with a word before it, and no alias has a colon."""
    stage = alias.removeprefix(_STAGE)
    return (alias, "") if stage == alias else ("", stage)
