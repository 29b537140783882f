"""How much larger than (alpha - 1)/√n the true spread of alpha is, because x_min was chosen."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).parent / "data" / "inflation.json"


def inflation(count: int, tail_share: float) -> float:
    """Return the factor that turns the plain sigma of a fitted alpha into its standard error.

    Parameters
    ----------
    count:
        Number of positive eigenvalues.
    tail_share:
        Share of them in the fitted tail.

    Notes
    -----
    Interpolated linearly in log count and in the share, held constant outside the table, which
    ``python -m gate.spectra.calibration`` makes by simulation.
    """
    counts, shares, factors = _table()
    low, high, weight = _between(counts, math.log(max(count, 1)))
    left, right, part = _between(shares, tail_share)
    below = factors[low][left] * (1 - part) + factors[low][right] * part
    above = factors[high][left] * (1 - part) + factors[high][right] * part
    return below * (1 - weight) + above * weight


@cache
def _table() -> tuple[list[float], list[float], list[list[float]]]:
    data = json.loads(_TABLE.read_text(encoding="utf-8"))
    return [math.log(count) for count in data["counts"]], data["tail_shares"], data["factors"]


def _between(grid: list[float], value: float) -> tuple[int, int, float]:
    """Return the grid points around ``value`` and how far it lies from the first to the second."""
    above = bisect_right(grid, value)
    if above == 0:
        return 0, 0, 0.0
    if above == len(grid):
        return above - 1, above - 1, 0.0
    return above - 1, above, (value - grid[above - 1]) / (grid[above] - grid[above - 1])
