"""GitHub-flavoured markdown for pull-request comments and step summaries.

Hostile names are shown as code, hostile prose is escaped: neither can open a table cell, a link, a
tag, a mention or an issue reference.  The whole stays under :data:`LIMIT` characters, so that it fits
a comment (65,536 characters) as well as a step summary (1,024 k), and says what it left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report import outline
from gate.report.advice import next_steps
from gate.report.figures import NONE, count, digest, figure, fixed, known, shape, signed
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.analysis.interface import Analysis
    from gate.policy.interface import RuleLayer, RuleOutcome, RuleResult, Verdict
    from gate.spectra.interface import LayerMetrics

LIMIT: Final = 60_000
"""Longest report in characters."""

SHOWN_LAYERS: Final = 5
SHOWN_SKIPPED: Final = 20

_SPECIAL: Final = re.compile(r"[\\`*_{}\[\]<>()|~#!&$]")
_LINKED: Final = re.compile(r"@|://|\bwww\.|\bGH-")
_HARMLESS_CODE: Final = re.compile(r"[^`|\\]+")
_RULE_SIGN: Final[dict[RuleOutcome, str]] = {
    "failed": "✖ failed",
    "inconclusive": "◆ inconclusive",
    "waived": "~ waived",
    "not_applicable": "○ not applicable",
    "passed": "✔ passed",
}


@dataclass(frozen=True, slots=True)
class MarkdownFormat:
    """Markdown."""

    name: str = "markdown"
    suffix: str = ".md"

    def verdict(self, verdict: Verdict) -> str:
        """Render a verdict: outcome, rules, failing layers, model, coverage, provenance."""
        page = _Page()
        sign = outline.OUTCOME_SIGN[verdict.outcome]
        page.add(f"## {sign} {outline.headline(verdict)}: {_subject(verdict)}", "")
        for note in outline.audit_notes(verdict):
            page.add(f"> **{prose(note)}**", "")
        if verdict.error:
            page.add(f"**Error:** {prose(verdict.error)}", "")
        page.add(f"{outline.tally(verdict)}.", "")
        page.items(None, [prose(outline.policy_line(policy, verdict), 800) for policy in verdict.policies])
        for note in outline.override_notes(verdict):
            page.add(f"> **{prose(note, 800)}**", "")
        _rules(page, verdict)
        page.items("What to do next", [_step(step) for step in next_steps(verdict)])
        if verdict.analysis:
            _model(page, verdict.analysis, verdict)
        page.items("Baseline", [prose(note, 800) for note in outline.baseline_notes(verdict)])
        page.items("Waivers", [prose(note, 1200) for note in outline.waiver_notes(verdict)])
        if verdict.analysis:
            _coverage(page, verdict.analysis)
            _provenance(page, verdict.analysis)
        page.add(f"<sub>{prose(outline.signature_note(verdict))}</sub>", "")
        return page.text()

    def analysis(self, analysis: Analysis) -> str:
        """Render an analysis: model metrics, table of layers, coverage, provenance."""
        page = _Page()
        page.add(f"## Spectral analysis of {code(analysis.source.uri)}", "")
        _model(page, analysis, None)
        _coverage(page, analysis)
        _provenance(page, analysis)
        _layers(page, analysis)
        return page.text()


class _Page:
    """Collects lines up to the limit; what no longer fits is counted and said."""

    _RESERVE: Final = 400

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._length = 0
        self._left_out = 0

    def add(self, *lines: str) -> bool:
        """Add lines that belong together, or none of them; tell which."""
        length = sum(len(line) + 1 for line in lines)
        if self._length + length > LIMIT - self._RESERVE:
            self._left_out += len([line for line in lines if line])
            return False
        self._lines += lines
        self._length += length
        return True

    def items(self, title: str | None, items: Sequence[str]) -> None:
        """Add a heading and a list, unless the list is empty."""
        if items:
            self.add(*((f"### {title}", "") if title else ()))
            for item in items:
                self.add(f"- {item}")
            self.add("")

    def table(
        self, title: str, columns: tuple[tuple[str, bool], ...], rows: Iterable[tuple[str, ...]]
    ) -> None:
        """Add a heading and a table; columns are (title, is a number)."""
        head = "| " + " | ".join(name for name, _ in columns) + " |"
        rule = "|" + "|".join(" ---: " if is_number else " --- " for _, is_number in columns) + "|"
        self.add(f"### {title}", "", head, rule)
        for row in rows:
            self.add("| " + " | ".join(row) + " |")
        self.add("")

    def text(self) -> str:
        """Return the page, with a last line that counts what was left out."""
        if self._left_out:
            self._lines += [
                "",
                f"**{count(self._left_out, 'line')} left out** (limit {LIMIT:,} characters): see JSON.",
            ]
        return "\n".join(self._lines).rstrip("\n") + "\n"


def code(text: str, limit: int = 120) -> str:
    """Show a name as code.

    A code span is literal, but for a backtick, and for the pipe and backslash of a table cell:
    names with one of these are written as entities inside a ``code`` element.
    """
    shown = printable(text, limit)
    if _HARMLESS_CODE.fullmatch(shown) and shown.strip():
        return f"`{shown}`"
    return "<code>" + "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in shown) + "</code>"


def prose(text: str, limit: int = 400) -> str:
    """Escape text that may hold anything.

    Markdown's own characters become entities, which never act as markdown; an empty comment
    keeps ``@name`` and addresses from becoming mentions and links, which GitHub makes afterwards.
    """
    escaped = _SPECIAL.sub(lambda found: f"&#{ord(found.group())};", printable(text, limit))
    return re.sub(
        r"@|://|\bwww\.|\bGH-",
        lambda found: f"{found.group()[:-1]}<!-- -->{found.group()[-1]}<!-- -->",
        escaped,
    )


def _subject(verdict: Verdict) -> str:
    uri = verdict.analysis.source.uri if verdict.analysis else verdict.uri
    return code(uri) if uri else "a model that could not be read"


def _step(step: str) -> str:
    """Show the command at the end of a step as code."""
    words, colon, command = step.partition(": gate ")
    return f"{prose(words)}: {code(f'gate {command}', 300)}" if colon else prose(step)


def _rules(page: _Page, verdict: Verdict) -> None:
    rules = outline.ordered_rules(verdict)
    if not rules:
        return
    columns = (
        ("outcome", False), ("rule", False), ("severity", False), ("limit", False), ("value", True),
        ("baseline", True), ("says", False),
    )  # fmt: skip
    page.table("Rules", columns, (_rule_row(rule) for rule in rules))
    failed = [rule for rule in rules if _lists_layers(rule)]
    page.items("Layers that counted", [_rule_layers(rule) for rule in failed])


def _lists_layers(rule: RuleResult) -> bool:
    return rule.outcome == "failed" and bool(rule.layers)


def _rule_row(rule: RuleResult) -> tuple[str, ...]:
    says = (rule.brief if _lists_layers(rule) else "") or rule.message or rule.description
    waiver = f" Waiver: {prose(rule.waiver)}" if rule.waiver else ""
    return (
        f"**{_RULE_SIGN[rule.outcome]}**"
        if rule.outcome in ("failed", "inconclusive")
        else _RULE_SIGN[rule.outcome],
        code(rule.id),
        rule.severity,
        prose(rule.limit, 120),
        prose(figure(rule.value), 120),
        prose(figure(rule.baseline_value), 120),
        prose(says) + waiver,
    )


def _rule_layers(rule: RuleResult) -> str:
    layers = outline.worst_layers(rule)
    said = ", ".join(map(_rule_layer, layers[:SHOWN_LAYERS]))
    more = len(layers) - SHOWN_LAYERS
    return f"{code(rule.id)}: {said}" + (f" and {count(more, 'more layer')}" if more > 0 else "")


def _rule_layer(layer: RuleLayer) -> str:
    notes = [f"baseline {figure(layer.baseline_value)}"] if known(layer.baseline_value) else []
    notes += [layer.why] if layer.why else []
    said = f"{code(layer.name)} {prose(figure(layer.value), 60)}"
    return f"{said} ({prose('; '.join(notes), 160)})" if notes else said


def _model(page: _Page, analysis: Analysis, verdict: Verdict | None) -> None:
    changes = outline.changes(analysis, verdict)
    columns: tuple[tuple[str, bool], ...] = (("metric", False), ("value", True), ("std. error", True))
    rows = [(change.title, figure(change.value), figure(change.standard_error, 2)) for change in changes]
    if not any(change.baseline is not None for change in changes):
        page.table("Model", columns, rows)
        return
    page.table(
        "Model, beside the baseline",
        (*columns, ("baseline", True), ("change", True)),
        (
            (*row, figure(change.baseline), NONE if change.difference is None else signed(change.difference))
            for row, change in zip(rows, changes, strict=True)
        ),
    )


def _coverage(page: _Page, analysis: Analysis) -> None:
    skipped = analysis.coverage.skipped
    more = len(skipped) - SHOWN_SKIPPED
    items = [prose(outline.coverage_note(analysis))]
    items += [f"skipped {code(entry.name)}: {prose(entry.reason)}" for entry in skipped[:SHOWN_SKIPPED]]
    items += [f"and {count(more, 'more')}: the JSON report names them"] if more > 0 else []
    items += [f"**{prose(note, 1200)}**" for note in outline.file_findings(analysis)]
    page.items("Coverage", items)


def _provenance(page: _Page, analysis: Analysis) -> None:
    page.add(
        f"<sub>{prose(digest(analysis.source.digest))} · {prose(analysis.source.format)}"
        f" · architecture {prose(digest(analysis.architecture))}"
        f" · convention {prose(analysis.engine.convention)} · gate {prose(analysis.engine.version)}</sub>",
        "",
    )


def _layers(page: _Page, analysis: Analysis) -> None:
    columns = (
        ("layer", False), ("kind", False), ("shape", False), ("alpha", True), ("± se", True), ("D", True),
        ("tail", True), ("log norm", True), ("phase", False),
    )  # fmt: skip
    page.table("Layers", columns, (_layer_row(row) for row in analysis.layers))


def _layer_row(row: LayerMetrics) -> tuple[str, ...]:
    return (
        code(row.name),
        row.kind,
        shape(row.shape),
        fixed(row.alpha),
        fixed(row.alpha_standard_error),
        fixed(row.ks_distance, 3),
        figure(row.tail_size),
        fixed(row.log_spectral_norm),
        row.phase or NONE,
    )
