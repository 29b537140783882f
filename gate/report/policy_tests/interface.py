"""What running policy tests came to: schema ``gate/policy-test/1``.

Field names may be added to, never changed within a schema number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from gate.policy.interface import Outcome
    from gate.policy.testing import Difference

POLICY_TEST_SCHEMA: Final = "gate/policy-test/1"

TestFormatName = Literal["text", "json", "junit"]
"""The names ``gate policy test --format`` accepts."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case; it passed when nothing was other than expected."""

    name: str
    line: int
    outcome: Outcome
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class FileResult:
    """The cases of one file; ``untested_rules`` are those of the policy that no case names."""

    file: str
    policy_file: str
    policy: str
    cases: tuple[CaseResult, ...]
    untested_rules: tuple[str, ...]

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that did not pass."""
        return tuple(case for case in self.cases if not case.passed)


@dataclass(frozen=True, slots=True)
class TestReport:
    """Every file that was run."""

    __test__ = False  # pytest would take the name for a test

    files: tuple[FileResult, ...]
    schema: str = POLICY_TEST_SCHEMA

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return not any(file.failed for file in self.files)
