"""GitHub-flavoured markdown: the conclusion, a table of metrics, and each metric folded below.

Hostile names are escaped as in :mod:`gate.report.markdown`; every metric is there, however many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.report.markdown import code, prose
from gate.study.formats import outline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.study.formats.outline import Column, Row
    from gate.study.interface import MetricStudy, Study


@dataclass(frozen=True, slots=True)
class StudyMarkdown:
    """Markdown."""

    name: str = "markdown"

    def study(self, study: Study) -> str:
        """Render it."""
        return "\n".join(_lines(study)).rstrip("\n") + "\n"


def _lines(study: Study) -> Iterator[str]:
    yield from (f"## {prose(outline.title(study))}", "", f"{prose(outline.subject(study), 4000)}.", "")
    yield from _items("What may gate what", study.advice)
    yield from ("### All metrics", "", *_table(outline.SUMMARY, outline.summary(study)), "")
    for metric in study.metrics:
        yield from _metric(metric, study)
    if study.training is not None:
        yield from (f"### {prose(study.quality)} over {prose(study.training.training_quality)}", "")
        yield from (*_table(outline.TRAINING, outline.training_rows(study)), "")
    if alike := outline.alike_rows(study):
        yield from ("### Metrics that order the models alike", "", *_table(outline.ALIKE_COLUMNS, alike), "")
    yield from _items("Left out", (f"{name}: {reason}" for name, reason in outline.left_out(study)))
    yield from _items("Notes", (*study.notes, outline.method(study)))


def _metric(metric: MetricStudy, study: Study) -> Iterator[str]:
    yield from ("<details>", f"<summary>{prose(metric.metric)}</summary>", "")
    yield from (*_table(outline.GROUPS, outline.group_rows(metric)), "")
    yield prose(" ".join(filter(None, (outline.tests(metric), outline.small(metric, study)))), 4000)
    yield from ("", "</details>", "")


def _items(title: str, items: Iterable[str]) -> Iterator[str]:
    shown = [f"- {prose(item, 4000)}" for item in items]
    if shown:
        yield from (f"### {title}", "", *shown, "")


def _table(columns: tuple[Column, ...], rows: Iterable[Row]) -> Iterator[str]:
    yield f"| {' | '.join(title for title, _ in columns)} |"
    yield f"|{'|'.join('---:' if number else '---' for _, number in columns)}|"
    for first, *rest in rows:
        yield f"| {code(first)} | {' | '.join(prose(cell) for cell in rest)} |"
