"""GitLab's code quality report: an entry per failing layer, at its rule's line of the policy file.

The merge request shows what the target branch's report does not have, by fingerprint: those are the
same for the same layer, rule and model from version to version.  The test tab is the junit format's.
Waived findings are left out: GitLab would show them as degraded quality.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.report.figures import count
from gate.report.findings import layer_findings, verdict_only

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.report.findings import Finding, Level

MAX_ENTRIES: Final = 5_000
"""Entries of one report: GitLab compares every one with the target branch's while a page loads."""

_SEVERITY: Final[dict[Level, str]] = {"error": "blocker", "warning": "major", "note": "info"}


@dataclass(frozen=True, slots=True)
class GitlabFormat:
    """Code quality JSON."""

    name: str = "gitlab"
    suffix: str = ".codequality.json"

    def verdict(self, verdict: Verdict) -> str:
        """Render the array of entries."""
        findings = [finding for finding in layer_findings(verdict) if finding.waiver is None]
        entries = [_entry(finding) for finding in findings[:MAX_ENTRIES]]
        if len(findings) > MAX_ENTRIES:
            more = f"{count(len(findings) - MAX_ENTRIES, 'more finding')} left out: see the JSON report."
            entries[-1]["description"] += f" And {more}"
        return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"

    def analysis(self, analysis: Analysis) -> str:  # noqa: ARG002 - the interface's signature
        """Refuse.

        Raises
        ------
        gate.errors.UsageError
            Always: without a policy there is nothing to complain of.
        """
        raise verdict_only(self.name)


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "description": finding.message,
        "check_name": f"{finding.policy}/{finding.rule}",
        "fingerprint": finding.fingerprint,
        "severity": _SEVERITY[finding.level],
        "location": {
            # The key is required; a verdict without a policy has no file to point to.
            "path": posixpath.normpath(finding.file) if finding.file else ".",
            "lines": {"begin": max(1, finding.line or 1)},
        },
    }
