"""Verdicts and analyses as text: one file per format.

What comes in: a :class:`gate.policy.interface.Verdict` or a :class:`gate.analysis.interface.Analysis`.
What goes out: one string; who writes it where is the command line's business.

The room never judges, reads or measures, and knows nothing of MLflow: every figure it shows is
already in the value it was given, so that a saved verdict renders as the fresh one did, byte for
byte.  Names in these values are hostile; :func:`gate.text.printable` makes them visible and each
format escapes them for its medium.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from typing_extensions import assert_never

from gate.errors import UsageError
from gate.plugins import enabled
from gate.report.csv import CsvFormat
from gate.report.github import GithubFormat
from gate.report.gitlab import GitlabFormat
from gate.report.html import HtmlFormat
from gate.report.json import JsonFormat, load_analysis, load_report, load_verdict
from gate.report.junit import JunitFormat
from gate.report.markdown import MarkdownFormat
from gate.report.sarif import SarifFormat
from gate.report.text import TextFormat
from gate.text import printable

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.report.interface import Format

FormatName = Literal["text", "json", "csv", "junit", "sarif", "markdown", "html", "github", "gitlab"]
"""Our own names that ``--format`` accepts; plugins add theirs."""

FORMATS: Final[tuple[Format, ...]] = (
    TextFormat(),
    JsonFormat(),
    CsvFormat(),
    JunitFormat(),
    SarifFormat(),
    MarkdownFormat(),
    HtmlFormat(),
    GithubFormat(),
    GitlabFormat(),
)


def get_format(name: str, *, color: bool = False, width: int = 500) -> Format:
    """Return the format called ``name``; ``color`` and ``width`` (columns) are for text only.

    Raises
    ------
    gate.errors.UsageError
        There is none of that name, neither ours nor of a plugin that was named.
    """
    for known in get_args(FormatName):
        if name == known:
            return _own_format(known, color=color, width=width)
    for plugin in enabled("formats"):
        if name == plugin.name:
            found: Format = plugin.load()
            return found
    raise UsageError(
        f"there is no format {printable(repr(name))}", hint=f"use one of: {', '.join(format_names())}"
    )


def _own_format(  # noqa: PLR0911 - an arm per format, which mypy checks to be all of them
    name: FormatName, *, color: bool, width: int
) -> Format:
    match name:
        case "text":
            return TextFormat(color=color, width=width)
        case "json":
            return JsonFormat()
        case "csv":
            return CsvFormat()
        case "junit":
            return JunitFormat()
        case "sarif":
            return SarifFormat()
        case "markdown":
            return MarkdownFormat()
        case "html":
            return HtmlFormat()
        case "github":
            return GithubFormat()
        case "gitlab":
            return GitlabFormat()
        case _:
            assert_never(name)


def format_names() -> tuple[str, ...]:
    """Return every name ``--format`` accepts now: ours, then those of the plugins in use."""
    return (*get_args(FormatName), *(plugin.name for plugin in enabled("formats")))


def format_name(name: str) -> str:
    """Return ``name`` if it is one of the known ones.

    Raises
    ------
    gate.errors.UsageError
        It is none of them.
    """
    get_format(name)
    return name


def render_verdict(verdict: Verdict, name: str, *, color: bool = False, width: int = 500) -> str:
    """Render ``verdict`` in the format called ``name``; options as for :func:`get_format`."""
    return get_format(name, color=color, width=width).verdict(verdict)


def render_analysis(analysis: Analysis, name: str, *, color: bool = False, width: int = 500) -> str:
    """Render ``analysis`` in the format called ``name``; options as for :func:`get_format`.

    Raises
    ------
    gate.errors.UsageError
        The format only makes sense for a verdict.
    """
    return get_format(name, color=color, width=width).analysis(analysis)


__all__ = [
    "FORMATS",
    "FormatName",
    "format_name",
    "format_names",
    "get_format",
    "load_analysis",
    "load_report",
    "load_verdict",
    "render_analysis",
    "render_verdict",
]
