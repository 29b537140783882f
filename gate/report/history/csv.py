"""One row per version, for spreadsheets and data frames; texts are guarded as in :mod:`gate.report.csv`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gate.report.csv import cell, table
from gate.report.history.interface import VersionRow

if TYPE_CHECKING:
    from gate.report.history.interface import History


@dataclass(frozen=True, slots=True)
class HistoryCsv:
    """The table of versions, the oldest first."""

    name: str = "csv"

    def history(self, history: History) -> str:
        """Render it."""
        columns = tuple(member.name for member in dataclasses.fields(VersionRow))
        rows = (
            (cell(model.name), *(_cell(getattr(row, column)) for column in columns))
            for model in history.models
            for row in model.versions
        )
        return table(("model", *columns), rows)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return cell(";".join(each if isinstance(each, str) else each.alias for each in value))
    return cell(value)
