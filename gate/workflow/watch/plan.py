"""From a listing to the work that is left: which versions have no current decision, and why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.registry import Naming
    from gate.registry.sweep import ListedVersion
    from gate.workflow.watch.governing import Governing
    from gate.workflow.watch.interface import Reason

COMPARED_DAYS: Final = 30
"""Days for which the files of a version without alias or stage are compared with the judged ones."""


def why_check(version: ListedVersion, governing: Governing, naming: Naming, convention: str) -> Reason | None:
    """Return why ``version`` has to be checked, or None where it has not.

    A version whose files are still on their way, and one that no policy governs, has not.  What the
    tags say counts only where they make up a whole decision (:mod:`gate.registry.decision`).
    """
    from gate.registry.decision import current_decision  # noqa: PLC0415 - imports mlflow

    if not version.ready or not governing.policies:
        return None
    decision = current_decision(version.resolved, naming)
    if decision is None:
        return "new"
    if decision.policy_digest != governing.digest(convention):
        return "policy"
    return "error" if decision.outcome == "error" else None


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
