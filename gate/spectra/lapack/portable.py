"""The backend that is always there: numpy's public functions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Portable:
    """Gram by matmul, eigenvalues by ``numpy.linalg.eigvalsh``, threads by threadpoolctl."""

    name = "numpy"
    tiled = False

    def __init__(self) -> None:
        self._controller: Any = None

    def gram(self, matrix: NDArray[Any], dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """Return the Gram matrix of the small side."""
        values = np.asarray(matrix, dtype)
        tall = values.shape[0] >= values.shape[1]
        product: NDArray[Any] = values.T @ values if tall else values @ values.T
        return product

    def eigenvalues(self, gram: NDArray[Any]) -> NDArray[Any]:
        """Return the eigenvalues, ascending."""
        try:
            eigenvalues: NDArray[Any] = np.linalg.eigvalsh(gram, UPLO="L")
        except np.linalg.LinAlgError as error:
            raise ResourceError(f"the eigenvalues did not converge ({error})") from error
        return eigenvalues

    def eigenvalues_and_basis(
        self,
        gram: NDArray[Any],
        wanted: Callable[[NDArray[Any]], int],  # noqa: ARG002 - numpy gives all vectors or none
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the eigenvalues and no basis."""
        return self.eigenvalues(gram), None

    def singular_values(self, matrix: NDArray[Any]) -> NDArray[np.float64]:
        """Return the singular values, descending."""
        try:
            values: NDArray[np.float64] = np.linalg.svd(np.asarray(matrix, np.float64), compute_uv=False)
        except np.linalg.LinAlgError as error:
            raise ResourceError(f"the singular values did not converge ({error})") from error
        return values

    def threads(self) -> int:
        """Return the largest thread count of the loaded BLAS libraries, 1 when none tells."""
        counts = [int(library["num_threads"]) for library in self._blas().info()]
        return max(counts, default=1)

    def set_threads(self, count: int) -> None:
        """Limit every loaded BLAS library.

        threadpoolctl 3.8 lets one living thread set OpenBLAS's, and ignores others: so one that ends does.
        """
        setter = threading.Thread(target=self._blas().limit, kwargs={"limits": count})
        setter.start()
        setter.join()

    def _blas(self) -> Any:
        if self._controller is None:
            from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - only the fallback needs it

            self._controller = ThreadpoolController().select(user_api="blas")
        return self._controller
