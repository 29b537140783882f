"""What ``gate verify`` found: the values, and how they read as text and as JSON.

Field names are those of the schema ``gate/verification/1``; they may be added to, never changed within
a schema number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

VERIFICATION_SCHEMA: Final = "gate/verification/1"

FindingOutcome = Literal["holds", "fails", "not_checked"]
VerificationFormatName = Literal["text", "json"]

_SIGN: Final[dict[FindingOutcome, str]] = {"holds": "✔", "fails": "✖", "not_checked": "○"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at (signature, subject, artifact, …), and what was found."""

    name: str
    outcome: FindingOutcome
    message: str


@dataclass(frozen=True, slots=True)
class VerifiedDecision:
    """One signed decision and whether it holds.

    ``counts`` is False for one that was looked at and not asked for.  Times are ISO 8601 in UTC.
    """

    policy: str
    valid: bool
    passed: bool
    outcome: str
    findings: tuple[Finding, ...]
    counts: bool = True
    key: str | None = None
    digest: str | None = None
    issued_at: str | None = None
    not_after: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """All of them together.

    ``valid`` says that there is at least one decision, that every one that counts holds, and that none
    is missing; ``passed`` that they all passed besides, but for those that their policy only audits.
    """

    subject: str
    valid: bool
    passed: bool
    decisions: tuple[VerifiedDecision, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    schema: str = VERIFICATION_SCHEMA

    @property
    def headline(self) -> str:
        """One word for a person."""
        if not self.valid:
            return "NOT VERIFIED"
        return "VERIFIED, PASSED" if self.passed else "VERIFIED, FAILED"

    def failures(self) -> Iterator[str]:
        """Yield why it is not valid, or not passed, in sentences."""
        yield from self.problems
        for decision in self.decisions:
            if not decision.counts:
                continue
            failed = [finding for finding in decision.findings if finding.outcome == "fails"]
            yield from (f"{decision.policy}: {finding.message}" for finding in failed)
            if decision.valid and not decision.passed:
                yield f"{decision.policy}: the decision is {decision.outcome}"


def render_verification(
    verification: Verification, name: VerificationFormatName, *, color: bool = False
) -> str:
    """Return it as text for people, or as one JSON object."""
    if name == "json":
        from gate.report.json import plain  # noqa: PLC0415 - only one of the two is needed

        return json.dumps(plain(verification), indent=1, allow_nan=False) + "\n"
    return _text(verification, color=color)


def _text(verification: Verification, *, color: bool) -> str:
    from gate.report.text_page import TextPage  # noqa: PLC0415 - as above

    page = TextPage(color, 500)
    good = verification.valid and verification.passed
    page.line(
        f"{verification.headline}  {printable(verification.subject)}", "bold green" if good else "bold red"
    )
    for problem in verification.problems:
        page.line(f"✖ {printable(problem, 600)}", indent=2)
    for decision in verification.decisions:
        page.heading(_title(decision))
        for finding in decision.findings:
            page.line(f"{_SIGN[finding.outcome]} {finding.name}: {printable(finding.message, 600)}", indent=2)
    page.section("Notes", tuple(printable(note, 600) for note in verification.notes))
    return page.text()


def _title(decision: VerifiedDecision) -> str:
    said = decision.outcome if decision.valid else "does not hold"
    by = f", signed by {printable(decision.key)}" if decision.key else ""
    when = f", {decision.issued_at}" if decision.issued_at else ""
    aside = "" if decision.counts else " (does not count here)"
    return f"Policy {printable(decision.policy)}: {said}{by}{when}{aside}"
