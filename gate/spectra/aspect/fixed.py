"""Alpha at a fixed aspect ratio.

A random matrix's spectrum, and with it the fitted exponent, depends on Q = N/M: elongated layers
look under-trained beside square ones.  Cutting every layer into submatrices of one aspect ratio and
pooling their spectra makes layers of unlike shape comparable.

Source: Hu et al. 2025 (FARMS), arXiv:2506.06280, section 3; here with square windows as wide as the
matrix, evenly spaced, as few as cover every row.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.spectra.eigenvalues import eigenvalues
from gate.spectra.lapack import crew
from gate.spectra.power_law import fit
from gate.spectra.zero import zero_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gate.spectra.interface import Settings
    from gate.spectra.spectrum import Spectrum


def alpha_fixed_aspect(spectrum: Spectrum, settings: Settings) -> float | None:
    """Fit a power law to the pooled spectra of the square windows of every matrix.

    Returns
    -------
    float or None
        None for matrices of one column, and where the fit fails.
    """
    rows, columns = spectrum.matrices[0].shape
    if columns < 2:  # noqa: PLR2004
        return None
    if rows == columns:  # the only window is the matrix
        return None if spectrum.fit is None else spectrum.fit.alpha
    found: dict[int, NDArray[np.float64]] = {}

    def solve(place: int, window: NDArray[Any]) -> None:
        found[place] = positive_eigenvalues(window, spectrum, settings)

    crew().run(partial(solve, *numbered) for numbered in enumerate(windows(spectrum.matrices)))
    return fit(np.sort(np.concatenate(list(found.values()))), settings.convention).alpha


def windows(matrices: tuple[NDArray[Any], ...]) -> Iterator[NDArray[Any]]:
    """Yield the M×M windows of each N×M matrix: ⌈N/M⌉ of them, the first and last at its ends."""
    rows, columns = matrices[0].shape
    starts = np.linspace(0, rows - columns, -(-rows // columns)).round().astype(np.int64)
    for matrix in matrices:
        for start in starts:
            yield matrix[start : start + columns]


def positive_eigenvalues(window: NDArray[Any], spectrum: Spectrum, settings: Settings) -> NDArray[np.float64]:
    """Return a window's eigenvalues above what counts as zero, in the units of the spectrum."""
    values = eigenvalues(window[None], float32=settings.float32).values[0]
    zero = zero_of(
        (window.shape[0], window.shape[1]),
        settings.convention,
        dtype=spectrum.dtype,
        step=spectrum.quantisation_step,
        float32=settings.float32,
    )
    limit = zero.limit(float(values.sum()), float(values[-1]))
    scaled = values * spectrum.scale
    absolute = settings.convention.zero == "absolute"
    return np.asarray(scaled[scaled > (limit if absolute else limit * spectrum.scale)])
