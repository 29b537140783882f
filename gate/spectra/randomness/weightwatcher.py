"""The reference tool's fit of Marchenko-Pastur, for the convention that copies its numbers.

Source: WeightWatcher 0.7.7, ``RMT_Util.fit_density_with_range`` and ``WeightWatcher.mp_fit``.  Its
objective, a sum of squares against a kernel density, jumps wherever an edge passes a grid point,
and at Q = 1 the density has σ in the wrong place; :mod:`gate.spectra.randomness.marchenko_pastur`
is what to use otherwise.  The kernel density is computed exactly and at once with prefix sums, and
the grid search as one array; only the final simplex search runs step by step, as it must to end
where the tool's ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BANDWIDTH: Final = 0.1
_GRID: Final = 1000
_FLOOR: Final = 0.01
_INFEASIBLE: Final = 1e6  # per grid point


@dataclass(frozen=True, slots=True)
class ReferenceFit:
    """The tool's columns ``sigma_mp``, ``bulk_min``, ``bulk_max``, ``mp_softrank``, ``num_spikes``."""

    sigma: float
    bulk_min: float
    bulk_max: float
    soft_rank: float
    spikes: int


def fit(eigenvalues: NDArray[np.float64], rows: int, columns: int) -> ReferenceFit | None:
    """Fit as the reference tool does.

    Parameters
    ----------
    eigenvalues:
        All eigenvalues of the layer, zeros included.
    rows, columns:
        N and M as the tool has them.

    Returns
    -------
    ReferenceFit or None
        None where the density is nowhere above the tool's floor.
    """
    from scipy.optimize import fmin  # noqa: PLC0415  (scipy loads slowly)

    total = float(eigenvalues.sum())
    if total <= 0:
        return None
    unit = len(eigenvalues) / total
    standard = eigenvalues * unit
    inverse_root = (columns / rows) ** 0.5
    objective = _Objective.of(np.sqrt(standard) if rows == columns else standard, rows / columns)
    if objective is None:
        return None
    first = float(np.sqrt(standard.max())) / (1 + inverse_root)
    grid = np.arange(0.05 * first, 2 * first, 0.01 * first)
    start = grid[int(np.argmin(objective.at(grid)))]
    sigma = float(fmin(objective.single, start, disp=False)[0])
    low, high = ((sigma * (1 + sign * inverse_root)) ** 2 for sign in (-1, 1))
    width = inverse_root * high ** (2 / 3) * columns ** (-2 / 3)
    return ReferenceFit(
        sigma=sigma,
        bulk_min=low / unit,
        bulk_max=high / unit,
        soft_rank=high / float(standard.max()),
        spikes=int(np.count_nonzero(standard > high + np.sqrt(width))),
    )


@dataclass(frozen=True, slots=True)
class _Objective:
    """Sum of squares between the density of the eigenvalues and the law's, over σ."""

    points: NDArray[np.float64]
    density: NDArray[np.float64]
    aspect: float

    @classmethod
    def of(cls, values: NDArray[np.float64], aspect: float) -> _Objective | None:
        points = np.linspace(0, values.max() + 0.5, _GRID)
        density = linear_kernel_density(values, points, _BANDWIDTH)
        seen = density > _FLOOR
        return cls(points[seen], density[seen], aspect) if seen.any() else None

    def at(self, sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the objective at each σ."""
        sigma = np.abs(np.atleast_1d(sigmas))[:, None] if self.aspect == 1 else np.atleast_1d(sigmas)[:, None]
        residual = self._law(sigma) - self.density
        value = (residual**2).sum(axis=1)
        if self.aspect != 1:
            value[self._infeasible(sigma)] = len(self.points) * _INFEASIBLE
        return np.asarray(value)

    def single(self, sigma: NDArray[np.float64]) -> float:
        """Return the objective at one σ, as scipy's minimiser wants it."""
        return float(self.at(sigma)[0])

    def _edges(self, sigma: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        root = self.aspect**-0.5
        return (sigma * (1 - root)) ** 2, (sigma * (1 + root)) ** 2

    def _infeasible(self, sigma: NDArray[np.float64]) -> NDArray[np.bool_]:
        low, high = self._edges(sigma[:, 0])
        peak = self.points[int(np.argmax(self.density))]
        return np.asarray((high < peak) | (high > self.points.max()) | (low > peak))

    def _law(self, sigma: NDArray[np.float64]) -> NDArray[np.float64]:
        x = self.points
        if self.aspect == 1:  # in √λ, with the edge at 2 whatever σ, as the tool has it
            return np.asarray(np.sqrt(np.maximum(4 - x**2, 0)) / (np.pi * sigma**2))
        low, high = self._edges(sigma)
        root = np.sqrt(np.maximum((high - x) * (x - low), 0))
        scale = self.aspect / (2 * np.pi * sigma**2)
        return np.asarray(scale * np.divide(root, x, out=np.zeros_like(root), where=x > 0))


def linear_kernel_density(
    values: NDArray[np.float64], points: NDArray[np.float64], bandwidth: float
) -> NDArray[np.float64]:
    """Return the density of ``values`` at ``points`` under a triangular kernel, by prefix sums."""
    ordered = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    low, middle, high = (np.searchsorted(ordered, points + shift) for shift in (-bandwidth, 0.0, bandwidth))
    left = (middle - low) * (1 - points / bandwidth) + (sums[middle] - sums[low]) / bandwidth
    right = (high - middle) * (1 + points / bandwidth) - (sums[high] - sums[middle]) / bandwidth
    return np.asarray(np.maximum(left + right, 0) / (len(values) * bandwidth))
