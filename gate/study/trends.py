"""The figures of one set of models: regression, Kendall τ-b, label (arXiv:2106.00734, tables 1 and 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from gate.study.interface import Trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gate.study.interface import Label

STRONG: Final = 0.6
MODEST: Final = 0.2
NO_ORDER: Final = 0.1
FEWEST: Final = 3
"""Through two points a line always goes: R² says nothing before the third."""

_ROUNDING: Final = 1e-12
"""A spread below this share of the values themselves is rounding: they are all alike."""

_SMALLEST: Final = 1e-50
LARGEST: Final = 1e50
"""Between these the squares of squares are still finite numbers."""


@dataclass(frozen=True, slots=True)
class Points:
    """Pairs of a metric (``x``) and quality (``y``), float64 of shape (n,), all finite."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)


def points(pairs: Sequence[tuple[float, float]]) -> Points:
    """Return pairs (metric, quality) as arrays."""
    table = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return Points(table[:, 0], table[:, 1])


def trend(data: Points) -> Trend:
    """Return the figures of one set, without intervals.

    Kendall's p-value is exact up to 33 models without ties, asymptotic above (scipy.stats.kendalltau).
    """
    if len(data) < FEWEST or constant(data.x) or constant(data.y):
        return Trend(len(data))
    line = stats.linregress(data.x, data.y)
    residuals = data.y - (line.intercept + line.slope * data.x)
    order = stats.kendalltau(data.x, data.y)
    r2, tau = float(line.rvalue) ** 2, float(order.statistic)
    return Trend(
        n=len(data),
        r2=r2,
        rmse=float(np.sqrt(np.mean(residuals**2))),
        slope=float(line.slope),
        kendall_tau=tau,
        p_value=float(order.pvalue),
        intercept=float(line.intercept),
        label=label(r2, tau),
    )


def label(r2: float | None, kendall_tau: float | None) -> Label:
    """Say how well a metric predicts: the partition that gives all ten labels of the paper's table 1.

    strong: R² ≥ 0.6; modest: 0.2 ≤ R² < 0.6; weak: below; none: also |τ| < 0.1, or nothing defined.
    """
    if r2 is None or kendall_tau is None:
        return "none"
    if r2 >= STRONG:
        return "strong"
    if r2 >= MODEST:
        return "modest"
    return "none" if abs(kendall_tau) < NO_ORDER else "weak"


def average(trends: Sequence[Trend], sets: Sequence[Points]) -> Trend:
    """Return the plain mean over sub-groups, the paper's AVG rows; those without figures are left out of it.

    The p-value is that of the mean τ: within sub-groups independent of each other, Kendall's S has
    a known variance, ties included, and so has the mean of S/denominator.
    """
    r2 = _mean([found.r2 for found in trends])
    tau = _mean([found.kendall_tau for found in trends])
    return Trend(
        n=sum(found.n for found in trends if found.kendall_tau is not None),
        r2=r2,
        rmse=_mean([found.rmse for found in trends]),
        slope=_mean([found.slope for found in trends]),
        kendall_tau=tau,
        p_value=_mean_tau_p_value(tau, [data for found, data in zip(trends, sets, strict=True)
                                        if found.kendall_tau is not None]),
        label=label(r2, tau),
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _mean_tau_p_value(tau: float | None, sets: Sequence[Points]) -> float | None:
    if tau is None or not sets:
        return None
    if len(sets) == 1:
        return float(stats.kendalltau(sets[0].x, sets[0].y).pvalue)
    variance = math.fsum(tau_variance(data) for data in sets) / len(sets) ** 2
    return float(2 * stats.norm.sf(abs(tau) / math.sqrt(variance)))


def tau_variance(data: Points) -> float:
    """Return the variance of τ-b when every order of quality is equally likely (Kendall 1970, section 4)."""
    n, in_x, in_y = len(data), _ties(data.x), _ties(data.y)

    def spread(sizes: NDArray[np.float64]) -> float:
        return float((sizes * (sizes - 1) * (2 * sizes + 5)).sum())

    def pairs(sizes: NDArray[np.float64]) -> float:
        return float((sizes * (sizes - 1)).sum())

    def triples(sizes: NDArray[np.float64]) -> float:
        return float((sizes * (sizes - 1) * (sizes - 2)).sum())

    everything = np.array([float(n)])
    variance = (spread(everything) - spread(in_x) - spread(in_y)) / 18
    variance += pairs(in_x) * pairs(in_y) / (2 * pairs(everything))
    variance += triples(in_x) * triples(in_y) / (9 * triples(everything))
    whole = pairs(everything) / 2
    return variance / ((whole - pairs(in_x) / 2) * (whole - pairs(in_y) / 2))


def _ties(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.unique(values, return_counts=True)[1].astype(np.float64)


def constant(values: NDArray[np.float64]) -> bool:
    """Tell whether values are all alike but for rounding: no line goes through them."""
    return bool(np.ptp(values) <= max(_ROUNDING * np.abs(values).max(), _SMALLEST))
