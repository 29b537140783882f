"""What to say where the version that is checked holds the very alias it was to be compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import Verdict
    from gate.workflow.sources import Located

_ALIAS = "alias:"


def standing_notes(verdict: Verdict, located: Located) -> tuple[str, ...]:
    """Say of a standing champion what it was compared with instead, and what was decided on it before.

    Call it before the verdict is recorded: that replaces the decision that stood.
    """
    held = {alias.casefold() for alias in located.resolved.aliases}
    asked = [item.spec.removeprefix(_ALIAS) for item in verdict.baselines if item.spec.startswith(_ALIAS)]
    own = [alias for alias in asked if alias.casefold() in held]
    if not own or located.registry is None:
        return ()
    others = [
        f"{printable(item.spec)} = {printable(item.uri)}"
        for item in verdict.baselines
        if item.uri is not None and item.uri != located.resolved.uri
    ]
    note = (
        f"{printable(located.resolved.uri)} is {', '.join(map(printable, own))} itself, so it was compared "
        f"with {'; '.join(others) or 'no other version'}"
    )
    before = located.registry.decision(located.resolved)
    if before is None:
        return (note,)
    stood = f"{before.outcome} by {printable(before.policy)} at {printable(before.checked_at)}"
    return (f"{note}; the decision that stood before: {stood}",)
