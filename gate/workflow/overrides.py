"""Overrides that stand on a version, as its tags hold them: shown wherever the version is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from gate.policy.interface import OverrideResult
from gate.text import printable

if TYPE_CHECKING:
    from gate.registry.clients import Naming
    from gate.registry.resolve import ResolvedSource

_UNREADABLE: Final = "it cannot be read"


def overrides_in_force(
    version: ResolvedSource, naming: Naming, now: datetime | None = None
) -> tuple[OverrideResult, ...]:
    """Return the overrides of ``version`` that have not ended; one that cannot be read is named, not hidden.

    Their signatures are not verified here: this is for showing.  What a copied version brought along
    from where it was copied is about another version, and left out.
    """
    from gate.registry.attest import overrides  # noqa: PLC0415 - keeps `gate --help` fast

    moment = now or datetime.now(timezone.utc)
    found = (_shown(alias, text, version, moment) for alias, text in overrides(version.tags, naming).items())
    return tuple(override for override in found if override is not None)


def _shown(alias: str, text: str, version: ResolvedSource, now: datetime) -> OverrideResult | None:
    from gate.registry.attestation.envelope import envelope_parts, read_unverified  # noqa: PLC0415
    from gate.registry.attestation.interface import AttestationError  # noqa: PLC0415

    try:
        statement = read_unverified(text)
        hint = envelope_parts(text)[2]
    except AttestationError:
        return OverrideResult(printable(alias), _UNREADABLE, "an unknown time", "an unknown key")
    if statement.kind != "override" or statement.not_after is None:
        return OverrideResult(printable(alias), _UNREADABLE, "an unknown time", "an unknown key")
    about = statement.subject
    ours = (about.name, about.version, about.creation_time)
    if ours != (version.name, version.version, version.creation_time) or now >= statement.not_after:
        return None
    expires = statement.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    return OverrideResult(printable(alias), statement.reason or "", expires, printable(hint))
