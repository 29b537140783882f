"""Tables as CSV files beside the pages: written once, read again by whoever only wants to look."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


Record = TypeVar("Record")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys; floats with nine significant digits, None as nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in row.items()} for row in rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Return the rows as instances of a dataclass whose fields are text, booleans, numbers or None."""
    kinds = get_type_hints(kind)
    return [kind(**{name: _read(row[name], kinds[name]) for name in kinds}) for row in read_table(path)]


def _read(text: str, kind: Any) -> Any:
    kinds = {kind, *get_args(kind)}
    if bool in kinds:
        return text == "True"
    if not kinds & {int, float}:
        return text
    if not text:
        return None
    return int(text) if int in kinds else float(text)


def number(text: str) -> float | None:
    """Return a cell as a number, None where nothing stands."""
    return float(text) if text else None


def _written(value: Any) -> Any:
    return f"{value:.9g}" if isinstance(value, float) else value
