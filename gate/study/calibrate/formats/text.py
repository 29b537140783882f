"""Text for a pipe or a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.report.text_page import TextPage
from gate.study.calibrate.formats.outline import backtest_page, calibration_page

if TYPE_CHECKING:
    from gate.study.calibrate.formats.outline import Page
    from gate.study.calibrate.interface import Backtest, Calibration


@dataclass(frozen=True, slots=True)
class CalibrationText:
    """Tables; with ``color`` and ``width`` (columns) for a terminal."""

    color: bool = False
    width: int = 500
    name: str = "text"

    def calibration(self, calibration: Calibration) -> str:
        """Render a proposal."""
        return self._render(calibration_page(calibration))

    def backtest(self, backtest: Backtest) -> str:
        """Render a backtest."""
        return self._render(backtest_page(backtest))

    def _render(self, found: Page) -> str:
        page = TextPage(self.color, self.width)
        page.line(found.title)
        page.line(found.headline, "bold")
        for fact in found.facts:
            page.line(fact, indent=2)
        for grid in found.grids:
            page.heading(grid.title)
            page.table(grid.columns, grid.rows)
            if grid.note:
                page.line(grid.note, indent=2)
        page.section("Notes", found.notes)
        return page.text()
