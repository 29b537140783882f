"""JUnit XML: a suite per file, a case per case, a failure where anything was other than expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.report.figures import count
from gate.report.policy_tests.text import explained
from gate.text import printable

if TYPE_CHECKING:
    from gate.report.policy_tests.interface import CaseResult, FileResult, TestReport


def junit(report: TestReport) -> str:
    """Return the report for the test tab of a CI system."""
    from junitparser import JUnitXml, TestSuite  # noqa: PLC0415 - other formats do not need it

    document: Any = JUnitXml("gate policy test")  # Any: half of its methods are untyped
    for file in report.files:
        suite = TestSuite(printable(file.file))
        suite.add_property("policy", printable(file.policy))
        suite.add_testcases([_case(file, case) for case in file.cases])
        document.add_testsuite(suite)
    document.update_statistics()
    written: bytes = document.tostring()
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written.decode()}\n'


def _case(file: FileResult, case: CaseResult) -> Any:
    from junitparser import Failure, TestCase  # noqa: PLC0415 - as above

    entry = TestCase(printable(case.name), classname=printable(file.policy))
    if not case.passed:
        failure = Failure(count(len(case.differences), "difference"), "differs")
        failure.text = "\n".join(line for item in case.differences for line in explained(item))
        entry.result = [failure]
        entry.system_out = f"{printable(file.file)}:{case.line}"
    return entry
