"""GitHub-flavoured markdown, for a comment on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.report.compare import outline
from gate.report.figures import count
from gate.report.markdown import LIMIT, code, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.analysis.comparison import Comparison

_RESERVE: Final = 300


def markdown(comparison: Comparison) -> str:
    """Return the comparison; what would make it longer than a comment may be is counted."""
    lines, length, left = [], 0, 0
    for line in _lines(comparison):
        length += len(line) + 1
        if length > LIMIT - _RESERVE:
            left += 1
        else:
            lines.append(line)
    if left:
        lines += ["", f"**{count(left, 'line')} left out** (limit {LIMIT:,} characters): see JSON."]
    return "\n".join(lines).rstrip("\n") + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"## {prose(outline.headline(comparison))}"
    yield ""
    for side, model in (("a", comparison.a), ("b", comparison.b)):
        yield f"- {side}: {code(model.uri)}, {prose(model.format)}, {count(model.layers, 'layer')}"
    for fact in outline.facts(comparison):
        yield f"- {prose(fact)}"
    yield from ("", "### Model", "", "| metric | a | b | change |", "| --- | ---: | ---: | ---: |")
    for row in outline.metrics(comparison):
        yield "| " + " | ".join(prose(cell) for cell in row) + " |"
    yield from ("", "### Layers, the most changed first", "")
    yield "| " + " | ".join(prose(title) for title, _ in outline.COLUMNS) + " |"
    yield "|" + "|".join(" ---: " if is_number else " --- " for _, is_number in outline.COLUMNS) + "|"
    for pair in outline.ordered(comparison):
        name, *rest = outline.cells(pair)
        yield "| " + " | ".join((code(name), *(prose(cell) for cell in rest))) + " |"
    for title, names in outline.unmatched(comparison):
        yield from ("", f"### {title}", "")
        yield from (f"- {code(name)}" for name in names)
