"""``gate/calibrate/1`` and ``gate/backtest/1``; the proposed policy is in the former as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gate.report.json import dumps

if TYPE_CHECKING:
    from gate.study.calibrate.interface import Backtest, Calibration


@dataclass(frozen=True, slots=True)
class CalibrationJson:
    """One JSON object."""

    name: str = "json"

    def calibration(self, calibration: Calibration) -> str:
        """Render a proposal."""
        value: Any = calibration  # any dataclass will do; the type names those of that room
        return dumps(value)

    def backtest(self, backtest: Backtest) -> str:
        """Render a backtest."""
        value: Any = backtest  # as above
        return dumps(value)
