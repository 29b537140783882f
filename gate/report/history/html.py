"""One HTML file, as safe to open as a report: one model's versions, or an index over all models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.report.history.attention import Urgency, outcome_word, override_lines, summary, watched

if TYPE_CHECKING:
    from markupsafe import Markup

    from gate.report.history.attention import Watched
    from gate.report.history.interface import History, ModelHistory

_METRICS = (("alpha", "alpha"), ("alpha_weighted", "AlphaHat"))


@dataclass(frozen=True, slots=True)
class HistoryHtml:
    """One HTML file."""

    name: str = "html"

    def history(self, history: History) -> str:
        """Render it."""
        from gate.report.html.environment import render  # noqa: PLC0415 - jinja2, which text does not need

        entries = tuple(_Entry(entry, index) for index, entry in enumerate(watched(history), start=1))
        return render(
            "history.html.jinja",
            history=history,
            summary=summary(history),
            entries=entries,
            urgent=[entry for entry in entries if entry.watched.urgency is not Urgency.NOTHING],
            outcome_word=outcome_word,
            override_lines=override_lines,
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One model on the page; ``index`` makes its anchor, never its name."""

    watched: Watched
    index: int

    @property
    def spark(self) -> Markup | None:
        """Return alpha over the versions as one small line."""
        from gate.report.html.trend_plot import trend_line  # noqa: PLC0415 - as above

        return trend_line([row.alpha for row in self.watched.model.versions])

    @property
    def trends(self) -> tuple[Markup, ...]:
        """Return the metrics over the versions."""
        return _trends(self.watched.model)


def _trends(model: ModelHistory) -> tuple[Markup, ...]:
    from gate.report.html.trend_plot import TrendPoint, trend_plot  # noqa: PLC0415 - as above

    drawn = (
        trend_plot(
            [TrendPoint(row.version, getattr(row, name), row.outcome) for row in model.versions], title
        )
        for name, title in _METRICS
    )
    return tuple(markup for markup in drawn if markup is not None)
