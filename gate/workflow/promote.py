"""What ``gate promote`` does: make sure there is a current decision, then move the alias."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gate.errors import ExitCode, GateError, UsageError
from gate.text import printable
from gate.workflow.check import CheckRequest, check_source, load_governing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.policy.interface import Verdict
    from gate.policy.rules import Policy
    from gate.registry import Decision
    from gate.workflow.measure import Progress
    from gate.workflow.sources import Located


@dataclass(frozen=True, slots=True)
class PromoteResult:
    """Whether the alias was moved, why, and the verdict where a check had to be made."""

    promoted: bool
    message: str
    exit_code: ExitCode
    verdict: Verdict | None = None


def promote_version(request: CheckRequest, alias: str, progress: Progress | None = None) -> PromoteResult:
    """Set ``alias`` on the version of ``request``, if every policy that governs that lets it pass.

    A recorded decision counts when it is of these policies and of the files as they are now (they
    are hashed again); without one the version is checked and the decision recorded first.  One that let
    the version pass by a waiver ends with it; one that refused is judged anew when waivers are given.

    Raises
    ------
    gate.errors.UsageError
        The source is no registered version, the alias is malformed, or a policy is not valid.
    gate.errors.RegistryError
        The registry could not be reached, or an enforcing one refused.
    """
    from gate.registry.source import checked_alias  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.enforced import governing_policies  # noqa: PLC0415
    from gate.workflow.sources import locate  # noqa: PLC0415

    checked_alias(alias)
    load_governing(request, model=None)  # a bad policy is told before anything is looked up
    located = locate(request.source, request.address)
    if located.registry is None or located.resolved.name is None or located.resolved.version is None:
        raise UsageError(
            f"{printable(request.source)} is no registered version",
            hint="An alias stands on models:/NAME/VERSION.",
        )
    policies = governing_policies(request, located, alias).policies
    what = f"{printable(located.resolved.name)} version {located.resolved.version}"
    if not policies:
        _set(located, alias)
        return PromoteResult(
            promoted=True,
            message=f"{what} is now {alias}; no policy governs that",
            exit_code=ExitCode.PASSED,
        )
    decision = _current(located, policies, request)
    if decision is None or (request.waivers is not None and not decision.passing):
        return _check_first(request, located, policies, alias, what, progress)
    if not decision.passing:
        opened = _by_override(located, alias, what)
        return opened or _refused(located, decision, what, alias)
    _set(located, alias)
    return PromoteResult(
        promoted=True,
        message=f"{what} is now {alias} ({decision.outcome} by {decision.policy} at {decision.checked_at})",
        exit_code=ExitCode.PASSED,
    )


def _by_override(located: Located, alias: str, what: str) -> PromoteResult | None:
    """Leave it to an enforcing registry where an override stands on the version; None on a plain one."""
    from gate.workflow.enforced import enforces  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.overrides import overrides_in_force  # noqa: PLC0415

    if located.registry is None or not enforces(located):
        return None
    found = overrides_in_force(located.resolved, located.registry.connection.naming)
    opening = next((each for each in found if each.alias.casefold() == alias.casefold()), None)
    if opening is None:
        return None
    _set(located, alias)
    message = f"{what} is now {alias}, by an override until {opening.expires}: {printable(opening.reason)}"
    return PromoteResult(promoted=True, message=message, exit_code=ExitCode.PASSED)


def _refused(located: Located, decision: Decision, what: str, alias: str) -> PromoteResult:
    """Say why, with the verdict that was recorded then, as far as it is still there and whole."""
    verdict = _recorded_verdict(located, decision)
    rules = (
        [rule.id for rule in verdict.rules if rule.outcome == "failed" and rule.severity == "block"]
        if verdict
        else []
    )
    by = f" by {', '.join(map(printable, rules))}" if rules else ""
    return PromoteResult(
        promoted=False,
        message=f"refused: {what} was {decision.outcome}{by} (policy {printable(decision.policy)}, "
        f"{printable(decision.checked_at)}); {alias} stays where it is. "
        f"Report: run {printable(decision.report)}. To judge it anew: gate check {located.resolved.uri}",
        exit_code=_exit_of(decision),
        verdict=verdict,
    )


def _current(located: Located, policies: Sequence[Policy], request: CheckRequest) -> Decision | None:
    """Return the decision that holds for these policies and for the files as they are now."""
    from gate.policy import policy_digest  # noqa: PLC0415
    from gate.registry import policies_digest  # noqa: PLC0415
    from gate.registry.pull import open_model  # noqa: PLC0415

    if located.registry is None:
        return None
    asked = policies_digest(
        (policy.name, policy_digest(policy, request.options.convention)) for policy in policies
    )
    if located.registry.decision(located.resolved, policy_digest=asked) is None:
        return None
    with open_model(located.resolved, located.registry.connection) as model:
        decision = located.registry.decision(located.resolved, digest=model.digest, policy_digest=asked)
    return None if decision is None or _waiver_ended(located, decision) else decision


def _waiver_ended(located: Located, decision: Decision) -> bool:
    """Tell whether a decision that let the version pass needed a waiver that has ended since.

    Only its report says so on a plain registry; where that is gone, the decision stands.
    """
    verdict = _recorded_verdict(located, decision) if decision.passing else None
    if verdict is None or verdict.waived_until is None:
        return False
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return now >= verdict.waived_until  # of one form, so that text compares as time


def _recorded_verdict(located: Located, decision: Decision) -> Verdict | None:
    from gate.report import load_verdict  # noqa: PLC0415 - keeps `gate --help` fast

    stored = located.registry.read_report(decision.report, "verdict.json") if located.registry else None
    if stored is not None:
        with contextlib.suppress(GateError):
            return load_verdict(stored)
    return None


def _check_first(
    request: CheckRequest,
    located: Located,
    policies: Sequence[Policy],
    alias: str,
    what: str,
    progress: Progress | None,
) -> PromoteResult:
    from gate.policy import exit_code  # noqa: PLC0415

    result = check_source(
        replace(request, source=located.resolved.uri, governing=tuple(policies), record=True), progress
    )
    if result.record_error is not None:
        raise result.record_error
    code = exit_code(result.verdict)
    opened = None if code is ExitCode.PASSED else _by_override(located, alias, what)
    if opened is not None:
        return replace(opened, verdict=result.verdict)
    if code is not ExitCode.PASSED:
        report = f" Report: {result.recorded.link}" if result.recorded else ""
        message = f"refused: {what} is {result.verdict.outcome}; {alias} stays where it is.{report}"
        return PromoteResult(promoted=False, message=message, exit_code=code, verdict=result.verdict)
    _set(located, alias)
    message = f"{what} is now {alias} ({result.verdict.outcome})"
    return PromoteResult(promoted=True, message=message, exit_code=code, verdict=result.verdict)


def _exit_of(decision: Decision) -> ExitCode:
    from gate.policy.outcome import EXIT_CODES  # noqa: PLC0415

    return EXIT_CODES[decision.outcome]


def _set(located: Located, alias: str) -> None:
    if located.registry is not None and located.resolved.name and located.resolved.version:
        located.registry.set_alias(located.resolved.name, alias, located.resolved.version)
