"""What a version's tags say was decided, and whether they say it together.

The tags mirror one decision for people and for any MLflow client.  A plain registry writes one tag
at a time, so a version may be found with the tags of two decisions, of another version (a copy
takes its source's tags along) or edited by hand.  ``checksum`` binds them: it is a digest over the
other tags and over the version's own identity (name, number, time of creation).  A decision whose
checksum does not fit is no decision.  That is integrity against accidents, not authenticity: who
may write tags can write this one; signatures are for that.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from gate.policy.interface import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.registry.clients import Naming
    from gate.registry.resolve import ResolvedSource

PASSING: Final[frozenset[Outcome]] = frozenset({"passed", "warned"})
OUTCOME: Final = "outcome"
CHECKSUM: Final = "checksum"
BOUND_TAGS: Final = (
    OUTCOME,
    "policy",
    "policy_digest",
    "digest",
    "report",
    "alpha",
    "alpha_weighted",
    "checked_at",
    "verdict_digest",
)
"""Names of the tags, without prefix, that the checksum binds; an absent one counts as absent."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as the registry holds it.

    ``policy`` names the policies (comma-separated) and ``policy_digest`` is the digest of them
    together, see :func:`policies_digest`; ``digest`` is the model's; ``report`` the run that
    holds the report, and ``verdict_digest`` the digest of its ``verdict.json``, by which a stored
    verdict is known to be the one that was decided by.  ``checked_at`` is the checker's clock,
    ISO 8601 in UTC.
    """

    outcome: Outcome
    policy: str
    policy_digest: str
    digest: str | None
    report: str
    checked_at: str
    alpha: float | None = None
    alpha_weighted: float | None = None
    verdict_digest: str | None = None

    @property
    def passing(self) -> bool:
        """Whether the version may be promoted under it."""
        return self.outcome in PASSING


def policies_digest(policies: Iterable[tuple[str, str]]) -> str:
    """Return one digest of several policies, given as (name, digest), in whatever order."""
    canonical = json.dumps(sorted(policies), separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def current_decision(
    version: ResolvedSource, naming: Naming, *, digest: str | None = None, policy_digest: str | None = None
) -> Decision | None:
    """Return the decision on ``version`` if there is one and it still holds, else None.

    Parameters
    ----------
    version:
        The version with its tags; look it up anew, tags are as old as the value.
    naming:
        What the tags are called.
    digest, policy_digest:
        What the model's files and the policies are now; a decision about others is not current.
        None leaves that out.
    """
    decision = _read(version, naming)
    if decision is None:
        return None
    for now, then in ((digest, decision.digest), (policy_digest, decision.policy_digest)):
        if now is not None and now != then:
            return None
    return decision


def checksum(version: ResolvedSource, values: Mapping[str, str]) -> str:
    """Return the checksum over the bound tags (``values``, by name without prefix) of ``version``."""
    bound = {name: values[name] for name in BOUND_TAGS if name in values}
    bound_to = [version.name, version.version, version.creation_time, bound]
    canonical = json.dumps(bound_to, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _read(version: ResolvedSource, naming: Naming) -> Decision | None:
    values = {name: version.tags[naming.tag(name)] for name in BOUND_TAGS if naming.tag(name) in version.tags}
    outcome = next((known for known in get_args(Outcome) if known == values.get(OUTCOME)), None)
    if outcome is None or version.tags.get(naming.tag(CHECKSUM)) != checksum(version, values):
        return None
    return Decision(
        outcome=outcome,
        policy=values.get("policy", ""),
        policy_digest=values.get("policy_digest", ""),
        digest=values.get("digest"),
        report=values.get("report", ""),
        checked_at=values.get("checked_at", ""),
        alpha=_number(values.get("alpha")),
        alpha_weighted=_number(values.get("alpha_weighted")),
        verdict_digest=values.get("verdict_digest"),
    )


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
