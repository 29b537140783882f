"""Weights that are already in memory: a state dict, a module's parameters, any mapping of arrays."""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gate.errors import ModelError
from gate.text import printable
from gate.weights.interface import ModelWeights, StoredTensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from gate.weights.interface import Told


LiveReader: TypeAlias = "LiveArray | LiveTensor"
"""What reads one array in memory."""


Teller: TypeAlias = "Callable[[LiveReader], Told | None]"
"""Says what a model's own objects tell of an array."""


def from_arrays(
    arrays: Mapping[str, ArrayLike | Any], told: Mapping[str, Teller] | None = None
) -> ModelWeights:
    """List the weights of a mapping from names to arrays, such as ``module.state_dict()``.

    Parameters
    ----------
    arrays:
        What :func:`live_readers` accepts, or its result.  Names follow the framework's habit
        (``encoder.0.weight``), since they tell what a layer is.
    told:
        For some of the names, what says more than they do.

    Raises
    ------
    gate.errors.ModelError
        A name is not a string, or a value cannot be seen as an array.
    """
    from gate.weights.state_dict import describe  # noqa: PLC0415 - keeps the import of this room light

    tellers = told or {}
    described = describe(
        [_stored(name, reader, tellers.get(name)) for name, reader in live_readers(arrays).items()]
    )
    return ModelWeights(
        format="arrays",
        files=(),
        layers=described.layers,
        skipped=described.skipped,
        vectors=described.vectors,
        vector_parameters=described.vector_parameters,
        batch_norms=described.batch_norms,
    )


def live_readers(arrays: Mapping[str, ArrayLike | Any]) -> dict[str, LiveReader]:
    """Return one reader for each array.

    Parameters
    ----------
    arrays:
        PyTorch tensors, TensorFlow or Keras variables, JAX or numpy arrays, nested lists: told by what
        they can do, without importing their framework.  Arrays are kept by reference and converted
        when they are measured; changing them before that changes the result.

    Raises
    ------
    gate.errors.ModelError
        A name is not a string, or a value cannot be seen as an array.
    """
    return {_checked(name): _reader(name, value) for name, value in arrays.items()}


def _checked(name: object) -> str:
    if not isinstance(name, str):
        raise ModelError(f"an array's name must be a string, not {type(name).__name__}")
    return name


def _reader(name: str, value: Any) -> LiveReader:
    if isinstance(value, LiveArray | LiveTensor):
        return value
    return _as_tensor(name, value) if hasattr(value, "detach") else LiveArray(_as_array(name, value))


def _as_tensor(name: str, value: Any) -> LiveTensor:
    tensor = LiveTensor(name, value)
    try:
        tuple(tensor.shape)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{printable(name)!r} has no shape yet: {str(error).splitlines()[0]}",
            hint="A lazy layer gets its weights when the model is run for the first time: do that before.",
        ) from error
    return tensor


def _stored(name: str, reader: LiveReader, teller: Teller | None) -> StoredTensor:
    told = None if teller is None else teller(reader)
    return StoredTensor(name, reader.shape, reader.dtype, reader, reader.quantisation_step, told)


def _as_array(name: str, value: Any) -> NDArray[Any]:
    import numpy as np  # noqa: PLC0415

    if np.ma.is_masked(value):
        raise ModelError(
            f"{printable(name)!r} has masked elements, which are neither weights nor none",
            hint="Say what they are, e.g. by array.filled(0), or leave the array out.",
        )
    try:
        return np.asarray(value.numpy() if callable(getattr(value, "numpy", None)) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{printable(name)!r} cannot be seen as an array: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class LiveArray:
    """Reads an array in memory; equal when it is the same memory seen in the same way."""

    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.values.shape

    @property
    def dtype(self) -> str:
        """Storage type, without its byte order."""
        return str(self.values.dtype.name)

    @property
    def holds_objects(self) -> bool:
        """Whether the elements are Python objects, which have no bytes of their own."""
        return bool(self.values.dtype.hasobject)

    @property
    def quantisation_step(self) -> float | None:
        """None: a numpy array of integers has no scale of its own."""
        return None

    def __call__(self) -> NDArray[Any]:
        """Return the values as floats, a view where they already are."""
        from gate.weights.mapped import to_float  # noqa: PLC0415

        return to_float(self.values)

    @property
    def in_place(self) -> bool:
        """Whether :meth:`content` is a view."""
        values = self.values
        return bool(values.flags.c_contiguous and values.dtype == values.dtype.newbyteorder("<"))

    def content(self) -> NDArray[Any]:
        """Return the elements in their storage type, in C order and little-endian."""
        import numpy as np  # noqa: PLC0415

        return np.ascontiguousarray(self.values, self.values.dtype.newbyteorder("<"))

    def _place(self) -> tuple[object, ...]:
        values = self.values
        return values.__array_interface__["data"][0], values.shape, values.strides, values.dtype.str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveArray) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())


@dataclass(frozen=True, slots=True, eq=False)
class LiveTensor:
    """Reads a PyTorch tensor in memory, on whatever device; equal when it is the same storage."""

    name: str
    tensor: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> str:
        """Storage type as PyTorch calls it; of a quantised tensor that of its integers."""
        name = str(self.tensor.dtype).removeprefix("torch.")
        return name.removeprefix("q") if self._is_quantised else name

    @property
    def holds_objects(self) -> bool:
        """False: a tensor holds numbers."""
        return False

    @property
    def quantisation_step(self) -> float | None:
        """Of a quantised tensor its scale, or the root mean square of several."""
        if not self._is_quantised:
            return None
        if "per_channel" not in str(self.tensor.qscheme()):
            return float(self.tensor.q_scale())
        scales = [float(scale) for scale in self.tensor.q_per_channel_scales().tolist()]
        return math.sqrt(sum(scale * scale for scale in scales) / len(scales))

    def __call__(self) -> NDArray[Any]:
        """Return the values as floats; types that numpy does not have are converted to float32.

        Raises
        ------
        gate.errors.ModelError
            The tensor holds no values (a meta tensor), or cannot be brought to memory.
        """
        from gate.weights.mapped import to_float  # noqa: PLC0415

        with self._told():
            dense = self._in_memory()
            if str(dense.dtype) not in {"torch.float16", "torch.float32", "torch.float64"}:
                dense = dense.float()
            return to_float(dense.numpy())

    @property
    def in_place(self) -> bool:
        """Whether :meth:`content` is a view."""
        tensor = self.tensor
        dense = "strided" in str(getattr(tensor, "layout", "")) and str(tensor.device) == "cpu"
        return dense and not self._is_quantised and bool(tensor.is_contiguous())

    def content(self) -> NDArray[Any]:
        """Return the elements in their storage type (as bytes where numpy has none such), in C order.

        Quantised tensors give their values, dequantised.

        Raises
        ------
        gate.errors.ModelError
            As for reading.
        """
        with self._told():
            dense = self._in_memory().contiguous()
            try:
                values: NDArray[Any] = dense.numpy()
            except TypeError:  # bfloat16 and narrower: numpy has no such type
                values = dense.reshape(-1).view(sys.modules["torch"].uint8).numpy()
            return values

    def _in_memory(self) -> Any:
        dense = self.tensor.detach()
        return (dense.dequantize() if self._is_quantised else dense).to_dense().cpu()

    @property
    def _is_quantised(self) -> bool:
        return bool(getattr(self.tensor, "is_quantized", False))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
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
