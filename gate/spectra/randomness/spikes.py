"""Eigenvalues beyond the edge of the Marchenko-Pastur law by a Tracy-Widom margin.

The bare edge would call 14 to 20 % of pure noise spiked: the largest of M eigenvalues fluctuates
about it.  The margin allows for that (Johnstone 2001) and for the error of the fitted variance.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from gate.spectra.randomness import tracy_widom

LEVEL: Final = 0.01
"""Share of purely random layers in which any spike may be found."""

_FEW_COLUMNS: Final = 8


@lru_cache(maxsize=512)
def threshold(rows: int, columns: int, matrices: int, relative_variance: float) -> float:
    """Return the critical value of λ_max/σ̂² for a layer of ``matrices`` matrices N×M.

    The level is divided by the number of matrices.  ``relative_variance`` is that of σ̂², see
    :class:`gate.spectra.randomness.marchenko_pastur.BulkFit`.
    """
    level = max(LEVEL / matrices, 1e-9)
    centre, scale = tracy_widom.centre_and_scale(rows, columns)
    if columns < _FEW_COLUMNS:
        return _bonferroni(centre, scale, level, relative_variance)
    # λ_max/σ̂² has the spread of λ_max and of σ̂² together: widen the margin around the mean.
    widening = np.sqrt(1 + relative_variance * (centre / scale) ** 2 / tracy_widom.VARIANCE)
    margin = tracy_widom.MEAN + (tracy_widom.quantile(level) - tracy_widom.MEAN) * widening
    return float(centre + scale * margin)


def _bonferroni(centre: float, scale: float, level: float, relative_variance: float) -> float:
    """Bound λ_max from above and σ̂² from below, at half the level each.

    Few eigenvalues leave σ̂² so uncertain and so skewed (χ² with 2/relative_variance degrees of
    freedom) that the two errors may not be added as if normal.
    """
    from scipy.special import gammaincinv  # noqa: PLC0415  (scipy loads slowly)

    half_degrees = 1 / relative_variance
    smallest = float(gammaincinv(half_degrees, level / 2)) / half_degrees
    return (centre + scale * tracy_widom.quantile(level / 2)) / max(smallest, 1e-300)
