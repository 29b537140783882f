"""One HTML file, as safe to open as a report: no script, no request, the same styles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gate.study.calibrate.formats.outline import backtest_page, calibration_page

if TYPE_CHECKING:
    from markupsafe import Markup

    from gate.study.calibrate.formats.outline import Page
    from gate.study.calibrate.interface import Backtest, Calibration

_RATES: Final = (
    "Share of good versions refused: the dot is what is expected (of a limit from the history) or was "
    "counted (of one of the base policy), the line its 95 % interval. The heavier upright line is the target."
)
_DECISIONS: Final = "What the policy would have decided on each version, in the order of time."


@dataclass(frozen=True, slots=True)
class CalibrationHtml:
    """One HTML file."""

    name: str = "html"

    def calibration(self, calibration: Calibration) -> str:
        """Render a proposal, with the policy to copy."""
        from gate.study.calibrate.formats.figures import rates  # noqa: PLC0415 - jinja2, for this format only

        return _render(
            calibration_page(calibration),
            kicker="calibration",
            policy=calibration.policy,
            figures=[figure for figure in (rates(calibration),) if figure is not None],
            caption=_RATES,
        )

    def backtest(self, backtest: Backtest) -> str:
        """Render a backtest, with the line of every policy."""
        from gate.study.calibrate.formats.figures import decisions  # noqa: PLC0415 - as above

        drawn: list[Markup | None] = [decisions(policy) for policy in backtest.policies]
        return _render(
            backtest_page(backtest),
            kicker="backtest",
            policy=None,
            figures=[figure for figure in drawn if figure is not None],
            caption=_DECISIONS,
        )


def _render(page: Page, **values: Any) -> str:
    from gate.report.html.environment import render  # noqa: PLC0415 - as above

    return render("calibrate.html.jinja", folder=Path(__file__).parent, page=page, **values)
