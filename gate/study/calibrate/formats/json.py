"""``gate/calibrate/1`` and ``gate/backtest/1``; the proposed policy is in the former as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.report.json import dumps

if TYPE_CHECKING:
    from gate.study.calibrate.interface import Backtest, Calibration


@dataclass(frozen=True, slots=True)
class CalibrationJson:
    """One JSON object."""

    name: str = "json"

    def calibration(self, calibration: Calibration) -> str:
        """Render a proposal."""
        return dumps(calibration)

    def backtest(self, backtest: Backtest) -> str:
        """Render a backtest."""
        return dumps(backtest)
