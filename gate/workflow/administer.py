"""An operator's work on the gate's own tables: their version, the policies and the keys in force.

It opens the registry's database itself; no MLflow server needs to run.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gate.errors import UsageError
from gate.registry.enforcement.tables.changes import distrust_key, push_policies, trust_keys
from gate.registry.enforcement.tables.database import SETTING, Database, open_database, unreachable
from gate.registry.enforcement.tables.decisions import last_seq, signed_in_force
from gate.registry.enforcement.tables.interface import UnknownKeyError
from gate.registry.enforcement.tables.keys import all_keys, key
from gate.registry.enforcement.tables.migrate import check, current_version, newest_version, upgrade
from gate.registry.enforcement.tables.policies import active_policies
from gate.registry.enforcement.tables.policy_files import read_policy_files
from gate.registry.enforcement.tables.registry import now
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gate.registry.enforcement.tables.interface import StoredKey, StoredPolicy

KeyState = Literal["trusted", "not yet valid", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class TablesUpgrade:
    """The version of the tables before and after, and the database without its password."""

    database: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class PolicyPush:
    """Names of policies that ask something new, that were taken out, and what is in force now."""

    activated: tuple[str, ...]
    removed: tuple[str, ...]
    in_force: tuple[StoredPolicy, ...]


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key, and the numbers of the decisions in force that it signed."""

    key: StoredKey
    signed: tuple[int, ...]
    newest: int

    @property
    def stale(self) -> tuple[int, ...]:
        """Return the numbers of the decisions in force that its revocation stales."""
        return tuple(seq for seq in self.signed if self.key.stales(seq))


def upgrade_tables(uri: str | None) -> TablesUpgrade:
    """Make or migrate the tables.

    Raises
    ------
    gate.errors.GateError
        The database cannot be reached, or its tables are of a newer program.
    """
    database = _named(uri)
    with _complaining(database):
        before = current_version(database.engine)
        upgrade(database.engine)
    return TablesUpgrade(database.shown, before, newest_version())


def check_tables(uri: str | None) -> TablesUpgrade:
    """Return the version of the tables if it is the one that this program needs.

    Raises
    ------
    gate.errors.GateError
        It is not, or the database cannot be reached.
    """
    database = _ready(uri)
    return TablesUpgrade(database.shown, newest_version(), newest_version())


def push(
    files: Sequence[Path | str], uri: str | None, *, replace: bool = False, remove: Sequence[str] = ()
) -> PolicyPush:
    """Put policy files in force, all or none, and take others out.

    Raises
    ------
    gate.errors.GateError
        A file is not valid, a name to remove is not in force, or the database cannot be reached.
    """
    if not files and not remove:
        raise UsageError("nothing to push", hint="Name policy files, or --remove NAME.")
    if replace and (remove or not files):
        raise UsageError("--replace goes with files and without --remove")
    read = read_policy_files(files)
    database = _ready(uri)
    with database.transaction() as session:
        activated, removed = push_policies(
            session, read, who=operator(), replace=replace, remove=tuple(dict.fromkeys(remove))
        )
        return PolicyPush(activated, removed, active_policies(session))


def add_keys(paths: Sequence[Path], uri: str | None) -> tuple[str, ...]:
    """Trust the keys that documents describe, all or none; return the ids of the new or changed ones.

    Raises
    ------
    gate.errors.GateError
        A document is not valid, it contradicts a key that is known, or the database cannot be reached.
    """
    from gate.registry.attestation.keys import load_trusted_keys  # noqa: PLC0415 - cryptography

    keys = [found for path in paths for found in load_trusted_keys(path)]
    database = _ready(uri)
    with database.transaction() as session:
        return trust_keys(session, keys, origin="push", who=operator())


def list_keys(uri: str | None) -> tuple[StoredKey, ...]:
    """Return every key, revoked ones too.

    Raises
    ------
    gate.errors.GateError
        The database cannot be reached.
    """
    with _ready(uri).transaction() as session:
        return all_keys(session)


def show_key(key_id: str, uri: str | None) -> KeyUse:
    """Return a key and what in force it signed.

    Raises
    ------
    gate.errors.GateError
        There is no such key, or the database cannot be reached.
    """
    with _ready(uri).transaction() as session:
        found = key(session, key_id)
        if found is None:
            raise UnknownKeyError(
                f"no key {printable(key_id)!r} is trusted here", hint="`gate keys list` names them."
            )
        return KeyUse(found, signed_in_force(session, key_id), last_seq(session))


def revoke(key_id: str, uri: str | None, *, since: int = 0) -> KeyUse:
    """Revoke a key from decision number ``since`` on; 0 for all it ever signed.

    Raises
    ------
    gate.errors.GateError
        There is no such key, or the database cannot be reached.
    """
    with _ready(uri).transaction() as session:
        revoked = distrust_key(session, key_id, since=since, who=operator())
        return KeyUse(revoked, signed_in_force(session, key_id), last_seq(session))


def key_state(stored: StoredKey, at: int | None = None) -> KeyState:
    """Return whether a key may sign something new now."""
    time = now() if at is None else at
    if stored.revoked_at is not None:
        return "revoked"
    if stored.not_before is not None and time < stored.not_before:
        return "not yet valid"
    if stored.not_after is not None and time >= stored.not_after:
        return "expired"
    return "trusted"


def operator() -> str:
    """Return who runs this, for the audit trail."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"[:256]


def _named(uri: str | None) -> Database:
    found = uri or os.environ.get(SETTING)
    if not found:
        raise UsageError("no database was named", hint=f"Give --database URI, or set {SETTING}.")
    return open_database(found)


def _ready(uri: str | None) -> Database:
    database = _named(uri)
    with _complaining(database):
        check(database.engine)
    return database


@contextlib.contextmanager
def _complaining(database: Database) -> Iterator[None]:
    """Turn a database's complaint into ours, without the password."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - keeps `gate --help` fast

    try:
        yield
    except SQLAlchemyError as error:
        raise unreachable(database, error) from error
