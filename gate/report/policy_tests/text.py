"""Plain text: each case on a line, and under one that failed what was expected and what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.report.figures import count
from gate.report.text_page import TextPage
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.testing import Difference
    from gate.report.policy_tests.interface import CaseResult, FileResult, TestReport


def text(report: TestReport, *, color: bool = False) -> str:
    """Return the report for a pipe or a terminal."""
    page = TextPage(color, 500)
    for file in report.files:
        page.line(f"{printable(file.file)}  policy {printable(file.policy)}", "bold")
        for case in file.cases:
            _case(page, file, case)
        if file.untested_rules:
            page.line(f"no case names: {', '.join(map(printable, file.untested_rules))}", indent=2)
    failed = sum(len(file.failed) for file in report.files)
    total = count(sum(len(file.cases) for file in report.files), "case")
    page.line(f"{total}, {failed} failed" if failed else f"{total}, all as expected", "bold")
    return page.text()


def _case(page: TextPage, file: FileResult, case: CaseResult) -> None:
    if case.passed:
        page.line(f"✔ {printable(case.name)}", "green", indent=2)
        return
    page.line(f"✖ {printable(case.name)}  ({printable(file.file)}:{case.line})", "bold red", indent=2)
    for difference in case.differences:
        for line in explained(difference):
            page.line(line, indent=6)


def explained(difference: Difference) -> tuple[str, ...]:
    """Return a difference in lines: what came in place of what, and what the judge said."""
    said = (
        f"{printable(difference.what)}: expected {printable(difference.expected, 600)}, "
        f"got {printable(difference.actual, 600)}"
    )
    return (said, f"  {printable(difference.says, 600)}") if difference.says else (said,)
