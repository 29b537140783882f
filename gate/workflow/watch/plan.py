"""Which versions have no current decision, and why: from what a listing tells of each."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.policy.rules import Policy
    from gate.registry import Naming, ResolvedSource
    from gate.registry.attestation.interface import Statement
    from gate.registry.sweep import ListedVersion
    from gate.workflow.watch.governing import Governing
    from gate.workflow.watch.interface import Reason

COMPARED_DAYS: Final = 30
"""Days for which the files of a version without alias or stage are compared with the judged ones."""

_REMEMBERED: Final = 10_000


def why_check(
    version: ResolvedSource, policies: Sequence[Policy], naming: Naming, convention: str, *, enforced: bool
) -> Reason | None:
    """Return why a version that ``policies`` govern has to be checked, or None where it has not.

    What its tags say counts only where they make up a whole decision (:mod:`gate.registry.decision`).
    Where the registry enforces, each policy has a signed decision of its own, which the registry let
    in, and what it holds of policies that do not govern this model says nothing.
    """
    from gate.policy import policy_digest  # noqa: PLC0415 - pydantic and YAML
    from gate.registry.decision import current_decision, policies_digest  # noqa: PLC0415 - imports mlflow

    asked = {policy.name: policy_digest(policy, convention) for policy in policies}
    if not asked:
        return None
    statements = _statements(version, asked, naming)
    now = time.time()
    if any(said.not_after is not None and said.not_after.timestamp() <= now for said in statements.values()):
        return "new"
    if enforced:
        held = {name: said.policy_digest for name, said in statements.items()}
        outcomes = {said.outcome for said in statements.values()}
    else:
        decision = current_decision(version, naming)
        if decision is None:
            return "new"
        outcomes = {decision.outcome}
        held = asked if decision.policy_digest == policies_digest(asked.items()) else {}
    if held != asked:
        return "new" if enforced and not held else "policy"
    return "error" if "error" in outcomes else None


def may_change(version: ListedVersion, governing: Governing, naming: Naming) -> bool:
    """Tell whether the files of a judged version are worth comparing with those that were judged.

    They are where somebody may be using it (it holds an alias or a stage) or may promote it soon (it
    is younger than :data:`COMPARED_DAYS`); comparing every version there ever was would read the
    whole store again and again.
    """
    from gate.registry.decision import current_decision  # noqa: PLC0415 - imports mlflow

    decision = current_decision(version.resolved, naming)
    if decision is None or decision.digest is None or not governing.policies:
        return False
    young = time.time() - version.created / 1000 < COMPARED_DAYS * 24 * 3600
    return young or version.staged or version.version in governing.promoted


def _statements(version: ResolvedSource, policies: Iterable[str], naming: Naming) -> dict[str, Statement]:
    """Return what the signed decisions on this very version say, by policy; their signatures are not asked.

    An enforcing registry asked them when it let them in; on a plain one they only shorten a decision.
    """
    from gate.registry.attest import ATTESTATION  # noqa: PLC0415 - imports mlflow

    found = {}
    for policy in policies:
        said = _read(version.tags.get(naming.tag(ATTESTATION, policy), ""))
        about = None if said is None else said.subject
        if said is not None and about is not None and said.policy == policy:
            same = (about.name, about.version, about.creation_time)
            if same == (version.name, version.version, version.creation_time):
                found[policy] = said
    return found


@lru_cache(maxsize=_REMEMBERED)
def _read(text: str) -> Statement | None:
    from gate.registry.attestation.envelope import read_unverified  # noqa: PLC0415 - only signed decisions need it
    from gate.registry.attestation.interface import AttestationError  # noqa: PLC0415 - likewise

    if not text.startswith("{"):  # none, or the digest alone
        return None
    try:
        return read_unverified(text)
    except AttestationError:
        return None
