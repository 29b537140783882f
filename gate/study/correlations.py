"""Metric against metric: which of them say the same thing twice."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from gate.study.interface import Correlation
from gate.study.trends import average, points, trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.study.interface import StudiedModel


def correlate(
    names: Sequence[str], models: Sequence[StudiedModel], groups: Sequence[str], min_group: int
) -> tuple[Correlation, ...]:
    """Return every pair of metrics with its pooled figures and mean τ within sub-groups, none left out."""
    return tuple(_pair(a, b, models, groups, min_group) for a, b in combinations(names, 2))


def _pair(
    a: str, b: str, models: Sequence[StudiedModel], groups: Sequence[str], min_group: int
) -> Correlation:
    rows = [(model.group, model.metrics.get(a), model.metrics.get(b)) for model in models]
    known = [(group, x, y) for group, x, y in rows if x is not None and y is not None]
    pooled = trend(points([(x, y) for _, x, y in known]))
    sets = [points([(x, y) for held, x, y in known if held == group]) for group in groups]
    sets = [data for data in sets if len(data) >= min_group]
    mean = average([trend(data) for data in sets], sets)
    return Correlation(a, b, pooled.n, pooled.kendall_tau, pooled.r2, mean.kendall_tau)
