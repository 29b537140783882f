"""Bootstrap intervals, against resamples drawn one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gate.study.intervals import _kendall, _line, with_intervals
from gate.study.trends import Points, average, trend

SAMPLING = (7, 1000, 0.95)


def _points(n: int, seed: int = 0, slope: float = 0.5) -> Points:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(n)
    return Points(x, slope * x + generator.standard_normal(n))


@pytest.mark.parametrize("n", [6, 24, 700])
def test_a_weighted_resample_has_the_figures_of_the_rows_it_repeats(n: int) -> None:
    data = _points(n)
    weights = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=3).astype(np.float64)
    r2, slope = _line(data, weights)
    tau = _kendall(data, weights)
    for place, row in enumerate(weights.astype(int)):
        x, y = np.repeat(data.x, row), np.repeat(data.y, row)
        line = stats.linregress(x, y)
        assert (r2[place], slope[place]) == pytest.approx((line.rvalue**2, line.slope), rel=1e-9)
        assert tau[place] == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


def test_a_resample_of_one_model_over_and_over_has_no_figures() -> None:
    data = _points(5)
    weights = np.array([[5.0, 0, 0, 0, 0]])
    with np.errstate(invalid="ignore", divide="ignore"):
        r2, slope = _line(data, weights)
        tau = _kendall(data, weights)
    assert np.isnan([r2[0], slope[0], tau[0]]).all()


def test_interval_of_the_slope_is_that_of_scipys_bootstrap() -> None:
    data = _points(60)
    (found,), _ = with_intervals([trend(data)], [data], None, (7, 4000, 0.95))

    def slope(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        x, y = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
        found: np.ndarray = (x * y).sum(axis) / (x * x).sum(axis)
        return found

    expected = stats.bootstrap(
        (data.x, data.y), slope, paired=True, method="percentile", n_resamples=4000, rng=3
    ).confidence_interval
    assert found.slope_interval == pytest.approx((expected.low, expected.high), abs=0.03)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(200):
        data = _points(50, seed)
        (found,), _ = with_intervals([trend(data)], [data], None, (seed, 200, 0.9))
        low, high = found.slope_interval
        held += low is not None and high is not None and low <= 0.5 <= high
    assert 160 <= held <= 196  # 90 % of 200, three standard errors and the percentile method's shortfall


def test_the_mean_has_the_interval_of_means() -> None:
    sets = [_points(24, seed) for seed in range(4)]
    trends = [trend(data) for data in sets]
    found, mean = with_intervals(trends, sets, average(trends, sets), SAMPLING)
    assert mean is not None
    low, high = mean.kendall_tau_interval
    assert low is not None
    assert high is not None
    widths = [(each.kendall_tau_interval[1] or 0) - (each.kendall_tau_interval[0] or 0) for each in found]
    assert low < (mean.kendall_tau or 0) < high
    assert high - low == pytest.approx(np.mean(widths) / 2, rel=0.25)  # four independent ones: half as wide


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    data = _points(20)
    first, again, other = (
        with_intervals([trend(data)], [data], None, (seed, 300, 0.95))[0][0] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_constant_metric_has_no_interval() -> None:
    data = Points(np.ones(8), np.arange(8.0))
    (found,), _ = with_intervals([trend(data)], [data], None, SAMPLING)
    assert found.slope_interval == (None, None)
