"""``report.html``: one file to read in the registry's artifact viewer, in a browser, on paper.

A jinja2 template with autoescape, styles inlined, plots as SVG.  There is no script and no request
to anywhere, and a content security policy that forbids both; anchors are numbers, never names.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.report import figures, outline
from gate.report.advice import next_steps
from gate.report.html.explanations import EXPLANATIONS
from gate.text import printable

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict

_HERE = Path(__file__).parent


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
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2, 40 ms that other formats do not need

    from gate.report.html.page import page_of  # noqa: PLC0415 - as above

    styles = (_HERE / "styles.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    return _template().render(
        analysis=analysis,
        verdict=verdict,
        page=page_of(analysis, verdict),
        styles=Markup(styles),  # noqa: S704 - our own file
        style_hash=digest,
        changes=outline.changes(analysis, verdict) if analysis else (),
        steps=next_steps(verdict) if verdict else (),
        explanations=EXPLANATIONS,
    )


def _breakable(name: str) -> Markup:
    """Escape a layer's name, allowing a line break after each dot."""
    from markupsafe import Markup, escape  # noqa: PLC0415 - as above

    return Markup(".<wbr>").join(escape(part) for part in printable(name).split("."))


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - as above

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "printable": printable,
        "breakable": _breakable,
        "figure": figures.figure,
        "fixed": figures.fixed,
        "signed": figures.signed,
        "shape": figures.shape,
        "count": figures.count,
    }
    environment.filters.update(filters)
    environment.tests["known"] = figures.known
    environment.globals["outline"] = outline
    return environment.get_template("report.html.jinja")
