"""The value every further group of metrics is computed from: one row's matrices and spectrum.

A group of metrics (randomness, tails, aspect) is a function ``measure(spectrum, settings)`` that
returns a mapping of :class:`gate.spectra.interface.LayerMetrics` field names to values.  Two keys
are special: ``flags`` (a tuple, appended to the row's own) and ``shuffled_eigenvalues`` (an array,
not a field: binned over the edges of the row's plot).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gate.spectra.power_law import PowerLawFit


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Matrices of one row and the eigenvalues of X = WᵀW.

    Attributes
    ----------
    name:
        The row's name.
    matrices:
        Each N×M with N ≥ M, in storage precision; may be read-only, strided views of a tensor.
    eigenvalues:
        All of them pooled, ascending, float64, zeros included, ``scale`` applied.
    positive:
        Those that lie above their matrix's zero threshold, ascending.
    per_matrix:
        The eigenvalues of each of the k matrices by itself, ascending, shape (k, M).
    rows, columns:
        N and M.
    zero:
        Largest zero threshold among the matrices.
    fit:
        The power law fitted to ``positive``.
    settings_seed:
        The seed of the settings, from which the row's own is made.
    scale:
        Factor the convention put on the squared singular values of ``matrices``.
    dtype:
        Storage type as the container has it.
    quantisation_step:
        For integer storage the root mean square step between neighbouring values.
    """

    name: str
    matrices: tuple[NDArray[Any], ...]
    eigenvalues: NDArray[np.float64]
    positive: NDArray[np.float64]
    per_matrix: NDArray[np.float64]
    rows: int
    columns: int
    zero: float
    fit: PowerLawFit | None
    settings_seed: int
    scale: float = 1.0
    dtype: str = "float32"
    quantisation_step: float | None = None

    @property
    def seed(self) -> int:
        """Seed for this row's random numbers.

        It is derived from the settings' seed and the row's name alone, so that neither order nor
        number of workers changes a result.
        """
        named = f"{self.settings_seed}\0{self.name}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.sha256(named).digest()[:8], "little")
