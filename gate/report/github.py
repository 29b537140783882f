"""GitHub workflow commands: what fails becomes an annotation at the rule's line of the policy file.

GitHub keeps ten errors, ten warnings and ten notices of a step and drops the rest without a word, so
there is one annotation per rule, and the tenth counts the rules that found no place.  The page for
``$GITHUB_STEP_SUMMARY`` is the markdown format; ci/gate-check.sh puts it there, since a format only makes
text.

What a command's message or property may not hold is escaped as the runner unescapes it.  A line that is
no command cannot become one either: the runner looks for ``::`` at the start of a line and for ``##[``
(their older form) anywhere in it, so no line holds that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report import outline
from gate.report.figures import count
from gate.report.findings import rule_findings, verdict_only

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.report.findings import Finding, Level

MAX_ANNOTATIONS: Final = 10
"""Annotations of one level that GitHub keeps of one step."""

_COMMAND: Final[dict[Level, str]] = {"error": "error", "warning": "warning", "note": "notice"}


@dataclass(frozen=True, slots=True)
class GithubFormat:
    """Workflow commands, and a line for the log."""

    name: str = "github"
    suffix: str = ".github"

    def verdict(self, verdict: Verdict) -> str:
        """Render a line that says the outcome, and a command per rule that complains."""
        findings = rule_findings(verdict)
        lines = [f"gate: {outline.headline(verdict)}: {outline.subject(verdict)}"]
        lines += [f"gate: {outline.tally(verdict)}."]
        for level in _COMMAND:
            lines += _commands([finding for finding in findings if finding.level == level])
        return "\n".join(_without_old_commands(line) for line in lines) + "\n"

    def analysis(self, analysis: Analysis) -> str:  # noqa: ARG002 - the interface's signature
        """Refuse.

        Raises
        ------
        gate.errors.UsageError
            Always: without a policy there is nothing to annotate.
        """
        raise verdict_only(self.name)


def _commands(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the commands of one level; the last place says what did not fit."""
    fits = len(findings) <= MAX_ANNOTATIONS
    for finding in findings if fits else findings[: MAX_ANNOTATIONS - 1]:
        yield _command(finding)
    if not fits:
        more = findings[MAX_ANNOTATIONS - 1 :]
        said = f"{count(len(more), 'more rule')}: {', '.join(finding.rule for finding in more)}"
        yield f"::{_COMMAND[more[0].level]} title=spectral gate::{_data(said[:1_000])}"


def _command(finding: Finding) -> str:
    place = f"file={_property(finding.file)},line={max(1, finding.line or 1)}," if finding.file else ""
    title = f"title={_property(f'{finding.policy}: {finding.rule}')}"
    return f"::{_COMMAND[finding.level]} {place}{title}::{_data(finding.message)}"


def _data(text: str) -> str:
    """Escape a message; line breaks were spelled out already, and are escaped all the same."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _without_old_commands(line: str) -> str:
    return line.replace("##[", "## [")
