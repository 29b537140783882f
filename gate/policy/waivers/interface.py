"""A waiver as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True, slots=True)
class Waiver:
    """One rule, one model, one digest, until a moment.

    Attributes
    ----------
    id:
        Unique in its file.
    rule:
        The rule's id.
    digest:
        ``sha256:...`` of the model's manifest (``analysis.source.digest``): other bytes need another
        waiver.
    reason, approver:
        For people.
    expires:
        In UTC; from this moment on it counts no more.
    model:
        The registered model; None for a source that is not registered.
    policy:
        The policy's name; None for the rule of that id in every policy.
    signature:
        A DSSE envelope over :func:`~gate.policy.waivers.payload.waiver_payload`, unverified here.
    line:
        Where it stands in its file.
    """

    id: str
    rule: str
    digest: str
    reason: str
    approver: str
    expires: datetime
    model: str | None = None
    policy: str | None = None
    signature: str | None = None
    line: int | None = None


def moment_words(moment: datetime) -> str:
    """Return ``2026-12-31T00:00:00Z``, the one form that files, payloads and reports have."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
