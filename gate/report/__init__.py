"""Verdicts and analyses as text: one file per format.

What comes in: a :class:`gate.policy.interface.Verdict` or a :class:`gate.analysis.interface.Analysis`.
What goes out: one string; who writes it where is the command line's business.

The room never judges, reads or measures, and knows nothing of MLflow: every figure it shows is
already in the value it was given, so that a saved verdict renders as the fresh one did, byte for
byte.  Names in these values are hostile; :func:`gate.text.printable` makes them visible and each
format escapes them for its medium.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, get_args

from gate.errors import UsageError
from gate.plugins import enabled
from gate.report.json import load_analysis, load_report, load_verdict
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.report.interface import Format

FormatName = Literal["text", "json", "csv", "junit", "sarif", "markdown", "html", "github", "gitlab"]
"""Our own names that ``--format`` accepts; plugins add theirs."""

_FORMATS: Final[Mapping[FormatName, str]] = {
    "text": "TextFormat",
    "json": "JsonFormat",
    "csv": "CsvFormat",
    "junit": "JunitFormat",
    "sarif": "SarifFormat",
    "markdown": "MarkdownFormat",
    "html": "HtmlFormat",
    "github": "GithubFormat",
    "gitlab": "GitlabFormat",
}
"""Class of each format, in the module of its name; imported when it is asked for."""


def get_format(name: str, *, color: bool = False, width: int = 500) -> Format:
    """Return the format called ``name``; ``color`` and ``width`` (columns) are for text only.

    Raises
    ------
    gate.errors.UsageError
        There is none of that name, neither ours nor of a plugin that was named.
    """
    for known, kind in _FORMATS.items():
        if name == known:
            form = getattr(import_module(f"gate.report.{known}"), kind)
            own: Format = form(color=color, width=width) if known == "text" else form()
            return own
    for plugin in enabled("formats"):
        if name == plugin.name:
            found: Format = plugin.load()
            return found
    raise UsageError(
        f"there is no format {printable(repr(name))}", hint=f"use one of: {', '.join(format_names())}"
    )


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
