"""Markdown as GitHub reads it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.study.calibrate.formats.outline import backtest_page, calibration_page

if TYPE_CHECKING:
    from gate.study.calibrate.formats.outline import Grid, Page
    from gate.study.calibrate.interface import Backtest, Calibration

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]#|~@])")
_FENCE: Final = "```"


@dataclass(frozen=True, slots=True)
class CalibrationMarkdown:
    """Tables; of a proposal with the policy as a block of YAML."""

    name: str = "markdown"

    def calibration(self, calibration: Calibration) -> str:
        """Render a proposal."""
        fence = _FENCE if _FENCE not in calibration.policy else "`" * 8
        policy = f"## Policy\n\n{fence}yaml\n{calibration.policy}{fence}\n"
        return f"{_page(calibration_page(calibration))}\n{policy}"

    def backtest(self, backtest: Backtest) -> str:
        """Render a backtest."""
        return _page(backtest_page(backtest))


def _page(page: Page) -> str:
    lines = [f"# {_escaped(page.title)}", "", f"**{_escaped(page.headline)}**", ""]
    lines += [f"- {_escaped(fact)}" for fact in page.facts]
    for grid in page.grids:
        lines += ["", *_table(grid)]
    if page.notes:
        lines += ["", "## Notes", "", *(f"- {_escaped(note)}" for note in page.notes)]
    return "\n".join(lines) + "\n"


def _table(grid: Grid) -> list[str]:
    heads = " | ".join(_escaped(title) or " " for title, _ in grid.columns)
    rule = " | ".join("---:" if is_number else "---" for _, is_number in grid.columns)
    rows = [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in grid.rows]
    note = ["", _escaped(grid.note)] if grid.note else []
    return [f"## {_escaped(grid.title)}", "", f"| {heads} |", f"| {rule} |", *rows, *note]


def _escaped(text: str) -> str:
    """Escape what GitHub's markdown would read as more than words, links by bare address included."""
    words = html.escape(text, quote=False)
    return _SPECIAL.sub(r"\\\1", words).replace("://", ":\\/\\/")
