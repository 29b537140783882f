"""A proposal or a backtest as text: one file per format.

What comes in: a :class:`gate.study.calibrate.interface.Calibration` or ``Backtest``.  What goes out:
one string.  Names in them are a registry's, so hostile: each goes through
:func:`gate.text.printable` and the medium's own escaping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from typing_extensions import assert_never

from gate.errors import UsageError
from gate.study.calibrate.formats.csv import CalibrationCsv
from gate.study.calibrate.formats.html import CalibrationHtml
from gate.study.calibrate.formats.json import CalibrationJson
from gate.study.calibrate.formats.markdown import CalibrationMarkdown
from gate.study.calibrate.formats.text import CalibrationText
from gate.study.calibrate.interface import FormatName
from gate.text import printable

if TYPE_CHECKING:
    from gate.study.calibrate.interface import CalibrationFormat


def calibration_format(name: FormatName, *, color: bool = False, width: int = 500) -> CalibrationFormat:
    """Return the format called ``name``; ``color`` and ``width`` (columns) are for text only."""
    match name:
        case "text":
            return CalibrationText(color=color, width=width)
        case "json":
            return CalibrationJson()
        case "csv":
            return CalibrationCsv()
        case "markdown":
            return CalibrationMarkdown()
        case "html":
            return CalibrationHtml()
        case _:
            assert_never(name)


def calibration_format_name(name: str) -> FormatName:
    """Return ``name`` as one of the known ones.

    Raises
    ------
    gate.errors.UsageError
        It is none of them.
    """
    for known in get_args(FormatName):
        if name == known:
            found: FormatName = known
            return found
    raise UsageError(
        f"a calibration has no format {printable(repr(name))}",
        hint=f"use one of: {', '.join(get_args(FormatName))}",
    )


__all__ = ["calibration_format", "calibration_format_name"]
