"""A row per version, for spreadsheets and data frames; texts are guarded as in :mod:`gate.report.csv`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.report.csv import cell, table
from gate.study.calibrate.interface import BacktestRow, CalibrationRow

if TYPE_CHECKING:
    from gate.study.calibrate.interface import Backtest, Calibration

_NO_CELL: Final = frozenset({"baselines"})


@dataclass(frozen=True, slots=True)
class CalibrationCsv:
    """The table of versions."""

    name: str = "csv"

    def calibration(self, calibration: Calibration) -> str:
        """Render what base policy and proposal say of every version."""
        columns = _columns(CalibrationRow)
        return table(columns, (_cells(row, columns) for row in calibration.versions))

    def backtest(self, backtest: Backtest) -> str:
        """Render what every policy would have decided on every version."""
        columns = _columns(BacktestRow)
        rows = (
            (cell(policy.policy), *_cells(row, columns))
            for policy in backtest.policies
            for row in policy.versions
        )
        return table(("policy", *columns), rows)


def _columns(kind: type[BacktestRow | CalibrationRow]) -> tuple[str, ...]:
    return tuple(member.name for member in dataclasses.fields(kind) if member.name not in _NO_CELL)


def _cells(row: BacktestRow | CalibrationRow, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_cell(getattr(row, column)) for column in columns)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return cell(";".join(value) if isinstance(value, tuple) else value)
