"""From rules to policies, from policies to the verdict, from the verdict to an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from gate.errors import ExitCode
from gate.policy.interface import OUTCOMES_WORST_FIRST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.policy.interface import Outcome, RuleOutcome, Severity, Verdict
    from gate.policy.rules import Choice

FailOn = Literal["block", "warn"]

EFFECTS: Final[Mapping[tuple[RuleOutcome, Severity], Outcome]] = {
    ("failed", "block"): "blocked",
    ("failed", "warn"): "warned",
    ("failed", "info"): "passed",
    ("inconclusive", "block"): "inconclusive",
    ("inconclusive", "warn"): "warned",
    ("inconclusive", "info"): "passed",
}
"""What a rule's outcome does to its policy; every other outcome leaves it passed."""

CHOICES: Final[Mapping[Choice, Outcome]] = {"pass": "passed", "warn": "warned", "block": "blocked"}

WITHOUT_WEIGHTS: Final[Mapping[Choice, Outcome]] = {
    "pass": "passed",
    "warn": "warned",
    "block": "inconclusive",
}
"""What ``when_nothing_to_measure`` says of a model: to block it is not to know that anything is wrong."""

EXIT_CODES: Final[Mapping[Outcome, ExitCode]] = {
    "error": ExitCode.FAILED,
    "blocked": ExitCode.BLOCKED,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "warned": ExitCode.PASSED,
    "passed": ExitCode.PASSED,
}

_PRECEDENCE: Final = (
    ExitCode.USAGE,
    ExitCode.FAILED,
    ExitCode.BLOCKED,
    ExitCode.INCONCLUSIVE,
    ExitCode.PASSED,
)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst outcome; of none, ``inconclusive``: what nothing judged did not pass."""
    found = set(outcomes)
    return next((outcome for outcome in OUTCOMES_WORST_FIRST if outcome in found), "inconclusive")


def milder(one: Outcome, other: Outcome) -> Outcome:
    """Return the better of two outcomes."""
    return max(one, other, key=OUTCOMES_WORST_FIRST.index)


def exit_code(verdict: Verdict, *, fail_on: FailOn = "block") -> ExitCode:
    """Return the exit code of ``gate check``.

    A policy in audit mode refuses nothing, whatever its true outcome; ``fail_on="warn"`` turns
    warnings of enforced policies into 1.  Where several hold: 2, 3, 1, 4, 0.
    """
    if not verdict.policies:
        return EXIT_CODES[verdict.outcome]
    enforced = (policy.outcome for policy in verdict.policies if policy.mode == "enforce")
    codes = {
        ExitCode.BLOCKED if outcome == "warned" and fail_on == "warn" else EXIT_CODES[outcome]
        for outcome in enforced
    }
    return next((code for code in _PRECEDENCE if code in codes), ExitCode.PASSED)
