"""Figures and names as a person reads them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.interface import Value


def number(value: float) -> str:
    """Return a figure with at most four digits that say something; whole numbers whole."""
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e15):  # noqa: PLR2004
        return str(int(value))
    return f"{value:.4g}"


def figure(value: Value) -> str:
    """Return any value of a metric in words."""
    if value is None:
        return "no value"
    return printable(value) if isinstance(value, str) else number(value)


def count(amount: int, noun: str) -> str:
    """Return ``1 layer`` or ``2 layers``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def listed(items: Iterable[str], most: int) -> str:
    """Return the first ``most`` items, and how many more there are."""
    every = list(items)
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
