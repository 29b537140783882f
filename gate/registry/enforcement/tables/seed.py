"""What a server is started with: its folders of policies and trusted keys, taken into the tables.

A folder is taken whole or not at all.  One that is unset, unreadable, empty or holds one bad file
changes nothing: the last good set stays in force, and the log says so.  What a folder no longer
holds stays in force too; only a person takes a policy out (``gate policy push --remove``) or revokes
a key (``gate keys revoke``).  A folder is also heard once only: a policy that was pushed since stays
until the *folder* changes, or every restart would undo the push.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.orm import Session

from gate.errors import GateError
from gate.policy import InvalidPolicyError, parse_policy, policy_digest
from gate.registry.enforcement.tables.changes import (
    activate_files,
    refuse_lookalikes,
    stored_key,
    trust_keys,
)
from gate.registry.enforcement.tables.keys import all_keys
from gate.registry.enforcement.tables.migrate import upgrade
from gate.registry.enforcement.tables.policies import activate_policy, active_policies, last_seeded
from gate.registry.enforcement.tables.policy_files import (
    CONVENTION,
    folder_of_policies,
    read_policy_files,
)
from gate.registry.enforcement.tables.registry import advance
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine

    from gate.registry.attestation.interface import TrustedKey
    from gate.registry.enforcement.tables.policy_files import PolicyFile

POLICIES: Final = "GATE_POLICIES"
TRUSTED_KEYS: Final = "GATE_TRUSTED_KEYS"
WHO: Final = "the server's start"

_log = logging.getLogger(__name__)


def prepare(engine: Engine, environment: Mapping[str, str] | None = None) -> None:
    """Make or migrate the tables and take in the server's folders; safe with many workers at once.

    Raises
    ------
    gate.registry.enforcement.tables.interface.SchemaError
        The tables are of a newer program.
    """
    settings = os.environ if environment is None else environment
    upgrade(engine)
    _restate_digests(engine)
    _taken(engine, POLICIES, settings.get(POLICIES), seed_policies)
    _taken(engine, TRUSTED_KEYS, settings.get(TRUSTED_KEYS), seed_keys)


def _taken(engine: Engine, setting: str, value: str | None, seed: Callable[[Engine, Path], object]) -> None:
    """Take one folder in, or say loudly why not; a refusal leaves what is in force as it was."""
    if not value:
        _log.warning("%s is not set: what is in force stays as it is", setting)
        return
    try:
        seed(engine, Path(value))
    except (GateError, OSError) as error:
        _log.error("%s was NOT taken, the last good set stays in force: %s", setting, _told(error))


def seed_policies(engine: Engine, folder: Path) -> tuple[str, ...]:
    """Put the policies of a folder in force as far as the folder changed; return which.

    Raises
    ------
    gate.errors.PolicyError
        The folder, or one file in it, is not valid; nothing was changed.
    """
    files = read_policy_files(folder_of_policies(folder))
    with Session(engine) as session:
        if not _changed(session, files):
            _say_left(session, files)
            return ()
    with Session(engine) as session, session.begin():
        advance(session)  # first, as it takes the lock that makes several workers take turns
        changed = _changed(session, files)
        refuse_lookalikes(session, changed)
        activate_files(session, changed, origin="seed", who=WHO)
        _say_left(session, files)
    return tuple(file.name for file in changed)


def seed_keys(engine: Engine, path: Path) -> tuple[str, ...]:
    """Trust the keys of a file or folder; return which are new or changed.

    Raises
    ------
    gate.errors.UsageError
        One of them is not valid, or contradicts a key that is trusted; nothing was changed.
    """
    from gate.registry.attestation.keys import load_trusted_keys  # noqa: PLC0415 - cryptography

    keys = load_trusted_keys(path)
    with Session(engine) as session:
        if not _new_keys(session, keys):
            return ()
    with Session(engine) as session, session.begin():
        advance(session)
        return trust_keys(session, _new_keys(session, keys), origin="seed", who=WHO)


def _new_keys(session: Session, keys: tuple[TrustedKey, ...]) -> tuple[TrustedKey, ...]:
    known = {key.id: (key.role, key.models, key.not_before, key.not_after) for key in all_keys(session)}
    pems = {key.id: key.public_pem.split() for key in all_keys(session)}
    return tuple(
        key for key in keys if pems.get(key.id) != key.public_pem.split() or known[key.id] != _said(key)
    )


def _said(key: TrustedKey) -> tuple[object, ...]:
    row = stored_key(key)
    return row.role, row.models, row.not_before, row.not_after


def _changed(session: Session, files: tuple[PolicyFile, ...]) -> tuple[PolicyFile, ...]:
    """Return the files that say something else than this server's folder last said."""
    changed = []
    for file in files:
        before = last_seeded(session, file.name)
        if before is None or before.text != file.text:
            changed.append(file)
    return tuple(changed)


def _say_left(session: Session, files: tuple[PolicyFile, ...]) -> None:
    """Say what is in force beside or instead of what the folder holds."""
    held = {file.name: file for file in files}
    in_force = {policy.name: policy for policy in active_policies(session)}
    for name in sorted(in_force.keys() - held.keys()):
        _log.warning(
            "policy %s is in force but not in %s; `gate policy push --remove %s` takes it out",
            name,
            POLICIES,
            name,
        )
    for name in sorted(held):
        if name not in in_force:
            _log.warning("policy %s was taken out by hand and stays out until its file changes", name)
        elif in_force[name].digest != held[name].digest:
            _log.warning("policy %s was pushed since its file changed; the pushed one is in force", name)


def _restate_digests(engine: Engine) -> None:
    """Follow a program that reads the same words as another digest; grace covers the change."""
    with Session(engine) as session, session.begin():
        for stored in active_policies(session):
            try:
                digest = policy_digest(parse_policy(stored.text, stored.name), CONVENTION)
            except InvalidPolicyError as error:
                _log.error(
                    "policy %s in force cannot be read by this program, every promotion is refused: %s",
                    stored.name,
                    _told(error),
                )
                continue
            if digest != stored.digest:
                activate_policy(
                    session, stored.name, digest, stored.text, origin=stored.origin, who=stored.who
                )


def _told(error: Exception) -> str:
    problems = getattr(error, "problems", ())
    return printable("; ".join(str(problem) for problem in problems) or str(error), 2000)
