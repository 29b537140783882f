"""The policies and keys in force, parsed once and kept until the tables say that they changed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from gate.errors import PolicyError
from gate.policy import governs, parse_policy, policy_digest
from gate.registry.attestation.interface import TrustedKey
from gate.registry.enforcement.folding import bare
from gate.registry.enforcement.ruling import Governing
from gate.registry.enforcement.tables.decisions import standing
from gate.registry.enforcement.tables.keys import all_keys
from gate.registry.enforcement.tables.policies import active_policies, policies_state, previous_policy
from gate.registry.enforcement.tables.registry import registry_id, revision
from gate.spectra.conventions import CONVENTIONS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gate.policy.rules import Policy
    from gate.registry.enforcement.tables.interface import (
        PoliciesState,
        StoredDecision,
        StoredKey,
        StoredPolicy,
        VersionKey,
    )

MYSQL: Final = frozenset({"mysql", "mariadb"})
"""Databases that take names for equal which differ in case or accents."""

_KEPT: Final = 4
"""Revisions kept: a read replica may lag behind the primary and be asked in turn with it."""


@dataclass(frozen=True, slots=True)
class Enforced:
    """A policy in force; ``policy`` is None where its row is not what somebody validated."""

    stored: StoredPolicy
    policy: Policy | None
    last: StoredPolicy | None

    def governs(self, *, model: str, alias: str | None, stage: str | None, workspace: str) -> bool:
        """Tell whether it governs a promotion; what cannot be read may govern everything."""
        return self.policy is None or governs(
            self.policy, model=model, alias=alias, stage=stage, workspace=workspace
        )

    def governs_lookalike(self, *, model: str, alias: str | None, stage: str | None, workspace: str) -> bool:
        """Tell the same where the database takes names for equal that differ in case, accents or width."""
        match = self.policy.match if self.policy is not None else None
        return match is None or all(
            globs is None or value is None or any(fnmatchcase(bare(value), bare(glob)) for glob in globs)
            for globs, value in (
                (match.models, model),
                (match.aliases, alias),
                (match.stages, stage),
                (match.workspaces, workspace),
            )
        )

    def governing(self) -> Governing:
        """Return it as what a promotion is judged by."""
        if self.policy is None:
            return Governing(self.stored.name, self.stored.digest, "enforce", readable=False)
        until = moment(self.stored.activated_at) + self.policy.grace
        last = self.last.digest if self.last is not None else None
        return Governing(self.stored.name, self.stored.digest, self.policy.mode, last, until)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything that promotions and attestations are judged by, at one revision of the tables.

    ``lookalikes`` says that the registry's database takes names for equal that differ in accents: who
    asks there for ``champion`` gets what stands under ``chámpion``.
    """

    registry: str
    state: PoliciesState
    policies: tuple[Enforced, ...]
    keys: tuple[StoredKey, ...]
    lookalikes: bool = False

    def policy(self, name: str) -> Enforced | None:
        """Return the policy in force under a name."""
        return next((policy for policy in self.policies if policy.stored.name == name), None)

    def governing(
        self, *, model: str, workspace: str, alias: str | None = None, stage: str | None = None
    ) -> tuple[Enforced, ...]:
        """Return the policies that govern a promotion."""
        asked: Any = {"model": model, "alias": alias, "stage": stage, "workspace": workspace}
        return tuple(
            policy
            for policy in self.policies
            if policy.governs(**asked) or (self.lookalikes and policy.governs_lookalike(**asked))
        )

    def trusted(self) -> tuple[TrustedKey, ...]:
        """Return the keys that may sign something new: those that were revoked under no id."""
        revoked = {key.public_pem for key in self.keys if key.revoked_at is not None}
        return tuple(trusted(key) for key in self.keys if key.public_pem not in revoked)

    def unstaled(self, seq: int) -> tuple[StoredKey, ...]:
        """Return the keys whose signature on the decision ``seq`` still counts.

        Who revokes a key that leaked means the key, under whatever other ids and roles it is trusted.
        """
        stale = {key.public_pem for key in self.keys if key.stales(seq)}
        return tuple(key for key in self.keys if key.public_pem not in stale)


@dataclass(frozen=True, slots=True)
class Standing:
    """A version's decisions in force and the rulebook that they are held against, read at once."""

    book: Rulebook
    subject: VersionKey
    decisions: tuple[StoredDecision, ...]


class RulebookReader:
    """Reads the rulebook through a session; one query where nothing changed."""

    def __init__(self, dialect: str) -> None:
        self._lookalikes = dialect in MYSQL
        self._books: OrderedDict[int, Rulebook] = OrderedDict()
        self._lock = Lock()

    def read(self, session: Session) -> Rulebook:
        """Return the rulebook as this session's database has it."""
        return self._at(session, revision(session))

    def standing(self, session: Session, subject: VersionKey) -> Standing:
        """Return the same with what was decided on a version; the caller holds its lock."""
        number, decisions = standing(session, subject)
        return Standing(self._at(session, number), subject, decisions)

    def _at(self, session: Session, number: int) -> Rulebook:
        with self._lock:
            known = self._books.get(number)
        if known is not None:
            return known
        book = _load(session, lookalikes=self._lookalikes)
        with self._lock:
            self._books[number] = book
            while len(self._books) > _KEPT:
                self._books.popitem(last=False)
        return book


def moment(milliseconds: int) -> datetime:
    """Return a time of the tables as a datetime in UTC."""
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)


def milliseconds(time: datetime) -> int:
    """Return a datetime as the tables keep it."""
    return (time - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def trusted(key: StoredKey) -> TrustedKey:
    """Return a stored key as what opens envelopes."""
    return TrustedKey(
        key.id,
        key.role,
        key.public_pem,
        key.models,
        None if key.not_before is None else moment(key.not_before),
        None if key.not_after is None else moment(key.not_after),
    )


def _load(session: Session, *, lookalikes: bool) -> Rulebook:
    rows = active_policies(session)
    policies = tuple(Enforced(row, _verified(row), previous_policy(session, row)) for row in rows)
    return Rulebook(registry_id(session), policies_state(session), policies, all_keys(session), lookalikes)


def _verified(row: StoredPolicy) -> Policy | None:
    """Parse a stored policy; None unless it still is what its name and digest say."""
    try:
        policy = parse_policy(row.text, f"gate_policies row {row.seq}")
    except PolicyError:
        return None
    known = {policy_digest(policy, convention.name) for convention in CONVENTIONS}
    return policy if policy.name == row.name and row.digest in known else None
