"""Weights that are already in memory: a state dict, a module's parameters, any mapping of arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gate.errors import ModelError
from gate.weights.interface import ModelWeights, StoredTensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray


def from_arrays(arrays: Mapping[str, ArrayLike | Any]) -> ModelWeights:
    """List the weights of a mapping from names to arrays, such as ``module.state_dict()``.

    Parameters
    ----------
    arrays:
        PyTorch tensors, TensorFlow or Keras variables, JAX or numpy arrays, nested lists: told by what
        they can do, without importing their framework.  Arrays are kept by reference and converted
        when they are measured; changing them before that changes the result.  Names follow the
        framework's habit (``encoder.0.weight``), since they tell what a layer is.

    Raises
    ------
    gate.errors.ModelError
        A name is not a string, or a value cannot be seen as an array.
    """
    from gate.weights.state_dict import describe  # noqa: PLC0415 - keeps the import of this room light

    described = describe([_tensor(name, value) for name, value in arrays.items()])
    return ModelWeights(
        format="arrays",
        files=(),
        layers=described.layers,
        skipped=described.skipped,
        vectors=described.vectors,
        vector_parameters=described.vector_parameters,
        batch_norms=described.batch_norms,
    )


def _tensor(name: object, value: Any) -> StoredTensor:
    if not isinstance(name, str):
        raise ModelError(f"an array's name must be a string, not {type(name).__name__}")
    if hasattr(value, "detach"):
        held: LiveTensor | LiveArray = LiveTensor(name, value)
        shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
        return StoredTensor(name, shape, dtype, held, _quantisation_step(value))
    values = _as_array(name, value)
    return StoredTensor(name, values.shape, values.dtype.name, LiveArray(values))


def _as_array(name: str, value: Any) -> NDArray[Any]:
    import numpy as np  # noqa: PLC0415

    try:
        return np.asarray(value.numpy() if callable(getattr(value, "numpy", None)) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{name!r} cannot be seen as an array: {error}") from error


def _quantisation_step(tensor: Any) -> float | None:
    """Return the step of a quantised PyTorch tensor: its scale, or the root mean square of several."""
    if not getattr(tensor, "is_quantized", False):
        return None
    if "per_channel" not in str(tensor.qscheme()):
        return float(tensor.q_scale())
    scales = [float(scale) for scale in tensor.q_per_channel_scales().tolist()]
    return math.sqrt(sum(scale * scale for scale in scales) / len(scales))


@dataclass(frozen=True, slots=True, eq=False)
class LiveArray:
    """Reads an array in memory; equal when it is the same memory seen in the same way."""

    values: NDArray[Any]

    def __call__(self) -> NDArray[Any]:
        """Return the values as floats, a view where they already are."""
        from gate.weights.mapped import to_float  # noqa: PLC0415

        return to_float(self.values)

    def _place(self) -> tuple[object, ...]:
        values = self.values
        return values.__array_interface__["data"][0], values.shape, values.strides, values.dtype.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveArray) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())


@dataclass(frozen=True, slots=True, eq=False)
class LiveTensor:
    """Reads a PyTorch tensor in memory, on whatever device; equal when it is the same storage."""

    name: str
    tensor: Any

    def __call__(self) -> NDArray[Any]:
        """Return the values as floats; types that numpy does not have are converted to float32.

        Raises
        ------
        gate.errors.ModelError
            The tensor holds no values (a meta tensor), or cannot be brought to memory.
        """
        from gate.weights.mapped import to_float  # noqa: PLC0415

        try:
            dense = self.tensor.detach()
            if getattr(dense, "is_quantized", False):
                dense = dense.dequantize()
            dense = dense.to_dense().cpu()
            if str(dense.dtype) not in {"torch.float16", "torch.float32", "torch.float64"}:
                dense = dense.float()
            return to_float(dense.numpy())
        except (RuntimeError, TypeError, NotImplementedError) as error:
            raise ModelError(f"{self.name!r} cannot be read: {str(error).splitlines()[0]}") from error

    def _place(self) -> tuple[object, ...]:
        tensor = self.tensor
        strided = "strided" in str(getattr(tensor, "layout", "")) and "meta" not in str(tensor.device)
        where = (tensor.data_ptr(), tuple(tensor.stride())) if strided else (id(tensor),)
        return (*where, tuple(tensor.shape), str(tensor.dtype), str(tensor.device))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveTensor) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())
