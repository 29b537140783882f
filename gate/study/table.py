"""From the rows as they came to models with one sub-group and one quality each."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from gate.errors import NothingToMeasureError, UsageError
from gate.study.interface import GroupSize, LeftOut, StudiedModel
from gate.study.trends import FEWEST, LARGEST
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.study.interface import Direction, ModelRow

_LOWER_IS_BETTER: Final = frozenset(
    {
        "loss",
        "losses",
        "error",
        "err",
        "gap",
        "rmse",
        "mse",
        "mae",
        "mape",
        "perplexity",
        "ppl",
        "nll",
        "wer",
        "cer",
    }
)
APART: Final = " / "
"""Between the labels of a sub-group that several keys make up."""

_LISTED: Final = 30


def direction(quality: str) -> Direction:
    """Return which way a quality is better, judged by its name: losses, errors and gaps are lower."""
    words = quality.lower().replace("-", "_").replace(".", "_").replace("/", "_").replace(" ", "_").split("_")
    return "lower" if _LOWER_IS_BETTER.intersection(words) else "higher"


def take_in(
    rows: Sequence[ModelRow], keys: Sequence[str], quality: str, training: str | None
) -> tuple[tuple[StudiedModel, ...], tuple[LeftOut, ...]]:
    """Return the models with a sub-group and a quality, and the others with the reason.

    Raises
    ------
    gate.errors.UsageError
        No model has such a label or such a quality: a mistyped name.
    gate.errors.NothingToMeasureError
        Fewer than three models are left.
    """
    _check_names(rows, keys, quality, training)
    models, left_out = [], []
    for row in rows:
        reason = _missing(row, keys, quality)
        if reason:
            left_out.append(LeftOut(row.model, reason))
            continue
        models.append(
            StudiedModel(
                model=row.model,
                group=APART.join(row.labels[key] for key in keys),
                quality=float(row.qualities[quality] or 0.0),
                training_quality=usable(row.qualities.get(training)) if training else None,
                metrics={name: usable(value) for name, value in row.metrics.items()},
            )
        )
    if len(models) < FEWEST:
        why = f"; the first was left out because {left_out[0].reason}" if left_out else ""
        raise NothingToMeasureError(
            f"{len(models)} of {len(rows)} models have a quality and a sub-group, needed are {FEWEST}{why}",
            hint="Study more models: trends within sub-groups need several of each.",
        )
    return tuple(models), tuple(left_out)


def usable(value: float | None) -> float | None:
    """Return a value that sums of squares can hold; None for what is missing, NaN, infinite or absurd."""
    if value is None or not math.isfinite(value) or abs(value) > LARGEST:
        return None
    return float(value)


def group_sizes(models: Iterable[StudiedModel]) -> tuple[GroupSize, ...]:
    """Return the sub-groups with their sizes, in natural order (2 before 10)."""
    counted = Counter(model.group for model in models)
    return tuple(GroupSize(name, counted[name]) for name in sorted(counted, key=natural))


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that reads runs of digits as numbers."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]", text)
    return tuple((0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts)


def _missing(row: ModelRow, keys: Sequence[str], quality: str) -> str:
    lacking = [printable(key) for key in keys if not row.labels.get(key)]
    if lacking:
        return f"it has no {' and no '.join(lacking)}"
    if row.qualities.get(quality) is None:
        return f"it has no {printable(quality)}"
    return (
        ""
        if usable(row.qualities[quality]) is not None
        else f"its {printable(quality)} is not a usable number"
    )


def _check_names(rows: Sequence[ModelRow], keys: Sequence[str], quality: str, training: str | None) -> None:
    labels = [row.labels for row in rows]
    for key in keys:
        check_name("sub-group", "--group", key, labels)
    qualities = [row.qualities for row in rows]
    for name in (quality, *([training] if training else ())):
        check_name("quality", "--quality", name, qualities)


def check_name(kind: str, flag: str, name: str, tables: Sequence[Mapping[str, object]]) -> None:
    """Refuse a name that none of the tables has, with those they have.

    Raises
    ------
    gate.errors.UsageError
        None has it.
    """
    if not tables or any(name in table for table in tables):
        return
    known = sorted({key for table in tables for key in table}, key=natural)
    shown = ", ".join(printable(key) for key in known[:_LISTED]) + (" …" if len(known) > _LISTED else "")
    raise UsageError(
        f"no model has a {kind} called {printable(name)!r}",
        hint=f"{flag} can be: {shown}"
        if known
        else f"None of them has any; {flag} has nothing to choose from.",
    )
