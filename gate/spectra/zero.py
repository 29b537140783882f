"""Which eigenvalues are zero: those that rounding to the storage type could have made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gate.spectra.interface import Convention

STORAGE_EPSILON: Final = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float8_e4m3": 2.0**-3,
    "float8_e4m3fn": 2.0**-3,
    "float8_e4m3fnuz": 2.0**-3,
    "float8_e5m2": 2.0**-2,
    "float8_e5m2fnuz": 2.0**-2,
    "float4_e2m1fn": 2.0**-1,
}
"""Distance from 1 to the next value each storage type can hold."""

DOUBLE: Final = 2.0**-52
SINGLE: Final = 2.0**-23

NO_SCALE: Final = 1e-30
"""λ_max below this (weights below 1e-15) is no spectrum but what decay left of one."""


def storage_known(dtype: str, step: float | None) -> bool:
    """Tell whether the rounding noise of the storage type can be estimated."""
    return step is not None or dtype in STORAGE_EPSILON


def threshold(
    total: NDArray[np.float64],
    largest: NDArray[np.float64],
    shape: tuple[int, int],
    convention: Convention,
    *,
    dtype: str,
    step: float | None = None,
    float32: bool = False,
) -> NDArray[np.float64]:
    """Return the value up to which an eigenvalue of each matrix counts as zero.

    Parameters
    ----------
    total, largest:
        Sum and maximum of each matrix's eigenvalues, without any convention's scale, shape (k,).
    shape:
        N and M of the matrices.
    convention:
        ``zero: absolute`` returns its fixed threshold.
    dtype:
        Storage type; one that is not known counts as float32.
    step:
        Root mean square step between neighbouring values of integer storage.
    float32:
        Whether the eigenvalues were computed in single precision.

    Notes
    -----
    Convention ``gate-1``: λ_max·M·eps is what the eigenvalues themselves are exact to.  Rounding
    adds an independent error of variance (eps²/12)·w² (floats) or step²/12 (integers) to each
    entry; the largest eigenvalue of such noise is σ²(√N + √M)², Marchenko-Pastur's upper edge.
    """
    if convention.zero == "absolute":
        return np.full(largest.shape, convention.zero_threshold)
    rows, columns = shape
    arithmetic = largest * (math.sqrt(columns) * SINGLE if float32 else zero_ratio(columns))
    if step is not None:
        noise: Any = step**2 / 12 * (math.sqrt(rows) + math.sqrt(columns)) ** 2
    else:
        spread = (1 / math.sqrt(rows) + 1 / math.sqrt(columns)) ** 2
        noise = STORAGE_EPSILON.get(dtype, SINGLE) ** 2 / 12 * spread * total
    limits: NDArray[np.float64] = np.maximum(arithmetic, noise)
    return limits


def zero_ratio(columns: int) -> float:
    """Return the ratio to λ_max up to which ``gate-1`` takes an eigenvalue for zero, whatever the storage."""
    return columns * DOUBLE


def dead_matrices(largest: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which slices have no scale, of their own or beside the layer's largest slice.

    ``largest`` holds the largest eigenvalue of each slice, shape (slices,).
    """
    dead: NDArray[np.bool_] = largest < max(NO_SCALE, float(largest.max()) * SINGLE**2)
    return dead


def resolution(shape: tuple[int, int]) -> float:
    """Return the ratio λ_min/λ_max below which a Gram matrix no longer resolves λ_min.

    Forming the Gram matrix squares the condition number: its eigenvalues carry an absolute error
    of a few eps·λ_max, growing with the sums' length and the solver's size.
    """
    rows, columns = shape
    return 16 * max(columns, math.sqrt(rows)) * DOUBLE
