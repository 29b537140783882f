"""Writes docs/benchmarks.md and its drawings from the figures, and keeps the figures beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common import Section, Target, machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FIGURES: Final = "benchmarks.json"
_INTRODUCTION: Final = """# Benchmarks

Written by `{command}`, which measures both sides in turn on the machine it runs on; run it yourself. Nothing
here was typed in. The other side is WeightWatcher {reference}, installed by the command into an environment
of its own. Trust the ratios more than the seconds: the machine is shared, and each section tells how many
processes wanted to run while it was measured (the load average, its own one or two included). Ratios differ
from one processor to the next too, and sections may have been measured on different ones: each names its own.
"""
_MARKS: Final = {True: "yes", False: "**no**", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Measured:
    """A section with when, where and under what load it was measured."""

    section: Section
    date: str
    load: str
    machine: Mapping[str, str]


class Page:
    """The page in a folder; sections that were not measured again stay as they are."""

    def __init__(self, folder: Path, order: tuple[str, ...], reference: str, command: str) -> None:
        self._folder = folder
        self._order = order
        self._reference = reference
        self._command = command
        self._found = _load(folder / "assets" / _FIGURES)

    def put(self, name: str, measured: Measured) -> None:
        """Add or replace a section and write everything."""
        self._found[name] = measured
        assets = self._folder / "assets"
        assets.mkdir(parents=True, exist_ok=True)
        for (file, _), drawing in zip(measured.section.plots, measured.section.drawings, strict=True):
            (assets / file).write_text(drawing, encoding="utf-8")
        kept = {key: asdict(value) for key, value in sorted(self._found.items())}
        for value in kept.values():
            value["section"]["drawings"] = []
        (assets / _FIGURES).write_text(
            json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (self._folder / "benchmarks.md").write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        """Return the page."""
        parts = [_INTRODUCTION.format(command=self._command, reference=self._reference)]
        names = [name for name in self._order if name in self._found]
        parts.append(_summary([self._found[name] for name in names]))
        parts.extend("\n".join(_section(name, self._found[name])) for name in names)
        return "\n".join(parts)


def table(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    """Return a Markdown table, figures to the right."""
    lines = [_cells(header), _cells(("---", *["---:"] * (len(header) - 1)))]
    return "\n".join([*lines, *map(_cells, rows)])


def _cells(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _summary(found: list[Measured]) -> str:
    rows = tuple(
        (each.section.title, target.promise, target.measured, _MARKS[target.met], each.machine["processor"])
        for each in found
        for target in each.section.targets
    )
    return f"## Targets\n\n{table(('benchmark', 'target', 'measured', 'met', 'on'), rows)}\n"


def _section(name: str, measured: Measured) -> Iterator[str]:
    section = measured.section
    yield f"## {section.title}\n{section.text.rstrip()}\n"
    if section.rows:
        yield f"{table(section.header, section.rows)}\n"
    for file, caption in section.plots:
        yield f"![{caption}](assets/{file})\n"
    facts = measured.machine
    yield (
        f"<small>`python -m benchmarks --only {name}`, {measured.date}, load {measured.load}; "
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}, "
        f"Python {facts['python']}, {facts['packages']}.</small>\n"
    )


def _load(path: Path) -> dict[str, Measured]:
    if not path.exists():
        return {}
    stored: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: _revive(value) for name, value in stored.items()}


def _revive(value: dict[str, Any]) -> Measured:
    section = value["section"]
    return Measured(
        section=Section(
            title=section["title"],
            text=section["text"],
            header=tuple(section["header"]),
            rows=tuple(tuple(row) for row in section["rows"]),
            targets=tuple(Target(**target) for target in section["targets"]),
            plots=tuple((file, caption) for file, caption in section["plots"]),
        ),
        date=value["date"],
        load=value["load"],
        machine=value["machine"],
    )


def measured_now(section: Section, date: str, load: str) -> Measured:
    """Stamp a section."""
    return Measured(section, date, load, machine())
