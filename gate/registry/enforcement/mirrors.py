"""The tags that show a version's decisions to people and to any MLflow client.

They mirror the tables and are written with them, in one transaction; nothing is ever decided by them.
Their names, and the checksum that tells a whole set from a torn one, are those that ``gate check``
writes on a plain registry (``gate.registry.decision``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.policy import worst
from gate.registry.clients import Naming
from gate.registry.decision import BOUND_TAGS, CHECKSUM, OUTCOME, checksum, policies_digest
from gate.registry.resolve import ResolvedSource
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.registry.attestation.interface import Statement
    from gate.registry.enforcement.tables.interface import StoredDecision, VersionKey

_LONGEST_TAG: Final = 500


@dataclass(frozen=True, slots=True)
class MirrorTags:
    """What to write, and which of the gate's tags no longer apply."""

    values: Mapping[str, str]
    stale: frozenset[str]


def mirror_tags(subject: VersionKey, decisions: Sequence[StoredDecision], latest: Statement) -> MirrorTags:
    """Return the tags of a version whose decisions in force are ``decisions``.

    ``latest`` is the statement taken last, whose figures are shown.
    """
    values = {
        OUTCOME: worst(decision.outcome for decision in decisions),  # type: ignore[misc]  # checked at acceptance
        "policy": printable(", ".join(decision.policy for decision in decisions), _LONGEST_TAG),
        "policy_digest": policies_digest((decision.policy, decision.policy_digest) for decision in decisions),
        "digest": latest.subject.digest,
        "report": latest.report,
        "verdict_digest": latest.verdict_digest,
        "checked_at": f"{latest.issued_at:%Y-%m-%dT%H:%M:%SZ}",
        **{name: _figure(latest.metrics.get(name)) for name in ("alpha", "alpha_weighted")},
    }
    present = {name: value for name, value in values.items() if value is not None}
    about = ResolvedSource(
        f"models:/{subject.name}/{subject.version}",
        name=subject.name,
        version=subject.version,
        creation_time=subject.creation_time,
    )
    present[CHECKSUM] = checksum(about, present)
    naming = Naming()
    written = {naming.tag(name): value for name, value in present.items()}
    return MirrorTags(
        written, frozenset(naming.tag(name) for name in (*BOUND_TAGS, CHECKSUM)) - written.keys()
    )


def _figure(value: float | None) -> str | None:
    return None if value is None or not math.isfinite(value) else f"{value:.6g}"
