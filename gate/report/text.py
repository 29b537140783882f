"""Plain text for people: the outcome first, what failed next, what passed only counted.

The same renderer serves a pipe (no colour, prose never wrapped, so that ``grep`` finds it) and a
terminal (``TextFormat(color=True, width=...)``).  rich draws the tables; nothing is printed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report import outline
from gate.report.advice import next_steps
from gate.report.figures import NONE, count, digest, figure, fixed, known, shape, signed
from gate.report.flags import explain
from gate.report.text_page import TextPage
from gate.text import printable

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.policy.interface import Outcome, RuleResult, Verdict
    from gate.spectra.interface import LayerMetrics

SHOWN_LAYERS: Final = 5
"""Worst layers named per rule; the rest are counted."""
SHOWN_SKIPPED: Final = 20
"""Skipped tensors and files named; the rest are counted."""
SHOWN_ROWS: Final = 2000
"""Rows of the table of layers; the rest are counted."""

_STYLE: Final[dict[Outcome, str]] = {
    "passed": "bold green",
    "warned": "bold yellow",
    "blocked": "bold red",
    "inconclusive": "bold magenta",
    "error": "bold red",
}


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Text for a pipe or, with ``color`` and ``width`` (columns), for a terminal."""

    color: bool = False
    width: int = 500
    name: str = "text"
    suffix: str = ".txt"

    def verdict(self, verdict: Verdict) -> str:
        """Render a verdict: outcome, failed rules, warnings, the rest, model, coverage, next steps."""
        page = TextPage(self.color, self.width)
        _outcome(page, verdict)
        _rules(page, verdict)
        if verdict.analysis:
            _model(page, verdict.analysis, verdict)
            _coverage(page, verdict.analysis)
        page.section("Baseline", outline.baseline_notes(verdict))
        page.section("Waivers", outline.waiver_notes(verdict))
        page.section("What to do next", next_steps(verdict))
        return page.text()

    def analysis(self, analysis: Analysis) -> str:
        """Render an analysis: model metrics, the table of layers, coverage."""
        page = TextPage(self.color, self.width)
        page.line(printable(analysis.source.uri), "bold")
        page.line(f"{analysis.source.format}, {digest(analysis.source.digest)}", indent=2)
        page.line(f"gate {analysis.engine.version}, convention {analysis.engine.convention}", indent=2)
        _model(page, analysis, None)
        _layers(page, analysis)
        _coverage(page, analysis)
        return page.text()


def _outcome(page: TextPage, verdict: Verdict) -> None:
    sign = outline.OUTCOME_SIGN[verdict.outcome]
    page.line(
        f"{sign} {outline.headline(verdict).upper()}  {outline.subject(verdict)}", _STYLE[verdict.outcome]
    )
    for note in outline.audit_notes(verdict):
        page.line(f"!! {note}", "bold yellow", indent=2)
    if verdict.error:
        page.line(f"Error: {printable(verdict.error, 600)}", indent=2)
    for policy in verdict.policies:
        page.line(f"Policy {outline.policy_line(policy, verdict)}", indent=2)
    page.line(outline.tally(verdict), indent=2)
    for note in outline.override_notes(verdict):
        page.line(f"!! {note}", "bold yellow", indent=2)
    page.line(outline.signature_note(verdict), indent=2)


def _rules(page: TextPage, verdict: Verdict) -> None:
    groups = (
        ("Failed", "✖", outline.rules_by(verdict, "failed", "block")),
        ("Warnings", "▲", outline.rules_by(verdict, "failed", "warn")),
        ("Information", "i", outline.rules_by(verdict, "failed", "info")),
        ("Inconclusive", "◆", outline.rules_by(verdict, "inconclusive")),
        ("Waived", "~", outline.rules_by(verdict, "waived")),
    )
    for title, sign, rules in groups:
        if rules:
            page.heading(title)
            for rule in rules:
                _rule(page, sign, rule)
    page.section(
        "Not applicable",
        tuple(_short(rule) for rule in outline.rules_by(verdict, "not_applicable")),
    )


def _short(rule: RuleResult) -> str:
    said = printable(rule.message, 600) or "matched nothing"
    return f"○ {printable(rule.id)} ({printable(rule.policy)}): {said}"


def _rule(page: TextPage, sign: str, rule: RuleResult) -> None:
    page.line(f"{sign} {printable(rule.id)}  [{printable(rule.policy)}, {rule.severity}]", "bold", indent=2)
    if rule.description:
        page.line(printable(rule.description, 600), indent=4)
    page.line(" · ".join(f"{word} {said}" for word, said in outline.rule_facts(rule)), indent=4)
    if rule.message:
        page.line(printable(rule.brief or rule.message, 600), indent=4)
    if rule.waiver:
        page.line(f"waiver: {printable(rule.waiver, 600)}", indent=4)
    layers = outline.worst_layers(rule)
    for layer in layers[:SHOWN_LAYERS]:
        was = f"  (baseline {figure(layer.baseline_value)})" if known(layer.baseline_value) else ""
        why = f"  {printable(layer.why)}" if layer.why else ""
        page.line(f"{figure(layer.value):>12}  {printable(layer.name)}{was}{why}", indent=4)
    if len(layers) > SHOWN_LAYERS:
        page.line(f"and {count(len(layers) - SHOWN_LAYERS, 'more layer')}", indent=6)


def _model(page: TextPage, analysis: Analysis, verdict: Verdict | None) -> None:
    changes = outline.changes(analysis, verdict)
    compared = any(change.baseline is not None for change in changes)
    page.heading("Model")
    columns: tuple[tuple[str, bool], ...] = (("metric", False), ("value", True), ("std. error", True))
    if compared:
        columns = (*columns, ("baseline", True), ("change", True))
    rows = []
    for change in changes:
        row: tuple[str, ...] = (change.title, figure(change.value), figure(change.standard_error, 2))
        if compared:
            moved = NONE if change.difference is None else signed(change.difference)
            row = (*row, figure(change.baseline), moved)
        rows.append(row)
    page.table(columns, rows)


def _layers(page: TextPage, analysis: Analysis) -> None:
    """Add the table of layers; a narrow terminal gets the columns that matter."""
    rows = [_layer_cells(row) for row in analysis.layers[:SHOWN_ROWS]]
    kept = [place for place, (_, _, least) in enumerate(_COLUMNS) if page.width >= least]
    page.heading("Layers")
    page.table(
        tuple(_COLUMNS[place][:2] for place in kept), [tuple(row[place] for place in kept) for row in rows]
    )
    if len(analysis.layers) > SHOWN_ROWS:
        page.line(f"and {count(len(analysis.layers) - SHOWN_ROWS, 'more layer')}: see --format csv", indent=2)


_COLUMNS: Final[tuple[tuple[str, bool, int], ...]] = (
    ("layer", False, 0),
    ("kind", False, 150),
    ("shape", False, 110),
    ("alpha", True, 0),
    ("± se", True, 70),
    ("D", True, 80),
    ("tail", True, 80),
    ("log norm", True, 150),
    ("AlphaHat", True, 150),
    ("phase", False, 0),
    ("notes", False, 90),
)
"""Title, whether it is a number, and the narrowest page that shows it."""


def _layer_cells(row: LayerMetrics) -> tuple[str, ...]:
    return (
        printable(row.name),
        row.kind,
        shape(row.shape),
        fixed(row.alpha),
        fixed(row.alpha_standard_error),
        fixed(row.ks_distance, 3),
        figure(row.tail_size),
        fixed(row.log_spectral_norm),
        fixed(row.alpha_weighted),
        row.phase or NONE,
        "; ".join(_notes(row)),
    )


def _notes(row: LayerMetrics) -> tuple[str, ...]:
    flags = tuple(explain(flag).title for flag in row.flags)
    return (*flags, printable(row.reason)) if row.reason else flags


def _coverage(page: TextPage, analysis: Analysis) -> None:
    page.heading("Coverage")
    page.line(outline.coverage_note(analysis), indent=2)
    skipped = analysis.coverage.skipped
    for entry in skipped[:SHOWN_SKIPPED]:
        page.line(f"skipped {printable(entry.name)}: {printable(entry.reason, 600)}", indent=2)
    if len(skipped) > SHOWN_SKIPPED:
        page.line(f"and {count(len(skipped) - SHOWN_SKIPPED, 'more')}: see --format json", indent=2)
    for finding in outline.file_findings(analysis):
        page.line(f"! {finding}", "bold", indent=2)
