"""One array of a layer's matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stack(matrices: tuple[NDArray[Any], ...]) -> NDArray[Any]:
    """Return the matrices along a new first axis, in storage precision; a single one is not copied."""
    return matrices[0][None] if len(matrices) == 1 else np.stack(matrices)
