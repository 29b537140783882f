"""A study as text: one file per format.

What comes in: a :class:`gate.study.interface.Study`.  What goes out: one string.  Names of models,
sub-groups and metrics came from runs, tags and files that anybody may have written, so every word
goes through :func:`gate.text.printable` and the medium's own escaping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from typing_extensions import assert_never

from gate.choices import one_of
from gate.study.formats.csv import StudyCsv
from gate.study.formats.html import StudyHtml
from gate.study.formats.interface import StudyFormat, StudyFormatName
from gate.study.formats.json import StudyJson
from gate.study.formats.markdown import StudyMarkdown
from gate.study.formats.text import StudyText
from gate.text import printable

if TYPE_CHECKING:
    from gate.study.interface import Study


def study_format(name: StudyFormatName, *, color: bool = False, width: int = 500) -> StudyFormat:
    """Return the format called ``name``; ``color`` and ``width`` (columns) are for text only."""
    match name:
        case "text":
            return StudyText(color=color, width=width)
        case "json":
            return StudyJson()
        case "csv":
            return StudyCsv()
        case "markdown":
            return StudyMarkdown()
        case "html":
            return StudyHtml()
        case _:
            assert_never(name)


def study_format_name(name: str) -> StudyFormatName:
    """Return ``name`` as one of the known ones.

    Raises
    ------
    gate.errors.UsageError
        It is none of them.
    """
    found: StudyFormatName = one_of(
        get_args(StudyFormatName), name, f"a study has no format {printable(repr(name))}"
    )
    return found


def render_study(study: Study, name: StudyFormatName) -> str:
    """Render a study in the format called ``name``."""
    return study_format(name).study(study)


__all__ = ["StudyFormat", "StudyFormatName", "render_study", "study_format", "study_format_name"]
