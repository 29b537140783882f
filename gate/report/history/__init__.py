"""Histories as text: every version of a model, or an index over all of them, one file per format.

What comes in: a :class:`gate.report.history.interface.History`.  What goes out: one string.
The room never asks a registry; what it shows came from tags that anybody with access may have
written, so every word goes through :func:`gate.text.printable` and the medium's own escaping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from typing_extensions import assert_never

from gate.choices import one_of
from gate.report.history.csv import HistoryCsv
from gate.report.history.html import HistoryHtml
from gate.report.history.interface import History, HistoryFormatName, ModelHistory, VersionRow
from gate.report.history.json import HistoryJson
from gate.report.history.text import HistoryText
from gate.text import printable

if TYPE_CHECKING:
    from gate.report.history.interface import HistoryFormat


def history_format(name: HistoryFormatName, *, color: bool = False, width: int = 500) -> HistoryFormat:
    """Return the format called ``name``; ``color`` and ``width`` (columns) are for text only."""
    match name:
        case "text":
            return HistoryText(color=color, width=width)
        case "json":
            return HistoryJson()
        case "csv":
            return HistoryCsv()
        case "html":
            return HistoryHtml()
        case _:
            assert_never(name)


def history_format_name(name: str) -> HistoryFormatName:
    """Return ``name`` as one of the known ones.

    Raises
    ------
    gate.errors.UsageError
        It is none of them.
    """
    found: HistoryFormatName = one_of(
        get_args(HistoryFormatName), name, f"a history has no format {printable(repr(name))}"
    )
    return found


__all__ = [
    "History",
    "HistoryFormatName",
    "ModelHistory",
    "VersionRow",
    "history_format",
    "history_format_name",
]
