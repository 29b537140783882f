"""The policies and keys in force, parsed once and again only when one of them changed.

Every server process has a book of its own; the counter in ``gate_registry`` tells it when another
process, or somebody at the command line, changed something.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.policy import InvalidPolicyError, parse_policy
from gate.registry.enforcement.tables.keys import all_keys
from gate.registry.enforcement.tables.policies import active_policies, policies_state, previous_policy
from gate.registry.enforcement.tables.registry import revision

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gate.policy import Policy
    from gate.registry.enforcement.tables.interface import PoliciesState, StoredKey, StoredPolicy


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy in force; ``previous`` is what it replaced, for as long as ``policy.grace`` lasts."""

    policy: Policy
    stored: StoredPolicy
    previous: StoredPolicy | None


@dataclass(frozen=True, slots=True)
class Page:
    """What was in force at one revision.

    ``unreadable`` names policies in force that this program cannot read: what they govern is not
    known, so nothing may be promoted until they are mended.
    """

    revision: int
    state: PoliciesState
    policies: tuple[InForce, ...]
    unreadable: tuple[str, ...]
    keys: tuple[StoredKey, ...]


class Book:
    """Gives the page in force; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._page: Page | None = None

    def page(self, session: Session) -> Page:
        """Return what is in force now: one probe of one row, and more only when something changed.

        Raises
        ------
        gate.registry.enforcement.tables.interface.SchemaError
            The tables were never set up.
        """
        number = revision(session)
        known = self._page
        if known is not None and known.revision == number:
            return known
        with self._lock:
            self._page = read_page(session, number)
            return self._page


def read_page(session: Session, number: int) -> Page:
    """Read and parse what is in force."""
    policies, unreadable = [], []
    for stored in active_policies(session):
        try:
            policy = parse_policy(stored.text, stored.name)
        except InvalidPolicyError:
            unreadable.append(stored.name)
            continue
        policies.append(InForce(policy, stored, previous_policy(session, stored)))
    return Page(number, policies_state(session), tuple(policies), tuple(unreadable), all_keys(session))
