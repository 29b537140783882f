"""May this version be promoted?  Judged from what was looked up; nothing here looks anything up.

Every governing policy in mode ``enforce`` needs a decision that is this version's current one under
that policy, passed, unexpired, unrevoked, and made under the policy's present digest (or its last
one, while the grace lasts).  What a policy in mode ``audit`` would have refused is only noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from gate.policy.interface import Mode, Outcome

Kind = Literal["alias", "stage", "copy", "rename"]
Ground = Literal["missing", "failed", "revoked", "expired", "stale", "unverifiable"]
How = Literal["ungoverned", "decision", "rollback", "override", "audit"]

FORGIVEN_BY_ROLLBACK: frozenset[Ground] = frozenset({"missing", "stale"})
"""What a policy that changed or came since does not take from a version that was promoted before."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What is asked for: ``target`` is the alias or stage, or the name copied or renamed into.

    ``name`` and ``version`` are the version to be judged: of a copy, the one copied.
    """

    kind: Kind
    target: str
    workspace: str
    name: str
    version: int

    def words(self) -> str:
        """Say it, to follow "refused"."""
        uri = f"models:/{printable(self.name)}/{self.version}"
        target = printable(self.target)
        return {
            "alias": f"alias '{target}' for {uri}",
            "stage": f"stage '{target}' for {uri}",
            "copy": f"copying {uri} into the governed model '{target}'",
            "rename": f"renaming a model into '{printable(self.name)}' while its version {self.version} "
            f"holds '{target}'",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Governing:
    """A policy that governs the promotion; a decision under ``last_digest`` holds until ``last_until``.

    ``readable`` is False where its row in the tables is not what was validated: nothing passes it.
    """

    name: str
    digest: str
    mode: Mode
    last_digest: str | None = None
    last_until: datetime | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A version's current decision under one policy.

    ``revoked`` says why it counts no more, None where it does; ``failures`` are lines that say which
    rule failed.
    """

    seq: int
    policy: str
    policy_digest: str
    outcome: Outcome
    passed: bool
    not_after: datetime | None = None
    revoked: str | None = None
    report: str | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Override:
    """A break-glass statement that opens the alias until ``not_after``."""

    seq: int
    reason: str
    not_after: datetime | None
    revoked: str | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """Why one policy does not allow the promotion."""

    policy: str
    mode: Mode
    ground: Ground
    message: str
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether it may happen, on which ground, under which decisions, and what was objected."""

    allowed: bool
    how: How
    decisions: tuple[int, ...] = ()
    objections: tuple[Objection, ...] = ()


def judge(
    governing: Iterable[Governing],
    held: Mapping[str, Held],
    now: datetime,
    *,
    earlier: frozenset[int] = frozenset(),
    override: Override | None = None,
) -> Ruling:
    """Judge one promotion.

    Parameters
    ----------
    governing:
        The policies that govern it.
    held:
        The version's current decisions, by policy.
    now:
        The server's clock.
    earlier:
        The decisions under which this version held this very alias or stage before; empty where it
        never did.
    override:
        The one given for this alias, if any.
    """
    policies = tuple(governing)
    if not policies:
        return Ruling(allowed=True, how="ungoverned")
    objections = tuple(filter(None, (_objection(policy, held.get(policy.name), now) for policy in policies)))
    refusing = tuple(objection for objection in objections if objection.mode == "enforce")
    decisions = tuple(sorted(held[policy.name].seq for policy in policies if policy.name in held))
    if not refusing:
        return Ruling(
            allowed=True,
            how="audit" if objections else "decision",
            decisions=decisions,
            objections=objections,
        )
    if _returns(refusing, held, earlier, now):
        return Ruling(allowed=True, how="rollback", decisions=tuple(sorted(earlier)), objections=objections)
    if override is not None and _in_force(override, now):
        return Ruling(allowed=True, how="override", decisions=(override.seq,), objections=objections)
    return Ruling(allowed=False, how="decision", decisions=decisions, objections=objections)


def _returns(
    refusing: Iterable[Objection], held: Mapping[str, Held], earlier: frozenset[int], now: datetime
) -> bool:
    """Tell whether the version goes back to a place it held under decisions that are still good."""
    good = {decision.seq for decision in held.values() if _unsound(decision, now) is None}
    grounds = {objection.ground for objection in refusing}
    return bool(earlier) and earlier <= good and grounds <= FORGIVEN_BY_ROLLBACK


def _in_force(override: Override, now: datetime) -> bool:
    return override.revoked is None and override.not_after is not None and now < override.not_after


def _objection(policy: Governing, held: Held | None, now: datetime) -> Objection | None:
    if not policy.readable:
        message = (
            "its row in the registry's tables is not what was validated; an operator has to push it again"
        )
        return Objection(policy.name, policy.mode, "unverifiable", message)
    if held is None:
        return Objection(policy.name, policy.mode, "missing", "there is no decision on this version")
    found = _unsound(held, now) or _outdated(policy, held, now)
    if found is None:
        return None
    ground, message = found
    return Objection(policy.name, policy.mode, ground, message, held.report)


def _unsound(held: Held, now: datetime) -> tuple[Ground, str] | None:
    if held.revoked is not None:
        return "revoked", f"decision {held.seq} was revoked: {printable(held.revoked)}"
    if not held.passed:
        rules = "; ".join(held.failures)
        return "failed", f"decision {held.seq} is {held.outcome}" + (f": {rules}" if rules else "")
    if held.not_after is not None and now >= held.not_after:
        return (
            "expired",
            f"decision {held.seq} ended at {held.not_after:%Y-%m-%d %H:%M} UTC with its first waiver",
        )
    return None


def _outdated(policy: Governing, held: Held, now: datetime) -> tuple[Ground, str] | None:
    if held.policy_digest == policy.digest:
        return None
    in_grace = policy.last_until is not None and now < policy.last_until
    if in_grace and held.policy_digest == policy.last_digest:
        return None
    return "stale", f"decision {held.seq} was made under an earlier version of the policy"
