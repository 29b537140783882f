"""Simpson's paradox: the trend over all models against the trends within sub-groups.

After arXiv:2106.00734, section 4: a metric whose pooled trend reverses within sub-groups would, as
a gate, prefer the worse of two models that differ in hyperparameters alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from gate.study.interface import Covariance, SimpsonTest
from gate.study.trends import Points, constant, trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gate.study.interface import Simpson, StudySettings

    Array = NDArray[np.float64]

_FEWEST_GROUPS: Final = 2
_BLOCK: Final = 1000
"""Permutations held at a time."""


def simpson(slopes: Sequence[float], pooled: float | None) -> Simpson:
    """Return *strict* where every sub-group's slope has the other sign than the pooled one, *weak* for most.

    Insufficient: fewer than two sub-groups with a slope, or none over all.
    """
    if pooled is None or len(slopes) < _FEWEST_GROUPS:
        return "insufficient"
    opposite = sum(slope * pooled < 0 for slope in slopes)
    if opposite == len(slopes):
        return "strict"
    return "weak" if 2 * opposite > len(slopes) else "none"


def simpson_test(sets: Sequence[Points], settings: StudySettings) -> tuple[Simpson, SimpsonTest]:
    """Compare the slopes of sub-groups with that over all their models, and test it.

    Parameters
    ----------
    sets:
        One per sub-group that is large enough; those in which the metric or quality never varies
        have no slope and are left out.
    settings:
        Seed and number of permutations.
    """
    usable = [data for data in sets if not (constant(data.x) or constant(data.y))]
    slopes = [slope for data in usable if (slope := trend(data).slope) is not None]
    if not usable:
        return "insufficient", SimpsonTest()
    pooled = trend(
        Points(np.concatenate([data.x for data in usable]), np.concatenate([data.y for data in usable]))
    )
    kind = simpson(slopes, pooled.slope)
    if kind == "insufficient" or pooled.slope is None or pooled.p_value is None:
        return kind, SimpsonTest(len(slopes), 0, pooled.slope, pooled.p_value)
    sign = -1.0 if pooled.slope > 0 else 1.0
    two_sided, against = permutation_p_values(usable, sign, settings)
    return kind, SimpsonTest(
        groups=len(slopes),
        opposite=sum(slope * pooled.slope < 0 for slope in slopes),
        pooled_slope=pooled.slope,
        pooled_p_value=pooled.p_value,
        permutation_p_value=two_sided,
        p_value=max(pooled.p_value, against),
        covariance=covariance(usable),
    )


def permutation_p_values(sets: Sequence[Points], sign: float, settings: StudySettings) -> tuple[float, float]:
    """Test the common slope within sub-groups by permuting quality within them.

    The statistic is Σ (x − x̄_g)(y − ȳ_g) over all models, the numerator of the common slope, whose
    denominator no permutation changes.

    Returns
    -------
    tuple
        The two-sided p-value, and the one-sided one for a slope of the given ``sign``; both count
        the order that was observed, and so are never 0.
    """
    generator = np.random.default_rng(settings.seed)
    pairs = [(data.x - data.x.mean(), data.y - data.y.mean()) for data in sets]
    seen = sum(float(x @ y) for x, y in pairs)
    margin = 1e-9 * sum(float(np.abs(x) @ np.abs(y)) for x, y in pairs)  # equal orders may differ by rounding
    larger = beyond = done = 0
    while done < settings.permutations:
        number = min(_BLOCK, settings.permutations - done)
        drawn = np.zeros(number)
        for x, y in pairs:
            drawn += generator.permuted(np.broadcast_to(y, (number, len(y))), axis=1) @ x
        larger += int((np.abs(drawn) >= abs(seen) - margin).sum())
        beyond += int((sign * drawn >= sign * seen - margin).sum())
        done += number
    return (1 + larger) / (1 + done), (1 + beyond) / (1 + done)


def covariance(sets: Sequence[Points]) -> Covariance:
    """Return the analysis of covariance of quality by sub-group and metric.

    Three nested least-squares models and two more: quality ~ metric, ~ sub-group, ~ sub-group +
    metric, ~ sub-group × metric; F = (ΔRSS/Δdf) / (RSS/df) of the larger one.
    """
    x, y = np.concatenate([data.x for data in sets]), np.concatenate([data.y for data in sets])
    groups, n = len(sets), len(x)
    only_metric = _residual(np.column_stack([np.ones(n), x]), y)
    within = [_centred_sums(data) for data in sets]
    xx, yy, xy = (sum(each[place] for each in within) for place in range(3))
    common = yy - xy * xy / xx
    apart = sum(each_yy - each_xy * each_xy / each_xx for each_xx, each_yy, each_xy in within)
    degrees = n - groups - 1
    slope = _f_test(yy - common, 1, common, degrees)
    group = _f_test(only_metric - common, groups - 1, common, degrees)
    unequal = _f_test(common - apart, groups - 1, apart, n - 2 * groups)
    return Covariance(xy / xx, *slope, *group, *unequal, residual_degrees=max(0, degrees))


def _centred_sums(data: Points) -> tuple[float, float, float]:
    x, y = data.x - data.x.mean(), data.y - data.y.mean()
    return float(x @ x), float(y @ y), float(x @ y)


def _residual(design: Array, y: Array) -> float:
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(((y - fitted) ** 2).sum())


def _f_test(gained: float, degrees: int, left: float, left_degrees: int) -> tuple[float | None, float | None]:
    """Return F and its p-value; None where nothing is left to compare with."""
    if degrees < 1 or left_degrees < 1 or left <= 0:
        return None, None
    f = max(0.0, gained / degrees) / (left / left_degrees)
    return f, float(stats.f.sf(f, degrees, left_degrees))
