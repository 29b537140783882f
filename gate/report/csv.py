"""One row per layer, for spreadsheets and data frames (RFC 4180).

The columns are the scalar fields of :class:`gate.spectra.interface.LayerMetrics` in their order,
behind them the metrics of third parties; ``shape`` is written ``64x3x3`` and ``flags`` are joined
with semicolons.  Figures have all their digits, a missing one is an empty field.  Control
characters are spelled out, so a record is a line.

A text that begins with ``=``, ``+``, ``-``, ``@`` or an apostrophe gets an apostrophe in front:
spreadsheets would run the first four as formulas, and the fifth keeps the rule reversible (strip
one leading apostrophe).
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from gate.report.outline import failing_layers
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.spectra.interface import LayerMetrics

_MAPPINGS: Final = frozenset({"phase_evidence", "extra"})
_FORMULA: Final = ("=", "+", "-", "@", "'")


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """The table of layers."""

    name: str = "csv"
    suffix: str = ".csv"

    def verdict(self, verdict: Verdict) -> str:
        """Render the layers with the ids of the rules each one failed."""
        failing = failing_layers(verdict)
        rows = verdict.analysis.layers if verdict.analysis else ()
        more = _of_plugins(rows)
        return table(
            (*columns(), *more, "failed_rules"),
            ((*_cells(row, more), _text(";".join(failing.get(row.name, ())))) for row in rows),
        )

    def analysis(self, analysis: Analysis) -> str:
        """Render the layers."""
        more = _of_plugins(analysis.layers)
        return table((*columns(), *more), (_cells(row, more) for row in analysis.layers))


@lru_cache(maxsize=1)
def columns() -> tuple[str, ...]:
    """Return the header of an analysis; a verdict's has ``failed_rules`` behind it."""
    from gate.spectra.interface import LayerMetrics  # noqa: PLC0415 - the engine's room brings numpy

    return tuple(item.name for item in fields(LayerMetrics) if item.name not in _MAPPINGS)


def _of_plugins(rows: Iterable[LayerMetrics]) -> tuple[str, ...]:
    """Return the columns of metrics of third parties, behind ours."""
    return tuple(sorted({name for row in rows for name in row.extra}))


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a header and rows of finished cells as one table."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _cells(row: LayerMetrics, more: tuple[str, ...]) -> tuple[str, ...]:
    ours = tuple(_cell(column, getattr(row, column)) for column in columns())
    return (*ours, *(cell(row.extra.get(name)) for name in more))


def _cell(column: str, value: Any) -> str:
    if column == "shape":
        return "x".join(str(extent) for extent in value)
    return cell(";".join(value) if column == "flags" else value)


def cell(value: float | str | None) -> str:
    """Return one value as a cell: a text guarded, a figure with all its digits or empty."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    shown = printable(value, limit=None)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
