"""What a reader of model files is, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from gate.layer import LayerKind, TensorReader, WeightLayer


@dataclass(frozen=True, slots=True)
class Skipped:
    """A tensor or file that is not measured, with the reason; never silent.

    ``matrix`` tells whether it is a weight matrix that ought to have been measured (it then counts
    against coverage) or something else with two or more dimensions, such as a position table
    that is only added.  ``parameters`` is 0 where it is not known.
    """

    name: str
    reason: str
    parameters: int = 0
    matrix: bool = True


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """The weights of one model, listed in depth order; nothing is in memory yet.

    Attributes
    ----------
    format:
        Identifier of the container, such as ``onnx``, ``safetensors``, ``keras``, ``keras-hdf5``,
        ``pytorch-zip``, ``pytorch-legacy``, ``torchscript``, ``pytorch-pt2``.
    files:
        The files read, relative to the source's root, in POSIX form.
    layers:
        Every weight matrix found, in the order the data flows where the container tells it, in
        the order of the file otherwise.
    skipped:
        Every tensor of two or more dimensions that is not among ``layers``.
    vectors, vector_parameters:
        How many tensors of fewer than two dimensions there are (biases, norm scales), and the
        number of their elements.
    batch_norms:
        How many batch-norm layers stand unfolded in the file.
    unsafe_globals:
        Every global of a pickle other than the tensors, containers and module state that the
        reader knows, and every object of a configuration that would run or import code from elsewhere,
        as ``module.name``, sorted, without duplicates.
    unreferenced_bytes:
        Bytes of the container that no listed tensor or structure refers to.
    nested_archives:
        Names of archives found inside the container.
    """

    format: str
    files: tuple[str, ...]
    layers: tuple[WeightLayer, ...]
    skipped: tuple[Skipped, ...] = ()
    vectors: int = 0
    vector_parameters: int = 0
    batch_norms: int = 0
    unsafe_globals: tuple[str, ...] = ()
    unreferenced_bytes: int = 0
    nested_archives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What a container itself says a tensor does: a graph by its operator, a configuration by its class.

    Attributes
    ----------
    kind:
        What the layer computes; None for a tensor that no matrix is multiplied by.
    shape, read:
        The weight in the canonical order of :class:`gate.layer.WeightLayer`; not used without a kind.
    groups:
        Groups of a convolution, or 1.
    reason:
        Why it is no weight, where ``kind`` is None.
    """

    kind: LayerKind | None
    shape: tuple[int, ...] = ()
    read: TensorReader | None = None
    groups: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a state dict as its container lists it; ``gate.weights.state_dict`` names its kind.

    ``read`` returns the values in the stored ``shape`` (see :class:`gate.layer.TensorReader`).
    ``quantisation_step`` is set for integer storage that ``read`` already dequantises by a scale
    of its own (a quantised PyTorch tensor): the root mean square step between neighbouring values.
    ``told`` is set where the container says what the tensor does, and goes before what names say.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: TensorReader
    quantisation_step: float | None = None
    told: Told | None = None


class Reader(Protocol):
    """One container format."""

    @property
    def format(self) -> str:
        """Identifier shown as ``source.format``."""
        ...

    def matches(self, path: Path) -> bool:
        """Tell, from its bytes and name and without raising, whether ``path`` is of this format."""
        ...

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the file at ``path``; follow no reference outside ``root``.

        Raises
        ------
        gate.errors.ModelError
            The file is broken, cut short, or claims more than it holds.
        gate.errors.UnsafeModelError
            The file refers outside ``root`` or is built to harm its reader.
        """
        ...
