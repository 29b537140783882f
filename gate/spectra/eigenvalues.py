"""Eigenvalues of X = WᵀW of one matrix or of a stack of equal ones.

They are computed from the Gram matrix of the small side.  Where that loses the smallest ones
(about √eps·s_max), singular values take their place: of the matrix, or of the few directions that
hold the small ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import ResourceError
from gate.spectra.lapack import backend, blas_threads, crew
from gate.spectra.zero import resolution

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH_COLUMNS: Final = 128
_BATCH_WORK: Final = 3e6
"""Slices up to this many columns and N·M² operations are solved in one batched call."""

_SVD_WORK: Final = 2e10
"""N·M² up to which a near-singular matrix is given to the singular value decomposition."""

_APART: Final = math.sqrt(2.0**-52)
"""Ratio to the largest eigenvalue below which directions are projected on together with those lost.

The Gram matrix's error, of size eps, turns a lost direction towards one of ratio r by eps/r, which adds
eps²/r to its eigenvalue: below 1e-23, where the smallest of interest is M·eps.
"""

_FEW: Final = 3
"""One in so many directions at most is projected on; the decomposition is as fast for more."""

_PRODUCT_ROWS: Final = 4096
"""Rows of a tall matrix that are cast at a time."""


@dataclass(frozen=True, slots=True)
class Eigenvalues:
    """Eigenvalues of k matrices of shape N×M.

    Attributes
    ----------
    values:
        Shape (k, M), each row ascending, float64, at least 0; NaN where a matrix is not finite.
    near_singular:
        Whether a matrix was singular to the precision of its Gram matrix.
    resolved:
        Whether the smallest eigenvalues are right all the same.
    """

    values: NDArray[np.float64]
    near_singular: bool = False
    resolved: bool = True


def eigenvalues(
    stack: NDArray[Any], *, float32: bool = False, exact: bool = False, zero_below: float = 0.0
) -> Eigenvalues:
    """Return the eigenvalues of WᵀW for every matrix of a stack.

    Parameters
    ----------
    stack:
        Matrices in the last two axes, any number of axes before them; any strides, any float.
    float32:
        Compute in single precision, without the singular value fallback.
    exact:
        Use the fallback whatever it costs.
    zero_below:
        Ratio to the largest eigenvalue up to which the caller takes one for zero: what is clearly
        below is not worth the fallback and comes back as 0.

    Raises
    ------
    gate.errors.ResourceError
        The solver did not converge.
    """
    size, other = sorted(stack.shape[-2:])
    if size == 1:
        with np.errstate(over="ignore"):
            squares = np.square(stack, dtype=np.float64).sum(axis=(-2, -1))
        return Eigenvalues(np.where(np.isfinite(squares), squares, np.nan).reshape(-1, 1))
    precision: type[np.floating[Any]] = np.float32 if float32 else np.float64
    known = np.zeros(math.prod(stack.shape[:-2]), np.bool_)
    if size <= _BATCH_COLUMNS and other * size**2 < _BATCH_WORK:
        with np.errstate(over="ignore"):
            cast = np.ascontiguousarray(stack, precision)
        values = _batch(cast.reshape(-1, *stack.shape[-2:]))
    else:
        mend = not float32 and not zero_below and _mendable((other, size), exact=exact)
        values = np.empty((len(known), size))
        near_zero = 0.0 if float32 else zero_below

        def solve(place: int) -> None:
            matrix = stack[np.unravel_index(place, stack.shape[:-2])]
            values[place], known[place] = _single(matrix, precision, mend=mend, zero_below=near_zero)

        crew().run(partial(solve, place) for place in range(len(values)))
    if float32 and not np.isfinite(values).all():  # squares overflow single precision at 1e19
        return eigenvalues(stack, exact=exact, zero_below=zero_below)
    return _mend(stack, values, known, float32=float32, exact=exact, zero_below=zero_below)


def of_product(left: NDArray[Any], right: NDArray[Any]) -> Eigenvalues:
    """Return the eigenvalues of (BA)ᵀBA for ``left`` B (out, r) and ``right`` A (r, in).

    Only as many as the product can have nonzero, min(out, r, in).  B = QR and Aᵀ = PS leave the
    small matrix RSᵀ with the singular values of BA, so that the product is never formed.
    """
    with blas_threads().one(), np.errstate(over="ignore", invalid="ignore"):
        core = _triangle(left) @ _triangle(right.T).T
        if not np.isfinite(core).all():
            return Eigenvalues(np.full((1, min(core.shape)), np.nan))
        return Eigenvalues(_singular(core)[None, :])


def _triangle(matrix: NDArray[Any]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.asarray(matrix, np.float64)
    if not np.isfinite(values).all():
        return np.full((min(values.shape), values.shape[1]), np.nan)
    triangle: Any = np.linalg.qr(values, mode="r")
    return np.asarray(triangle, np.float64)


def _batch(stack: NDArray[Any]) -> NDArray[np.float64]:
    """Solve small matrices of shape (k, N, M) at once."""
    turned = stack.swapaxes(1, 2)
    with blas_threads().one():
        tall = stack.shape[1] >= stack.shape[2]
        with np.errstate(over="ignore", invalid="ignore"):
            grams = np.matmul(turned, stack) if tall else np.matmul(stack, turned)
        finite = np.isfinite(np.einsum("kii->k", grams))
        grams[~finite] = 0
        try:
            values = np.linalg.eigvalsh(grams).astype(np.float64)
        except np.linalg.LinAlgError as error:
            raise ResourceError(f"the eigenvalues did not converge ({error})") from error
    values[~finite] = np.nan
    return np.maximum(values, 0)


def _single(
    matrix: NDArray[Any], precision: type[np.floating[Any]], *, mend: bool, zero_below: float
) -> tuple[NDArray[np.float64], bool]:
    """Solve one matrix, and tell whether eigenvalues that its Gram matrix lost are known all the same.

    ``mend`` says that :func:`_mend` will replace whatever comes out near-singular, ``zero_below`` above 0
    that only those between it and the resolution are worth anything.
    """
    matrix, size = _upright(matrix), min(matrix.shape)
    with blas_threads().one() if backend().tiled else blas_threads().sized(size):
        with np.errstate(over="ignore", invalid="ignore"):
            gram = backend().gram(matrix, precision)
            finite = np.isfinite(gram.diagonal().sum())
        if not finite:
            return np.full(size, np.nan), False
        if mend and _has_dead_channel(matrix, gram.diagonal()):
            # near-singular, whatever the rest
            return np.append(np.zeros(size - 1), gram.diagonal().max()), False
        if not zero_below:
            return np.maximum(backend().eigenvalues(gram).astype(np.float64), 0), False
        wanted = partial(_lost_and_near, shape=matrix.shape, zero_below=zero_below)
        found, basis = backend().eigenvalues_and_basis(gram, wanted)
        values: NDArray[np.float64] = np.maximum(found, 0)
        if basis is None:
            return values, False
        values[: basis.shape[1]] = _singular(_product(matrix, basis))
        values.sort()  # those next to _APART are as exact as before, and may change places
        return values, True


def _upright(matrix: NDArray[Any]) -> NDArray[Any]:
    """Turn a matrix so that the Gram matrix that the backends make is that of its columns."""
    (rows, columns), (down, across) = matrix.shape, matrix.strides
    return matrix.T if rows < columns or (rows == columns and down < across) else matrix


def _lost_and_near(values: NDArray[Any], shape: tuple[int, int], zero_below: float) -> int:
    """Count the smallest eigenvalues to project on: none where none that matters is lost, or too many are.

    Rayleigh-Ritz: the singular values of WV are those of W that belong to the space of V, as exact as a
    decomposition of W would give them, since what V mixes in of the others is apart (:data:`_APART`).
    """
    largest = float(values[-1])
    limit = resolution(shape) * largest
    if values[0] > limit:
        return 0
    first, end = values.searchsorted((zero_below / 2 * largest, limit), side="right")
    if first == end:
        return 0
    near = int(values.searchsorted(_APART * largest, side="right"))
    return near if near * _FEW <= len(values) else 0


def _product(matrix: NDArray[Any], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return matrix·basis in double precision, of which the matrix is brought to no more than some rows."""
    product = np.empty((len(matrix), basis.shape[1]))
    for first in range(0, len(matrix), _PRODUCT_ROWS):
        some = matrix[first : first + _PRODUCT_ROWS].astype(np.float64)
        np.matmul(some, basis, out=product[first : first + len(some)])
    return product


def _has_dead_channel(matrix: NDArray[Any], squares: NDArray[Any]) -> bool:
    """Tell whether a row or column of the small side proves the matrix near-singular.

    ``squares`` are the squared norms of one side's.  λ_min is at most the smallest of them and λ_max
    at least the largest, so that eigenvalues which would be thrown away need not be computed.
    """
    rows, columns = sorted(matrix.shape, reverse=True)
    sides = [squares]
    if rows == columns:
        sides += [np.einsum(f"ij,ij->{axis}", matrix, matrix, dtype=np.float64) for axis in "ij"]
    limit = resolution((rows, columns))
    return any(side.min() <= limit * side.max() for side in sides)


def _mend(
    stack: NDArray[Any],
    values: NDArray[np.float64],
    known: NDArray[np.bool_],
    *,
    float32: bool,
    exact: bool,
    zero_below: float,
) -> Eigenvalues:
    """Replace the eigenvalues of near-singular matrices by squared singular values, where they matter.

    Those ``known`` already are left as they are.
    """
    rows, columns = sorted(stack.shape[-2:], reverse=True)
    ratio, largest = resolution((rows, columns)), values[:, -1:]
    ends = zip(values[:, 0].tolist(), largest[:, 0].tolist(), strict=True)
    if all(smallest > ratio * top for smallest, top in ends):
        return Eigenvalues(values)
    unresolved = (values <= ratio * largest) & (largest > 0)
    if not unresolved.any():
        return Eigenvalues(values)
    unresolved &= ~known[:, None]
    # The Gram matrix errs by a few eps, a zero is columns·eps: half of that is safely a zero.
    matter = unresolved & (values > zero_below / 2 * largest) if zero_below else unresolved
    values[unresolved & ~matter] = 0
    if unresolved.any() and (float32 or not _mendable((rows, columns), exact=exact)):
        return Eigenvalues(values, near_singular=True, resolved=False)

    def solve(place: int) -> None:
        with blas_threads().sized(columns):
            values[place] = _singular(stack[np.unravel_index(place, stack.shape[:-2])])

    crew().run(partial(solve, place) for place in np.flatnonzero(matter.any(axis=1)).tolist())
    return Eigenvalues(values, near_singular=True)


def _mendable(shape: tuple[int, int], *, exact: bool) -> bool:
    """Tell whether the singular value decomposition is worth its time, for a matrix of N×M."""
    rows, columns = shape
    return exact or rows * columns**2 <= _SVD_WORK


def _singular(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared singular values, ascending."""
    values: NDArray[np.float64] = np.square(backend().singular_values(matrix)[::-1])
    return values
