"""``gate/history/1``: the same object for one model and for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.report.json import dumps

if TYPE_CHECKING:
    from gate.report.history.interface import History


@dataclass(frozen=True, slots=True)
class HistoryJson:
    """One JSON object."""

    name: str = "json"

    def history(self, history: History) -> str:
        """Render it."""
        return dumps(history)
