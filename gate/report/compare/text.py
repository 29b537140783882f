"""Plain text: the relation first, then the layers, the most changed first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.report.compare import outline
from gate.report.figures import count
from gate.report.text_page import TextPage
from gate.text import printable

if TYPE_CHECKING:
    from gate.analysis.comparison import Comparison

SHOWN: Final = 2000
"""Rows of the table; the rest are counted."""
NAMED: Final = 50


def text(comparison: Comparison, *, color: bool, width: int) -> str:
    """Return the comparison for a pipe or a terminal."""
    page = TextPage(color, width)
    page.line(outline.headline(comparison).upper(), "bold")
    for side, said in outline.models(comparison):
        page.line(f"{side}: {said}", indent=2)
    for fact in outline.facts(comparison):
        page.line(fact, indent=2)
    page.heading("Model")
    page.table((("metric", False), ("a", True), ("b", True), ("change", True)), outline.metrics(comparison))
    page.heading("Layers, the most changed first")
    rows = [outline.cells(pair) for pair in outline.ordered(comparison)[:SHOWN]]
    page.table(outline.COLUMNS, rows)
    if len(comparison.pairs) > SHOWN:
        page.line(f"and {count(len(comparison.pairs) - SHOWN, 'more layer')}: see --format json", indent=2)
    for title, names in outline.unmatched(comparison):
        more = (f"and {len(names) - NAMED:,} more",) if len(names) > NAMED else ()
        page.section(title, (*map(printable, names[:NAMED]), *more))
    return page.text()
