"""Which eigenvalues are zero: those that rounding to the storage type could have made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class Zero:
    """The value up to which an eigenvalue of a matrix counts as zero.

    It is the largest of ``fixed``, ``of_largest``·λ_max and ``of_total``·Σλ.
    """

    fixed: float = 0.0
    of_largest: float = 0.0
    of_total: float = 0.0

    def limit(self, total: float, largest: float) -> float:
        """Return it for a matrix with this sum and maximum of eigenvalues."""
        return max(self.fixed, self.of_largest * largest, self.of_total * total)


def zero_of(
    shape: tuple[int, int],
    convention: Convention,
    *,
    dtype: str,
    step: float | None = None,
    float32: bool = False,
) -> Zero:
    """Return what counts as zero in matrices of one layer.

    Parameters
    ----------
    shape:
        N and M of the matrices.
    convention:
        ``zero: absolute`` has its fixed threshold.
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
    Sums and maxima are those of eigenvalues without any convention's scale.
    """
    if convention.zero == "absolute":
        return Zero(fixed=convention.zero_threshold)
    rows, columns = shape
    arithmetic = math.sqrt(columns) * SINGLE if float32 else zero_ratio(columns)
    if step is not None:
        return Zero(step**2 / 12 * (math.sqrt(rows) + math.sqrt(columns)) ** 2, arithmetic)
    spread = (1 / math.sqrt(rows) + 1 / math.sqrt(columns)) ** 2
    return Zero(0.0, arithmetic, STORAGE_EPSILON.get(dtype, SINGLE) ** 2 / 12 * spread)


def zero_ratio(columns: int) -> float:
    """Return the ratio to λ_max up to which ``gate-1`` takes an eigenvalue for zero, whatever the storage."""
    return columns * DOUBLE


def least_alive(largest: float) -> float:
    """Return the largest eigenvalue below which a matrix has no scale.

    That is of its own, or beside ``largest``, the largest of the layer's other matrices.
    """
    return max(NO_SCALE, largest * SINGLE**2)


def resolution(shape: tuple[int, int]) -> float:
    """Return the ratio λ_min/λ_max below which a Gram matrix no longer resolves λ_min.

    Forming the Gram matrix squares the condition number: its eigenvalues carry an absolute error
    of a few eps·λ_max, growing with the sums' length and the solver's size.
    """
    rows, columns = shape
    return 16 * max(columns, math.sqrt(rows)) * DOUBLE
