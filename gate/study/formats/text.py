"""The conclusion in words, a table of metrics, and a table of sub-groups for each metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.report.text_page import TextPage
from gate.study.formats import outline
from gate.text import printable

if TYPE_CHECKING:
    from gate.study.interface import MetricStudy, Study


@dataclass(frozen=True, slots=True)
class StudyText:
    """Text for a pipe or, with ``color`` and ``width`` (columns), for a terminal."""

    color: bool = False
    width: int = 500
    name: str = "text"

    def study(self, study: Study) -> str:
        """Render it."""
        page = TextPage(self.color, self.width)
        page.line(outline.title(study), "bold")
        page.line(outline.subject(study), indent=2)
        page.section("What may gate what", study.advice)
        page.heading("All metrics")
        page.table(outline.SUMMARY, outline.summary(study))
        for metric in study.metrics:
            _metric(page, metric, study)
        if study.training is not None:
            page.heading(f"{printable(study.quality)} over {printable(study.training.training_quality)}")
            page.table(outline.TRAINING, outline.training_rows(study))
        if alike := outline.alike_rows(study):
            page.heading("Metrics that order the models alike")
            page.table(outline.ALIKE_COLUMNS, alike)
        page.section("Left out", tuple(f"{name}: {reason}" for name, reason in outline.left_out(study)))
        page.section("Notes", (*(printable(note, None) for note in study.notes), outline.method(study)))
        return page.text()


def _metric(page: TextPage, metric: MetricStudy, study: Study) -> None:
    page.heading(printable(metric.metric) + (f": {metric.title}" if metric.title else ""))
    page.table(outline.GROUPS, outline.group_rows(metric))
    page.line(outline.tests(metric), indent=2)
    if words := outline.small(metric, study):
        page.line(words, indent=2)
