"""A table per model with alpha as a dot on a line; over all models, what to look at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report.figures import NONE, finite, fixed
from gate.report.history.attention import Urgency, outcome_word, override_lines, summary, watched
from gate.report.outline import OUTCOME_SIGN
from gate.report.text_page import TextPage
from gate.text import printable

if TYPE_CHECKING:
    from gate.report.history.attention import Watched
    from gate.report.history.interface import History, ModelHistory, VersionRow

_LINE: Final = 24


@dataclass(frozen=True, slots=True)
class HistoryText:
    """Text for a pipe or, with ``color`` and ``width`` (columns), for a terminal."""

    color: bool = False
    width: int = 500
    name: str = "text"

    def history(self, history: History) -> str:
        """Render it."""
        page = TextPage(self.color, self.width)
        if history.everything:
            page.line(summary(history), "bold")
            _index(page, watched(history))
        for model in () if history.everything else history.models:
            page.line(f"{printable(model.name)}  {summary(history)}", "bold")
            _model(page, model)
        return page.text()


def _index(page: TextPage, entries: tuple[Watched, ...]) -> None:
    urgent = [entry for entry in entries if entry.urgency is not Urgency.NOTHING]
    if urgent:
        page.heading("Look at these")
        for entry in urgent:
            page.line(printable(entry.model.name), indent=2)
            for about in entry.attention:
                page.line(about.message, indent=4)
    page.heading("All models")
    columns = (("model", False), ("versions", True), ("aliases", False), ("newest", False), ("alpha", True),
               ("AlphaHat", True), ("checked", False))  # fmt: skip
    page.table(columns, [_index_row(entry) for entry in entries])


def _index_row(entry: Watched) -> tuple[str, ...]:
    newest = entry.newest
    aliases = ", ".join(f"{alias} {row.version}" for row in entry.aliased for alias in _aliases(row))
    start = (printable(entry.model.name), f"{len(entry.model.versions):,}", aliases or NONE)
    if newest is None:
        return (*start, NONE, NONE, NONE, NONE)
    return (
        *start,
        f"{newest.version} {_outcome(newest)}",
        fixed(newest.alpha, 3),
        fixed(newest.alpha_weighted, 3),
        _date(newest),
    )


def _model(page: TextPage, model: ModelHistory) -> None:
    if not model.versions:
        page.line("no versions", indent=2)
        return
    alphas = [alpha for row in model.versions if (alpha := finite(row.alpha)) is not None]
    low, high = (min(alphas), max(alphas)) if alphas else (0.0, 0.0)
    columns = (("version", True), ("outcome", False), ("alpha", True),
               (f"{low:.2f} to {high:.2f}" if alphas else "", False), ("AlphaHat", True),
               ("aliases", False), ("policy", False), ("checked", False))  # fmt: skip
    rows = [
        (
            str(row.version),
            _outcome(row),
            fixed(row.alpha, 3),
            _dot(finite(row.alpha), low, high),
            fixed(row.alpha_weighted, 3),
            ", ".join(_aliases(row)) or NONE,
            printable(row.policy, 60) or NONE,
            _date(row),
        )
        for row in model.versions
    ]
    page.table(columns, rows)
    if any(row.torn for row in model.versions):
        page.line("not whole: tags of the gate that make up no decision; check that version again.", indent=2)
    for line in override_lines(model):
        page.line(f"!! {line}", "bold yellow", indent=2)


def _aliases(row: VersionRow) -> tuple[str, ...]:
    return tuple(printable(alias, 60) for alias in row.aliases)


def _outcome(row: VersionRow) -> str:
    sign = "○" if row.outcome is None else OUTCOME_SIGN[row.outcome]
    return f"{sign} {outcome_word(row)}"


def _date(row: VersionRow) -> str:
    return printable(row.checked_at, 20) or NONE


def _dot(value: float | None, low: float, high: float) -> str:
    """Place a dot on a line of fixed length from ``low`` to ``high``."""
    if value is None:
        return ""
    place = round((value - low) / (high - low) * (_LINE - 1)) if high > low else 0
    return f"{'·' * place}●{'·' * (_LINE - 1 - place)}"
