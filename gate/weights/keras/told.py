"""What a layer's class and settings say of its kernel, where names and shapes do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gate.weights.einsum import einsum_weight
from gate.weights.interface import Told
from gate.weights.views import transposed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.layer import LayerKind
    from gate.weights.views import StoredReader

_MATRIX: Final = 2
_KERNEL: Final = "kernel"
_CONVOLUTIONS: Final[dict[str, tuple[LayerKind, int, bool]]] = {
    "Conv1D": ("conv1d", 3, False),
    "Conv2D": ("conv2d", 4, False),
    "Conv3D": ("conv3d", 5, False),
    "Conv1DTranspose": ("conv_transpose1d", 3, True),
    "Conv2DTranspose": ("conv_transpose2d", 4, True),
    "Conv3DTranspose": ("conv_transpose3d", 5, True),
}
"""Kind, dimensions of the kernel, and whether it ends in (out, in) instead of (in, out)."""


def told_of(class_name: str, settings: Mapping[str, Any], variable: str, read: StoredReader) -> Told | None:
    """Return what a layer does with one of its arrays; None where its name says as much.

    Parameters
    ----------
    class_name, settings:
        The layer's, as in its configuration; without settings, only its class is asked.
    variable:
        What the layer calls the array.
    read:
        The array, as stored.
    """
    if variable != _KERNEL:
        return None
    if class_name == "EinsumDense":
        equation = settings.get("equation")
        weight = einsum_weight(equation, 1, read) if isinstance(equation, str) else None
        is_matrix = weight is not None and len(weight.shape) == _MATRIX
        return Told("dense", weight.shape, weight) if weight is not None and is_matrix else None
    kind, rank, is_transposed = _CONVOLUTIONS.get(class_name, (None, 0, False))
    if kind is None or len(read.shape) != rank:
        return None
    last, before = (rank - 2, rank - 1) if is_transposed else (rank - 1, rank - 2)
    weight = transposed(read, (last, before, *range(rank - 2)))
    return Told(kind, weight.shape, weight, _groups(settings, weight.shape[0]))


def _groups(settings: Mapping[str, Any], outputs: int) -> int:
    """Return the groups of a convolution; each has as many of its outputs as the others."""
    groups = settings.get("groups", 1)
    return groups if isinstance(groups, int) and groups > 0 and outputs % groups == 0 else 1
