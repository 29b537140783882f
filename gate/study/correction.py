"""Holm's correction for the number of findings tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return adjusted p-values: the i-th smallest of m times m − i (i from 0), never decreasing, at most 1.

    Holm (1979), Scand. J. Statist. 6, 65.  None (nothing was tested) stays None and is not counted.
    """
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (value, place) in enumerate(known):
        running = max(running, min(1.0, value * (len(known) - rank)))
        adjusted[place] = running
    return tuple(adjusted)
