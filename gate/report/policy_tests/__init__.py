"""Results of policy tests as text, JSON or JUnit XML, one file per format.

In: a :class:`~gate.report.policy_tests.interface.TestReport`.  Out: one string.  The room never runs a
case; names in it come from files that strangers wrote.
"""

from __future__ import annotations

from typing import Final, get_args

from typing_extensions import assert_never

from gate.choices import one_of
from gate.report.policy_tests.interface import CaseResult, FileResult, TestFormatName, TestReport
from gate.report.policy_tests.junit import junit
from gate.report.policy_tests.text import text
from gate.text import printable

NAMES: Final[tuple[TestFormatName, ...]] = get_args(TestFormatName)


def render_tests(report: TestReport, name: TestFormatName, *, color: bool = False) -> str:
    """Return ``report`` in the format called ``name``; ``color`` is for text only."""
    from gate.report.json import dumps  # noqa: PLC0415 - only this format needs it

    match name:
        case "text":
            return text(report, color=color)
        case "json":
            return dumps(report)
        case "junit":
            return junit(report)
        case _:
            assert_never(name)


def known_format(name: str) -> TestFormatName:
    """Return ``name`` as one of the known ones.

    Raises
    ------
    gate.errors.UsageError
        It is none of them.
    """
    return one_of(NAMES, name, f"policy tests have no format {printable(repr(name))}")


__all__ = [
    "NAMES",
    "CaseResult",
    "FileResult",
    "TestFormatName",
    "TestReport",
    "known_format",
    "render_tests",
]
