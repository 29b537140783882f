"""The trace-log condition of the semi-empirical theory of learning.

Source: Martin & Hinrichs 2025 (SETOL), arXiv:2507.17912: at the best learning the large eigenvalues
form a volume-preserving set, their logarithms summing to 0 when λ has mean 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def trace_log_count(eigenvalues: NDArray[np.float64]) -> int | None:
    """Return the largest k for which the logarithms of the k largest eigenvalues sum to at least 0.

    Parameters
    ----------
    eigenvalues:
        All of them, ascending, zeros included; scaled here to mean 1.

    Returns
    -------
    int or None
        None where all are zero.  The reference tool's ``detX_num`` is one more.
    """
    mean = float(eigenvalues.mean())
    if not mean > 0:
        return None
    scaled = eigenvalues[::-1] / mean
    positive = scaled[scaled > 0]  # ln 0 would pull every further sum below
    # Eigenvalues equal but for rounding sum to 0 but for rounding, and 0 counts.
    slack = len(positive) * np.finfo(np.float64).eps
    return int(np.count_nonzero(np.cumsum(np.log(positive)) >= -slack))
