"""Comparisons of two models as text, JSON, markdown or HTML, one file per format.

In: a :class:`gate.analysis.comparison.Comparison`.  Out: one string.  The room never reads a weight; names
in the value are hostile, so every word goes through :func:`gate.text.printable` and the medium's escaping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from typing_extensions import assert_never

from gate.choices import one_of
from gate.report.compare.html import html
from gate.report.compare.markdown import markdown
from gate.report.compare.text import text
from gate.text import printable

if TYPE_CHECKING:
    from gate.analysis.comparison import Comparison

CompareFormatName = Literal["text", "json", "markdown", "html"]
"""The names ``gate compare --format`` accepts."""


def render_comparison(
    comparison: Comparison, name: CompareFormatName, *, color: bool = False, width: int = 500
) -> str:
    """Return ``comparison`` in the format called ``name``; ``color`` and ``width`` are for text only."""
    from gate.report.json import dumps  # noqa: PLC0415 - only this format needs it

    match name:
        case "text":
            return text(comparison, color=color, width=width)
        case "json":
            return dumps(comparison)
        case "markdown":
            return markdown(comparison)
        case "html":
            return html(comparison)
        case _:
            assert_never(name)


def compare_format_name(name: str) -> CompareFormatName:
    """Return ``name`` as one of the known ones.

    Raises
    ------
    gate.errors.UsageError
        It is none of them.
    """
    found: CompareFormatName = one_of(
        get_args(CompareFormatName), name, f"a comparison has no format {printable(repr(name))}"
    )
    return found


__all__ = ["CompareFormatName", "compare_format_name", "render_comparison"]
