"""``report.html``: one file to read in the registry's artifact viewer, in a browser, on paper.

A jinja2 template with autoescape, styles inlined, plots as SVG.  There is no script and no request
to anywhere, and a content security policy that forbids both; anchors are numbers, never names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.report import outline
from gate.report.advice import next_steps
from gate.report.html.explanations import FIGURES, VIEWS

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict


@dataclass(frozen=True, slots=True)
class HtmlFormat:
    """One HTML file."""

    name: str = "html"
    suffix: str = ".html"

    def verdict(self, verdict: Verdict) -> str:
        """Render a verdict with every figure of its analysis."""
        return _render(verdict.analysis, verdict)

    def analysis(self, analysis: Analysis) -> str:
        """Render an analysis alone."""
        return _render(analysis, None)


def _render(analysis: Analysis | None, verdict: Verdict | None) -> str:
    from gate.report.html.environment import render  # noqa: PLC0415 - jinja2, which other formats do not need
    from gate.report.html.page import page_of  # noqa: PLC0415 - as above

    return render(
        "report.html.jinja",
        analysis=analysis,
        verdict=verdict,
        page=page_of(analysis, verdict),
        changes=outline.changes(analysis, verdict) if analysis else (),
        steps=next_steps(verdict) if verdict else (),
        figures_explained=FIGURES,
        views_explained=VIEWS,
    )
