"""What a format of a study is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gate.study.interface import Study

StudyFormatName = Literal["text", "json", "csv", "markdown", "html"]
"""The names ``gate study --format`` accepts."""


class StudyFormat(Protocol):
    """One output format; a pure function from the value to text."""

    @property
    def name(self) -> str:
        """The name ``--format`` accepts."""
        ...

    def study(self, study: Study) -> str:
        """Render it."""
        ...
