"""A CSV of measured numbers as rows of a study: which column is what.

The file is hostile text: its size, its cells and its numbers are bounded, and a table that is not
rectangular is refused with its line rather than guessed at.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import Location, UsageError
from gate.study.build import engine_metrics
from gate.study.interface import ModelRow
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_BYTES: Final = 64 << 20
_MOST_COLUMNS: Final = 2_000
_LONGEST_NUMBER: Final = 40
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_NOTHING: Final = frozenset({"", "-", "–", "na", "n/a", "nan", "none", "null"})
_NAMES: Final = ("model", "uri", "name", "file", "path", "id", "version", "run_id")
"""Columns that may say which model a row is about, the first that is there."""

_PREFIX: Final = "model."


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV read whole: every cell as text, columns in order."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> tuple[str, ...]:
        """Return the cells of one column."""
        place = self.columns.index(name)
        return tuple(row[place] for row in self.rows)

    def names(self) -> tuple[str, ...]:
        """Return what the rows' models are called: their name column, or the number of the line."""
        column = next((name for name in _NAMES if name in self.columns), None)
        if column is None:
            return tuple(f"row {place}" for place in range(1, len(self.rows) + 1))
        return tuple(cell or f"row {place}" for place, cell in enumerate(self.column(column), start=1))

    def numbers(self, name: str) -> tuple[float | None, ...] | None:
        """Return a column as numbers, missing ones as None; None where it is not one of numbers."""
        cells = self.column(name)
        found = tuple(_number(cell) for cell in cells)
        texts = any(value is None and cell.strip().lower() not in _NOTHING and not _infinite(cell)
                    for value, cell in zip(found, cells, strict=True))  # fmt: skip
        return None if texts or all(value is None for value in found) else found

    def labels(self) -> Iterator[dict[str, str]]:
        """Yield each row's cells that are not empty, by column."""
        for row in self.rows:
            yield {name: cell for name, cell in zip(self.columns, row, strict=True) if cell}


def parse_table(data: bytes, file: str) -> Table:
    """Return a CSV (UTF-8, commas, a header) as a table.

    Raises
    ------
    gate.errors.UsageError
        It is none, with the line.
    """
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"{printable(file)} has more than {MOST_BYTES >> 20} MiB", hint="Is it a table of models?"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{printable(file)} is not UTF-8", hint="Save it as CSV, UTF-8.") from error
    lines = list(_lines(text, file))
    if not lines:
        raise UsageError(f"{printable(file)} is empty", hint="A table has a header and a row for each model.")
    header = tuple(cell.strip() for cell in lines[0][1])
    _check_header(header, file)
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise UsageError(
                f"{len(row)} cells where the header has {len(header)}",
                location=Location(printable(file), number),
            )
    return Table(file, header, tuple(tuple(cell.strip() for cell in row) for _, row in lines[1:]))


def _lines(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty with their number in the file."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"no CSV: {error}", location=Location(printable(file), reader.line_num)) from error


def _check_header(header: tuple[str, ...], file: str) -> None:
    where = Location(printable(file), 1)
    if len(header) > _MOST_COLUMNS:
        raise UsageError(f"{len(header)} columns, more than {_MOST_COLUMNS}", location=where)
    if len(header) == 1 and ";" in header[0]:
        raise UsageError("semicolons between the cells", hint="Save it with commas.", location=where)
    double = [name for name, number in Counter(header).items() if number > 1]
    if double or "" in header:
        raise UsageError(f"two columns are called {printable(double[0])!r}" if double and double[0]
                         else "a column has no name", location=where)  # fmt: skip


def _number(cell: str) -> float | None:
    shown = cell.strip()
    if len(shown) > _LONGEST_NUMBER or not _NUMBER.match(shown):
        return None
    value = float(shown)
    return value if math.isfinite(value) else None


def _infinite(cell: str) -> bool:
    return cell.strip().lower().lstrip("+-") in {"inf", "infinity"} or bool(_NUMBER.match(cell.strip()))


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns are metrics, and what was decided about the others, in words."""

    metrics: tuple[str, ...]
    notes: tuple[str, ...] = ()


def roles(table: Table, numeric: Mapping[str, Sequence[float | None]], taken: Sequence[str]) -> Roles:
    """Choose the metrics of a table of measured numbers.

    Parameters
    ----------
    table, numeric:
        The table, and its columns of numbers.
    taken:
        Columns that are something else: sub-groups and qualities.

    Where any column is called as a metric of the engine is, those are the metrics; else all numbers
    but those that count the models (whole numbers, each once).
    """
    free = [name for name in table.columns if name in numeric and name not in {*taken, *_NAMES}]
    known = [name for name in free if name.removeprefix(_PREFIX) in engine_metrics()]
    if known:
        others = [name for name in free if name not in known]
        return Roles(tuple(known), _note("Not taken for metrics (--metric NAME takes them)", others))
    counters = [name for name in free if _counts(numeric[name])]
    metrics = tuple(name for name in free if name not in counters)
    return Roles(metrics, _note("Taken for numbers of models, not for metrics", counters))


def _note(words: str, names: Sequence[str]) -> tuple[str, ...]:
    return (f"{words}: {', '.join(printable(name) for name in names)}.",) if names else ()


def _counts(values: Sequence[float | None]) -> bool:
    known = [value for value in values if value is not None]
    return len(set(known)) == len(values) > 1 and all(value == int(value) for value in known)


def rows_of(
    table: Table, metrics: Sequence[str], numeric: Mapping[str, Sequence[float | None]]
) -> tuple[ModelRow, ...]:
    """Return a table's rows: its metrics as given, every column a label, every other number a quality.

    A column ``model.alpha`` is the metric ``alpha``.
    """
    qualities = [name for name in numeric if name not in metrics]
    return tuple(
        ModelRow(
            model=name,
            metrics={_bare(metric, metrics): numeric[metric][place] for metric in metrics},
            qualities={quality: numeric[quality][place] for quality in qualities},
            labels=labels,
        )
        for place, (name, labels) in enumerate(zip(table.names(), table.labels(), strict=True))
    )


def _bare(metric: str, metrics: Sequence[str]) -> str:
    bare = metric.removeprefix(_PREFIX)
    return metric if bare in metrics else bare
