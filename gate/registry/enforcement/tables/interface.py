"""What the tables give and take: one frozen value per kind of row.

Times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gate.errors import GateError, RegistryError, UsageError

Role = Literal["check", "waive", "override"]
Origin = Literal["seed", "push"]
PoliciesState = Literal["never", "loaded", "removed"]
"""``never``: none was ever loaded, refuse what might be governed.  ``removed``: somebody did, by hand."""

How = Literal["decision", "override", "rollback", "audit"]
"""By what right a version got its alias."""


class StaleDecisionError(GateError):
    """Somebody else's decision on the same version and policy arrived first."""


class SchemaError(RegistryError):
    """The gate's tables are missing, older or newer than this program."""


class UnknownKeyError(UsageError):
    """A key that the tables do not hold."""


@dataclass(frozen=True, slots=True)
class VersionKey:
    """One registered version; deleted and recreated, it differs in its creation time."""

    workspace: str
    name: str
    version: int
    creation_time: int


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """One version of one policy; ``retired_at`` is None while it is in force.

    ``text`` is the policy file as it was validated; ``activated_at`` is when its digest came into
    force (a change of words alone does not reset it), which is what ``grace`` counts from.
    """

    seq: int
    name: str
    digest: str
    text: str
    origin: Origin
    activated_at: int
    who: str | None = None
    retired_at: int | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A trusted public key.

    ``revoked_since`` is the first number of a decision that its revocation stales; 0 for all.
    """

    id: str
    role: Role
    public_pem: str
    models: tuple[str, ...] = ("*",)
    not_before: int | None = None
    not_after: int | None = None
    origin: Origin = "push"
    added_at: int = 0
    revoked_since: int | None = None
    revoked_at: int | None = None

    def stales(self, seq: int) -> bool:
        """Tell whether the revocation takes what this key signed under number ``seq``."""
        return self.revoked_since is not None and seq >= self.revoked_since


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision that was just verified, before it has a number."""

    subject: VersionKey
    policy: str
    policy_digest: str
    outcome: str
    passed: bool
    envelope: str
    digest: str
    key_id: str
    accepted_at: int
    model_digest: str | None = None
    supersedes: str | None = None
    report: str | None = None
    summary: str | None = None
    not_after: int | None = None


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision in the order the server took it (``seq``); ``current`` unless a later one replaced it."""

    seq: int
    subject: VersionKey
    policy: str
    policy_digest: str
    outcome: str
    passed: bool
    envelope: str
    digest: str
    key_id: str
    accepted_at: int
    model_digest: str | None
    supersedes: str | None
    report: str | None
    summary: str | None
    not_after: int | None
    current: bool
    revoked_at: int | None
    revoked_reason: str | None


@dataclass(frozen=True, slots=True)
class NewOverride:
    """A signed override, before it has a number; ``alias`` is case-folded."""

    subject: VersionKey
    alias: str
    policy: str
    reason: str
    envelope: str
    digest: str
    key_id: str
    accepted_at: int
    not_after: int
    who: str | None = None


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """An override as the server took it."""

    seq: int
    subject: VersionKey
    alias: str
    policy: str
    reason: str
    envelope: str
    digest: str
    key_id: str
    accepted_at: int
    not_after: int
    who: str | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who asked what, and what came of it; ``would_refuse``: a policy in audit mode let it pass."""

    at: int
    action: str
    allowed: bool
    message: str
    who: str | None = None
    workspace: str | None = None
    name: str | None = None
    version: int | None = None
    target: str | None = None
    policy: str | None = None
    would_refuse: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """One file of a version at acceptance: its path below the root, size in bytes, ETag if it has one."""

    path: str
    size: int | None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedRoot:
    """Where a decided version's files stand, relative to the artifact destination of the server.

    ``complete`` is False when there were more files than are recorded; the folder is protected whole
    all the same.
    """

    subject: VersionKey
    root: str
    files: tuple[RecordedFile, ...]
    complete: bool
    recorded_at: int


@dataclass(frozen=True, slots=True)
class AliasHeld:
    """A version got an alias; ``decisions`` are the numbers of the decisions it passed under."""

    subject: VersionKey
    alias: str
    decisions: tuple[int, ...]
    how: How
    at: int
    who: str | None = None
    seq: int = 0
