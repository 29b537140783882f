"""What a linear algebra backend can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


class Backend(Protocol):
    """Gram matrices, symmetric eigenvalues and the number of BLAS threads.

    Every routine works in the precision of the dtype given, float32 or float64, and releases
    the interpreter's lock.
    """

    @property
    def name(self) -> str:
        """What it is, for ``gate doctor``."""
        ...

    @property
    def tiled(self) -> bool:
        """Whether idle threads of the crew share a large matrix, in place of BLAS's own threads."""
        ...

    def gram(self, matrix: NDArray[Any], dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """Return AᵀA or AAᵀ, whichever is smaller (either, of a square one), in the lower triangle."""
        ...

    def eigenvalues(self, gram: NDArray[Any]) -> NDArray[Any]:
        """Return the eigenvalues of the symmetric matrix in the lower triangle, ascending; destroys it.

        Raises
        ------
        gate.errors.GateError
            The solver did not converge.
        """
        ...

    def eigenvalues_and_basis(
        self, gram: NDArray[Any], wanted: Callable[[NDArray[Any]], int]
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the eigenvalues as :meth:`eigenvalues` does, and vectors of the smallest ones.

        Parameters
        ----------
        gram:
            Symmetric, in the lower triangle; destroyed.
        wanted:
            Told the eigenvalues, says how many of the smallest ones' vectors are wanted.

        Returns
        -------
        values:
            Shape (n,), ascending.
        basis:
            Shape (n, wanted), orthonormal columns; None where none are wanted, or where the
            backend cannot give them.
        """
        ...

    def singular_values(self, matrix: NDArray[Any]) -> NDArray[np.float64]:
        """Return the singular values of a finite matrix, descending, in double precision.

        Raises
        ------
        gate.errors.GateError
            The solver did not converge.
        """
        ...

    def threads(self) -> int:
        """Return how many threads BLAS uses now."""
        ...

    def set_threads(self, count: int) -> None:
        """Make BLAS use ``count`` threads from now on, in the whole process."""
        ...
