"""What ``gate promote`` does: make sure there is a current decision, then move the alias."""

from __future__ import annotations

import contextlib
import shlex
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


@dataclass(frozen=True, slots=True)
class _Move:
    """What is asked for: an alias on a registered version."""

    request: CheckRequest
    located: Located
    alias: str

    @property
    def what(self) -> str:
        """The version, as messages call it."""
        return f"{printable(self.located.resolved.name or '')} version {self.located.resolved.version}"

    def make(self, why: str, verdict: Verdict | None = None) -> PromoteResult:
        """Set the alias and say so, with ``why`` behind it; raises RegistryError."""
        located = self.located
        if located.registry is not None and located.resolved.name and located.resolved.version:
            located.registry.set_alias(located.resolved.name, self.alias, located.resolved.version)
        message = f"{self.what} is now {self.alias}{why}"
        return PromoteResult(promoted=True, message=message, exit_code=ExitCode.PASSED, verdict=verdict)


def promote_version(request: CheckRequest, alias: str, progress: Progress | None = None) -> PromoteResult:
    """Set ``alias`` on the version of ``request``, if every policy that governs that lets it pass.

    A recorded decision counts when it is of these policies, of the files as they are now (they are hashed
    again) and of the baselines that the request names, if any; without one the version is checked and the
    decision recorded first.  One that let the version pass by a waiver ends with it; one that refused is
    judged anew when waivers are given.
    Policies in audit mode refuse nothing: what they would have refused is said and the alias is set.
    What no policy governs is left alone, on a registry that enforces also where the packaged one would judge.

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
    governing = governing_policies(request, located, alias)
    policies = governing.policies
    move = _Move(request, located, alias)
    if not policies or governing.untaken:  # the packaged policy governs nothing where others are enforced
        return move.make("; no policy governs that")
    decision = _current(located, policies, request)
    verdict = None if decision is None else _recorded_verdict(located, decision)
    if decision is None or _is_outdated(decision, verdict, policies, request):
        return _check_first(move, policies, progress)
    if decision.passing:
        waived = _by_waivers(verdict)
        return move.make(f" ({decision.outcome} by {decision.policy} at {decision.checked_at}{waived})")
    code = _exit_of(decision, verdict, policies)
    if code is None:
        return _check_first(move, policies, progress)
    by = f"policy {printable(decision.policy)}, {printable(decision.checked_at)}"
    why = f"{decision.outcome}{_by_rules(verdict)} ({by})"
    if code is ExitCode.PASSED:
        return _audited(move, why, verdict)
    return _by_override(move) or PromoteResult(
        promoted=False,
        message=f"refused: {move.what} was {why}; {_stays(move)}. "
        f"Report: run {printable(decision.report)}. To judge it anew: {_check_anew(move)}",
        exit_code=code,
        verdict=verdict,
    )


def _by_override(move: _Move) -> PromoteResult | None:
    """Leave it to an enforcing registry where an override stands on the version; None on a plain one."""
    from gate.workflow.enforced import enforces  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.overrides import overrides_in_force  # noqa: PLC0415

    located, alias = move.located, move.alias
    if located.registry is None or not enforces(located):
        return None
    found = overrides_in_force(located.resolved, located.registry.connection.naming)
    opening = next((each for each in found if each.alias.casefold() == alias.casefold()), None)
    if opening is None:
        return None
    return move.make(f", by an override until {opening.expires}: {printable(opening.reason)}")


def _audited(move: _Move, why: str, verdict: Verdict | None) -> PromoteResult:
    """Set the alias all the same, as policies in audit mode refuse nothing, and say so loudly."""
    return move.make(f". AUDIT MODE: it would have been refused: {why}", verdict)


def _check_anew(move: _Move) -> str:
    """Return the command that judges the version again, by the policies and baselines asked for."""
    policies = [part for file in move.request.policies for part in ("--policy", str(file))]
    baselines = [part for spec in move.request.baselines for part in ("--baseline", spec)]
    return printable(shlex.join(["gate", "check", move.located.resolved.uri, *policies, *baselines]), None)


def _stays(move: _Move) -> str:
    """Say where the alias is after a refusal: a version that holds it keeps it."""
    held, alias = {each.casefold() for each in move.located.resolved.aliases}, move.alias
    return f"it is {alias} already and stays it" if alias.casefold() in held else f"{alias} stays where it is"


def _by_rules(verdict: Verdict | None) -> str:
    """Name the rules that blocked."""
    rules = (
        [rule.id for rule in verdict.rules if rule.outcome == "failed" and rule.severity == "block"]
        if verdict
        else []
    )
    return f" by {', '.join(map(printable, rules))}" if rules else ""


def _by_waivers(verdict: Verdict | None) -> str:
    """Name the rules that were waived, and until when that holds."""
    waived = [rule.id for rule in verdict.rules if rule.outcome == "waived"] if verdict else []
    until = f" until {verdict.waived_until}" if verdict and verdict.waived_until else ""
    return f"; waived{until}: {', '.join(map(printable, waived))}" if waived else ""


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
        return located.registry.decision(located.resolved, digest=model.digest, policy_digest=asked)


def _is_outdated(
    decision: Decision, verdict: Verdict | None, policies: Sequence[Policy], request: CheckRequest
) -> bool:
    """Tell whether the version has to be judged anew, for waivers or baselines that the decision ignores."""
    by_waivers = _waiver_ended(verdict) if decision.passing else request.waivers is not None
    return by_waivers or _is_of_other_baselines(verdict, policies, request.baselines)


def _waiver_ended(verdict: Verdict | None) -> bool:
    """Tell whether a verdict that let the version pass needed a waiver that has ended since.

    Only the report says so on a plain registry; where that is gone, the decision stands.
    """
    if verdict is None or verdict.waived_until is None:
        return False
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return now >= verdict.waived_until  # of one form, so that text compares as time


def _is_of_other_baselines(verdict: Verdict | None, policies: Sequence[Policy], asked: Sequence[str]) -> bool:
    """Tell whether a rule compares with the policy's baseline, and that was not what the caller names."""
    from gate.policy.rules import POLICY_BASELINE  # noqa: PLC0415 - keeps `gate --help` fast

    against = {rule.against for policy in policies for rule in policy.rules}
    if not asked or POLICY_BASELINE not in against:
        return False
    if verdict is None:
        return True
    own = against.difference(asked)  # what single rules compare with, whatever the caller names
    found = {baseline.spec for baseline in verdict.baselines} - own
    return not found.issubset(asked) or (not found and set(asked) != {"none"})


def _recorded_verdict(located: Located, decision: Decision) -> Verdict | None:
    """Return the verdict that was decided by; None where it is gone or is another one now."""
    from gate.registry.statements import VERDICT_FILE, sha256  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.report import load_verdict  # noqa: PLC0415 - as above

    stored = located.registry.read_report(decision.report, VERDICT_FILE) if located.registry else None
    if stored is not None and sha256(stored) == decision.verdict_digest:
        with contextlib.suppress(GateError):
            return load_verdict(stored)
    return None


def _check_first(move: _Move, policies: Sequence[Policy], progress: Progress | None) -> PromoteResult:
    """Judge the version, record the decision, and do as it says."""
    from gate.policy import exit_code  # noqa: PLC0415
    from gate.registry.decision import PASSING  # noqa: PLC0415
    from gate.workflow.standing import standing_notes  # noqa: PLC0415

    source = move.located.resolved.uri
    result = check_source(
        replace(move.request, source=source, governing=tuple(policies), record=True), progress
    )
    if result.record_error is not None:
        raise result.record_error
    code = exit_code(result.verdict)
    opened = None if code is ExitCode.PASSED else _by_override(move)
    if opened is not None:
        return replace(opened, verdict=result.verdict)
    if code is not ExitCode.PASSED:
        report = f" Report: {result.recorded.report}" if result.recorded else ""
        notes = "".join(f" {note}." for note in standing_notes(result.verdict, move.located))
        message = f"refused: {move.what} is {result.verdict.outcome}; {_stays(move)}.{notes}{report}"
        return PromoteResult(promoted=False, message=message, exit_code=code, verdict=result.verdict)
    if result.verdict.outcome not in PASSING:
        names = ", ".join(printable(policy.name) for policy in result.verdict.policies)
        why = f"{result.verdict.outcome}{_by_rules(result.verdict)} (policy {names})"
        return _audited(move, why, result.verdict)
    return move.make(f" ({result.verdict.outcome}{_by_waivers(result.verdict)})", result.verdict)


def _exit_of(decision: Decision, verdict: Verdict | None, policies: Sequence[Policy]) -> ExitCode | None:
    """Return the exit code of a recorded decision under what the policies' modes are.

    The decision holds the worst outcome over all policies.  Where only some of them are in audit mode,
    the verdict tells whose it was; None if that cannot be shown.
    """
    from gate.policy import exit_code  # noqa: PLC0415
    from gate.policy.outcome import EXIT_CODES  # noqa: PLC0415

    modes = {policy.name: policy.mode for policy in policies}
    if "audit" not in modes.values():
        return EXIT_CODES[decision.outcome]
    if "enforce" not in modes.values():
        return ExitCode.PASSED
    if verdict is None or {policy.name for policy in verdict.policies} != modes.keys():
        return None
    judged = (replace(policy, mode=modes[policy.name]) for policy in verdict.policies)
    return exit_code(replace(verdict, policies=tuple(judged)))
