"""What ``gate check --wait`` does: somebody else judges, with a key; this waits and reports.

The decision that counts is of the version's files as they are now and of the policies as they are
now, and its report has the digest that the decision names.  Where trusted keys are at hand
(``GATE_TRUSTED_KEYS``), its signature is verified too.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, NothingToMeasureError, RegistryError, UsageError
from gate.text import printable
from gate.workflow.check import CheckResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.policy.interface import Verdict
    from gate.policy.rules import Policy
    from gate.registry import Registry
    from gate.registry.attestation.interface import Statement
    from gate.registry.resolve import ResolvedSource
    from gate.workflow.check import CheckRequest
    from gate.workflow.sources import Located

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 15.0
_GROWTH: Final = 1.5
_TOLD_EVERY: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Decided:
    """A decision that was found: of which files, in which report run, with which ``verdict.json``."""

    digest: str | None
    report: str
    verdict_digest: str | None
    words: str


def wait_for_decision(
    request: CheckRequest, timeout: float, tell: Callable[[str], None] | None = None
) -> CheckResult:
    """Wait until every governing policy has a decision on the version, and return its verdict.

    Parameters
    ----------
    request:
        The source, the policies (else those the registry enforces) and where it is.
    timeout:
        Longest wait, in seconds.
    tell:
        Called with a sentence now and then.

    Raises
    ------
    gate.errors.UsageError
        It is no registered version, or a policy is not valid.
    gate.errors.NothingToMeasureError
        No policy governs it.
    gate.errors.RegistryError
        Nobody decided in time, or what was decided cannot be shown.
    """
    from gate.workflow.enforced import governing_policies  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.sources import locate  # noqa: PLC0415

    located = locate(request.source, request.address)
    if located.registry is None or not located.registered:
        raise UsageError(
            f"{printable(request.source)} is no registered version, so nobody else judges it",
            hint="Leave out --wait, or name models:/NAME/VERSION.",
        )
    governing = governing_policies(request, located)
    if not governing.policies or governing.untaken:
        raise NothingToMeasureError(
            f"no policy governs {printable(located.resolved.uri)}, so nobody decides on it",
            hint="Leave out --wait to judge it here."
            if governing.untaken
            else "Look at `match: {models: [...]}` in the policies.",
        )
    waiter = _Waiter(located, governing.policies, request.options.convention, tell or (lambda _words: None))
    decided = waiter.wait(timeout)
    verdict = _verdict(located.registry, located.resolved, decided)
    notes = [note for note in (governing.note, located.resolved.note) if note]
    return CheckResult(verdict, (*notes, f"judged elsewhere: {decided.words}"))


def seconds(text: str) -> float:
    """Return what ``90s`` or ``30m`` means, in seconds.

    Raises
    ------
    gate.errors.UsageError
        It is no duration.
    """
    from gate.policy.document import MistakeError, duration  # noqa: PLC0415 - pydantic

    try:
        return duration(text).total_seconds()
    except MistakeError as error:
        raise UsageError(str(error), hint=error.fix) from error


class _Waiter:
    """Asks the registry again and again, less often with time."""

    def __init__(
        self, located: Located, policies: Sequence[Policy], convention: str, tell: Callable[[str], None]
    ) -> None:
        from gate.policy import policy_digest  # noqa: PLC0415 - as above

        self._located = located
        self._asked = {policy.name: policy_digest(policy, convention) for policy in policies}
        self._tell = tell
        self._hashed: str | None = None

    def wait(self, timeout: float) -> _Decided:
        names = ", ".join(printable(name) for name in self._asked)
        started = time.monotonic()
        pause, told, trouble = _FIRST_PAUSE, -_TOLD_EVERY, None
        while True:
            try:
                found, trouble = self._look(), None
            except RegistryError as error:  # it may be back in a moment
                found, trouble = None, error
            if found is not None:
                return found
            waited = time.monotonic() - started
            if waited - told >= _TOLD_EVERY:
                self._tell(f"waiting for the decision under {names} ({waited:.0f} s)")
                told = waited
            if waited + pause > timeout:
                break
            time.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        raise RegistryError(
            f"nobody decided on {printable(self._located.resolved.uri)} under {names} within {timeout:.0f} s"
            + (f"; last, {trouble}" if trouble else ""),
            hint="Is `gate watch` running for this registry? Its log and /metrics tell what it does.",
        )

    def _look(self) -> _Decided | None:
        registry = self._located.registry
        if registry is None:
            return None
        version = registry.resolve(self._located.resolved.uri)
        decided = self._signed(registry, version) or self._mirrored(registry, version)
        return decided if decided is not None and self._of_these_files(decided) else None

    def _signed(self, registry: Registry, version: ResolvedSource) -> _Decided | None:
        """Return what the signed decisions say together; None unless there is one for every policy."""
        from gate.registry.attest import attestations  # noqa: PLC0415 - as above
        from gate.registry.failures import registry_errors  # noqa: PLC0415 - as above

        connection = registry.connection
        with registry_errors("look for the decision", connection.registry_uri):
            found = connection.client.get_model_version(version.name, str(version.version))
        texts = attestations(connection, found)
        read = {
            policy: self._current(texts[policy], policy, version) for policy in self._asked if policy in texts
        }
        statements = [statement for statement in read.values() if statement is not None]
        if len(statements) < len(self._asked):
            return None
        worst = min(statements, key=lambda one: (one.passed, -one.issued_at.timestamp()))
        words = "; ".join(
            f"{one.policy}: {one.outcome}, {one.issued_at:%Y-%m-%dT%H:%M:%SZ}" for one in statements
        )
        return _Decided(worst.subject.digest, worst.report or "", worst.verdict_digest, words)

    def _current(self, text: str, policy: str, version: ResolvedSource) -> Statement | None:
        """Return the statement if it is about this version and this policy as it is, and has not ended."""
        from gate.registry.attestation.envelope import open_envelope, read_unverified  # noqa: PLC0415
        from gate.registry.attestation.interface import AttestationError  # noqa: PLC0415
        from gate.registry.attestation.keys import authorize, load_trusted_keys  # noqa: PLC0415

        trusted = os.environ.get("GATE_TRUSTED_KEYS")
        try:
            if trusted:
                keys = load_trusted_keys(Path(trusted))
                signed = open_envelope(text, keys)
                authorize(signed, keys)
                statement = signed.statement
            else:
                statement = read_unverified(text)
        except AttestationError as error:
            raise RegistryError(f"the decision under {policy} does not hold: {error.message}") from error
        about = (statement.subject.name, statement.subject.version, statement.subject.creation_time)
        ended = statement.not_after is not None and datetime.now(timezone.utc) >= statement.not_after
        same = about == (version.name, version.version, version.creation_time)
        asked = (statement.policy, statement.policy_digest) == (policy, self._asked[policy])
        return statement if same and asked and not ended else None

    def _mirrored(self, registry: Registry, version: ResolvedSource) -> _Decided | None:
        """Return an unsigned decision, which a plain registry may hold."""
        from gate.registry import policies_digest  # noqa: PLC0415 - as above
        from gate.registry.attest import registry_id  # noqa: PLC0415 - as above

        if registry_id(version.tags, registry.connection.naming) is not None or os.environ.get(
            "GATE_TRUSTED_KEYS"
        ):
            return None
        decision = registry.decision(version, policy_digest=policies_digest(self._asked.items()))
        if decision is None:
            return None
        words = f"{decision.policy}: {decision.outcome}, {decision.checked_at}, not signed"
        return _Decided(decision.digest, decision.report, decision.verdict_digest, words)

    def _of_these_files(self, decided: _Decided) -> bool:
        """Tell whether the files, hashed once they are decided on, are those that were judged."""
        from gate.registry.pull import open_model  # noqa: PLC0415 - as above

        if decided.digest is None:
            return True  # nobody could read them: such a decision never passes by accident
        if self._hashed == decided.digest:
            return True
        registry = self._located.registry
        with open_model(self._located.resolved, registry.connection if registry else None) as model:
            self._hashed = model.digest
        return self._hashed == decided.digest


def _verdict(registry: Registry, version: ResolvedSource, decided: _Decided) -> Verdict:
    """Return the verdict in the report run, if it is the one that was decided by."""
    from gate.registry.statements import VERDICT_FILE, sha256  # noqa: PLC0415 - as above
    from gate.report import load_verdict  # noqa: PLC0415 - as above

    stored = registry.read_report(decided.report, VERDICT_FILE) if decided.report else None
    if stored is None or sha256(stored) != decided.verdict_digest:
        what = "is gone" if stored is None else "is not the one that was decided by"
        raise RegistryError(
            f"{printable(version.uri)} was decided ({decided.words}), but {VERDICT_FILE} of run "
            f"{printable(decided.report) or 'none'} {what}",
            hint="Check it again where there is a key.",
        )
    try:
        return load_verdict(stored)
    except GateError as error:
        raise RegistryError(
            f"the verdict of run {printable(decided.report)} cannot be read: {error}"
        ) from error
