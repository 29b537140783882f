"""The value that passes from ``gate.weights`` to ``gate.spectra``: one named weight tensor.

It lives outside both rooms, so that neither has to know the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

if TYPE_CHECKING:
    from numpy.typing import NDArray

LayerKind = Literal[
    "dense",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "depthwise",
    "lstm",
    "gru",
    "rnn",
    "attention",
    "embedding",
    "lora",
    "expert",
]
"""What a layer computes; the names a policy's ``where: {kind: [...]}`` accepts."""

LAYER_KINDS: Final[tuple[LayerKind, ...]] = get_args(LayerKind)


class TensorReader(Protocol):
    """Reads one tensor's values; called when, and only when, the layer is measured.

    Implementations are small, frozen and picklable (a path and an offset, not the data), so that
    another process can read the tensor itself.
    """

    def __call__(self) -> NDArray[Any]:
        """Return the values, in the layer's canonical ``shape``.

        The dtype is float16, float32 or float64: bfloat16, float8 and integer storage come
        out as float32 (dequantised by their own scales and zero points).  The array may be a
        read-only view of a mapped file; callers copy before they write.

        Raises
        ------
        gate.errors.ModelError
            The bytes are missing, cut short or not what the container said.
        """
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a tensor that is a layer of its own: a gate, a projection, an expert.

    ``tensor[start:stop]`` along ``axis``; for experts (axis 0 of a 3-D stack) the slice has
    length 1 and the axis is dropped.
    """

    label: str
    axis: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class WeightLayer:
    """One weight tensor of a model, described but not read.

    Attributes
    ----------
    name:
        The name a person who built the model recognises, unique within the model.
    kind:
        What the layer computes.
    shape:
        Canonical shape, whatever the container's order: dense, recurrent, attention and
        embedding ``(out, in)``; convolutions and transposed convolutions
        ``(out, in / groups, *kernel)``; experts ``(experts, out, in)``.
    dtype:
        Storage type as the container has it: ``float32``, ``bfloat16``, ``int8``, ...
    read:
        Reads the values, see :class:`TensorReader`.
    tensor:
        The tensor's own name in the file.
    stored_shape:
        Shape as stored, before any reordering.
    parts:
        How to split it into gates, projections or experts; empty when it is one layer.
    groups:
        Groups of a convolution, or 1.
    right:
        For ``lora`` only: the layer's matrix is ``read() @ right()``; ``shape`` is the product's.
    quantisation_step:
        For integer storage the root mean square step between neighbouring values, else None.
    bytes_digest:
        Digest of the stored bytes (``sha256:...``) when the reader knows it for nothing, else None.
    """

    name: str
    kind: LayerKind
    shape: tuple[int, ...]
    dtype: str
    read: TensorReader
    tensor: str
    stored_shape: tuple[int, ...]
    parts: tuple[Part, ...] = ()
    groups: int = 1
    right: TensorReader | None = None
    quantisation_step: float | None = None
    bytes_digest: str | None = None

    @property
    def parameters(self) -> int:
        """Number of weights the tensor holds (for ``lora``, of the product)."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count
