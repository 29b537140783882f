"""A proposal or a backtest as text: one file per format.

What comes in: a :class:`gate.study.calibrate.interface.Calibration` or ``Backtest``.  What goes out:
one string.  Names in them are a registry's, so hostile: each goes through
:func:`gate.text.printable` and the medium's own escaping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from typing_extensions import assert_never

from gate.choices import one_of
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
    found: FormatName = one_of(
        get_args(FormatName), name, f"a calibration has no format {printable(repr(name))}"
    )
    return found


__all__ = ["calibration_format", "calibration_format_name"]
