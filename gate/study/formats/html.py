"""One HTML file, as safe to open as a report: no script, no outside request, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.study.formats import outline
from gate.study.words import group_word

if TYPE_CHECKING:
    from markupsafe import Markup

    from gate.study.interface import Correlation, MetricStudy, Study

_HERE: Final = Path(__file__).parent
_MOST_IN_MATRIX: Final = 30
"""More metrics than this make no table that anybody reads."""


@dataclass(frozen=True, slots=True)
class StudyHtml:
    """One HTML file."""

    name: str = "html"

    def study(self, study: Study) -> str:
        """Render it."""
        from gate.report.html.environment import render  # noqa: PLC0415 - jinja2, which text does not need
        from gate.study.formats.plots import swatch, training_plot  # noqa: PLC0415 - likewise

        return render(
            "study.html.jinja",
            folder=_HERE,
            study=study,
            page=outline,
            legend=[
                (swatch(index), group_word(size.group), size.n) for index, size in enumerate(study.groups)
            ],
            metrics=[_Metric(metric, study, index) for index, metric in enumerate(study.metrics, start=1)],
            training=training_plot(study),
            matrix=_matrix(study),
        )


@dataclass(frozen=True, slots=True)
class _Metric:
    """One metric on the page; ``index`` makes its anchor, never its name."""

    metric: MetricStudy
    study: Study
    index: int

    @property
    def plot(self) -> Markup | None:
        """Return quality over the metric."""
        from gate.study.formats.plots import metric_plot  # noqa: PLC0415 - as above

        return metric_plot(self.metric, self.study)


def _matrix(study: Study) -> list[tuple[str, list[Correlation | None]]] | None:
    """Return metric against metric as a square of pairs, None on its diagonal; None where it is too large."""
    names = [metric.metric for metric in study.metrics]
    if not 1 < len(names) <= _MOST_IN_MATRIX:
        return None
    pairs = {frozenset((pair.a, pair.b)): pair for pair in study.correlations}
    return [(name, [pairs.get(frozenset((name, other))) for other in names]) for name in names]
