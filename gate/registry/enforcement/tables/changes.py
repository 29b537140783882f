"""Changing what is in force, with an entry in the audit trail for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.registry.enforcement.tables.interface import AuditEntry, StoredKey
from gate.registry.enforcement.tables.keys import add_key, revoke_key
from gate.registry.enforcement.tables.policies import activate_policy, active_policies, retire_policy
from gate.registry.enforcement.tables.records import record_audit
from gate.registry.enforcement.tables.registry import advance, now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from gate.registry.attestation.interface import TrustedKey
    from gate.registry.enforcement.tables.interface import Origin
    from gate.registry.enforcement.tables.policy_files import PolicyFile


def activate_files(
    session: Session, files: Iterable[PolicyFile], *, origin: Origin, who: str
) -> tuple[str, ...]:
    """Put validated policies in force; return the names of those that ask something new."""
    news = []
    for file in files:
        before = next((one for one in active_policies(session) if one.name == file.name), None)
        activate_policy(session, file.name, file.digest, file.text, origin=origin, who=who)
        if before is None or before.digest != file.digest:
            _note(session, "policy.activate", who, f"policy {file.name} {file.digest}", policy=file.name)
            news.append(file.name)
    return tuple(news)


def push_policies(
    session: Session, files: tuple[PolicyFile, ...], *, who: str, replace: bool, remove: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put policies in force by hand and take others out; return the names of both.

    ``replace`` takes out every policy that ``files`` does not name.

    Raises
    ------
    gate.errors.UsageError
        A name to remove is not in force, is pushed at the same time, or one to push differs from one
        in force by case alone.
    """
    advance(session)
    pushed = {file.name for file in files}
    in_force = {policy.name for policy in active_policies(session)}
    for name in remove:
        if name in pushed or name not in in_force:
            what = "is pushed and removed at once" if name in pushed else "is not in force"
            raise UsageError(
                f"policy {name} {what}", hint=f"In force: {', '.join(sorted(in_force)) or 'none'}."
            )
    out = tuple(sorted((in_force - pushed) if replace else set(remove)))
    for name in out:
        retire_policy(session, name)
        _note(session, "policy.remove", who, f"policy {name} taken out of force", policy=name)
    refuse_lookalikes(session, files)
    return activate_files(session, files, origin="push", who=who), out


def refuse_lookalikes(session: Session, files: Iterable[PolicyFile]) -> None:
    """Refuse names that differ from one in force by case alone: tags and people mix them up.

    Raises
    ------
    gate.errors.UsageError
        There is one.
    """
    folded = {policy.name.casefold(): policy.name for policy in active_policies(session)}
    for file in files:
        other = folded.get(file.name.casefold(), file.name)
        if other != file.name:
            raise UsageError(
                f"policy {file.name} differs from policy {other}, which is in force, by case alone",
                hint="Give it another name, or that one's.",
            )


def trust_keys(session: Session, keys: Iterable[TrustedKey], *, origin: Origin, who: str) -> tuple[str, ...]:
    """Trust keys; return the ids of those that are new or changed.

    Raises
    ------
    gate.errors.UsageError
        One contradicts a key that is trusted or was revoked.
    """
    news = []
    for key in keys:
        if add_key(session, stored_key(key, origin=origin)):
            models = ", ".join(key.models)
            _note(session, "key.add", who, f"key {key.id} trusted to {key.role} for {models}")
            news.append(key.id)
    return tuple(news)


def distrust_key(session: Session, key_id: str, *, since: int, who: str) -> StoredKey:
    """Revoke a key, see :func:`~gate.registry.enforcement.tables.keys.revoke_key`.

    Raises
    ------
    gate.registry.enforcement.tables.interface.UnknownKeyError
        There is no such key.
    """
    revoked = revoke_key(session, key_id, since=since)
    _note(session, "key.revoke", who, f"key {key_id} revoked since decision {revoked.revoked_since}")
    return revoked


def stored_key(key: TrustedKey, *, origin: Origin = "push") -> StoredKey:
    """Return the row of a trusted key."""
    return StoredKey(
        id=key.id,
        role=key.role,
        public_pem=key.public_pem,
        models=key.models,
        not_before=_milliseconds(key.not_before),
        not_after=_milliseconds(key.not_after),
        origin=origin,
    )


def _note(session: Session, action: str, who: str, message: str, policy: str | None = None) -> None:
    record_audit(session, AuditEntry(now(), action, allowed=True, message=message, who=who, policy=policy))


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
