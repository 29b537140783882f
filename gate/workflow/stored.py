"""An analysis that was recorded with a decision, to judge by again without reading the model.

A report lies where others can write, so a stored one counts only where its bytes have the digest
that the decision names, it is of the files that the decision is about, and the same engine
measured all that is asked for now with the same settings.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis, Engine
    from gate.registry import Decision, Registry
    from gate.registry.resolve import ResolvedSource
    from gate.spectra.interface import Settings
    from gate.workflow.sources import Located

_GROUPS: Final = "groups"


def stored_analysis(located: Located, settings: Settings) -> Analysis | None:
    """Return the recorded analysis of a version, or None where there is none that suffices."""
    if located.registry is None or not located.registered:
        return None
    analysis = recorded_analysis(located.registry, located.resolved)
    return analysis if analysis is not None and suffices(analysis.engine, settings) else None


def recorded_analysis(registry: Registry, version: ResolvedSource) -> Analysis | None:
    """Return the analysis that the decision on ``version`` was taken by, None where it cannot be proved."""
    from gate.report import load_verdict  # noqa: PLC0415 - keeps `gate --help` fast

    decision = registry.decision(version)
    text = None if decision is None else _proved(registry, decision)
    if decision is None or text is None:
        return None
    try:
        analysis = load_verdict(text).analysis
    except UsageError:  # another version of the gate may have written it
        return None
    return analysis if analysis is not None and analysis.source.digest == decision.digest else None


def suffices(engine: Engine, settings: Settings) -> bool:
    """Tell whether what ``engine`` measured is what measuring with ``settings`` now would give."""
    from gate.analysis.build import engine_of  # noqa: PLC0415 - keeps `gate --help` fast

    now = engine_of(settings)
    then, wanted = dict(engine.settings), dict(now.settings)
    measured, groups = then.pop(_GROUPS, None), wanted.pop(_GROUPS, None)
    if not isinstance(measured, list) or not isinstance(groups, list):
        return False
    same = (engine.version, engine.convention, then) == (now.version, now.convention, wanted)
    return same and set(groups) <= set(measured)


def _proved(registry: Registry, decision: Decision) -> bytes | None:
    from gate.registry.record import VERDICT_FILE  # noqa: PLC0415 - keeps `gate --help` fast

    if decision.verdict_digest is None:
        return None
    text = registry.read_report(decision.report, VERDICT_FILE)
    if text is None or f"sha256:{hashlib.sha256(text).hexdigest()}" != decision.verdict_digest:
        return None
    return text
