"""``gate/study/1``: everything, with the models the figures are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gate.report.json import dumps

if TYPE_CHECKING:
    from gate.study.interface import Study


@dataclass(frozen=True, slots=True)
class StudyJson:
    """One JSON object."""

    name: str = "json"

    def study(self, study: Study) -> str:
        """Render it."""
        value: Any = study  # any dataclass will do; the type names those of that room
        return dumps(value)
