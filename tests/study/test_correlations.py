"""All pairs of metrics at once, against one pair at a time."""

from __future__ import annotations

import numpy as np
import pytest

from gate.study.correlations import correlate
from gate.study.interface import StudiedModel
from gate.study.trends import points, trend


def _models(n: int) -> list[StudiedModel]:
    """Metrics with ties, gaps, one that is constant, one constant within sub-groups, one far from 0."""
    generator = np.random.default_rng(0)
    found = []
    for place in range(n):
        x, y = generator.standard_normal(2)
        metrics = {
            "plain": float(x), "tied": float(round(x + y)), "gaps": None if place % 4 == 1 else float(y - x),
            "constant": 7.0, "by group": float(place % 3), "far": 1e6 + float(y),
            "rare": float(x) if place < 2 else None,
        }  # fmt: skip
        found.append(StudiedModel(f"{place}", f"{place % 3}", 0.0, None, metrics))
    return found


def test_every_pair_has_the_figures_of_that_pair_alone() -> None:
    models = _models(40)
    names = list(models[0].metrics)
    pairs = correlate(names, models, ["0", "1", "2"], 5)
    assert len(pairs) == 21
    for pair in pairs:
        known = [(model.group, model.metrics[pair.a], model.metrics[pair.b]) for model in models]
        both = [(group, x, y) for group, x, y in known if x is not None and y is not None]
        pooled = trend(points([(x, y) for _, x, y in both]))
        assert (pair.kendall_tau, pair.r2) == pytest.approx((pooled.kendall_tau, pooled.r2), abs=1e-9), pair
        if "rare" not in {pair.a, pair.b}:
            taus = [
                trend(points([(x, y) for held, x, y in both if held == group])).kendall_tau for group in "012"
            ]
            defined = [tau for tau in taus if tau is not None]
            expected = sum(defined) / len(defined) if defined else None
            assert pair.average_kendall_tau == pytest.approx(expected, abs=1e-12)


def test_one_metric_makes_no_pairs() -> None:
    assert correlate(["alpha"], _models(3), [], 5) == ()
