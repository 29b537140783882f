"""The functions of torch that rebuild tensors, as far as their arguments tell what the tensor is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.pytorch.dtypes import ITEM_SIZES, torch_dtype
from gate.weights.pytorch.limits import MAX_DIMENSIONS, MAX_EXTENT
from gate.weights.pytorch.values import GlobalName, OpaqueTensor, Quantizer, Storage, Stub, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

_PER_TENSOR: Final = "torch.per_tensor_affine"
_PER_CHANNEL: Final = frozenset({"torch.per_channel_affine", "torch.per_channel_affine_float_qparams"})


def make_tensor(
    storage: Storage,
    offset: object,
    shape: object,
    strides: object,
    *,
    dtype: str | None = None,
    quantizer: Quantizer | None = None,
) -> Tensor | OpaqueTensor:
    """Return the view of ``storage`` that these figures describe.

    Raises
    ------
    gate.errors.ModelError
        They are no sizes, or the view reaches past the elements the storage claims.
    """
    kind = dtype or storage.dtype
    extents, steps = _extents(shape, "shape"), _extents(strides, "strides")
    start = _extents((offset,), "storage offset")[0]
    if len(extents) != len(steps):
        raise ModelError(f"a tensor of {len(extents)} dimensions has {len(steps)} strides", hint=CUT_SHORT)
    elements = math.prod(extent for extent in extents if extent)
    if elements * ITEM_SIZES[kind] > MAX_EXTENT:
        raise ModelError(f"a tensor claims {elements} elements, more than any file holds", hint=CUT_SHORT)
    tensor = Tensor(storage, start, extents, steps, kind, quantizer)
    last = (start + element_span(tensor)) * ITEM_SIZES[kind]
    if 0 not in extents and last > storage.elements * ITEM_SIZES[storage.dtype]:
        raise ModelError(
            f"a tensor of {element_span(tensor)} elements from element {start} on reaches past "
            f"its storage of {storage.elements}",
            hint=CUT_SHORT,
        )
    return OpaqueTensor("it has no values (meta device)", extents) if storage.location == "meta" else tensor


def element_span(tensor: Tensor) -> int:
    """Return the number of stored elements from the tensor's first to one past its last."""
    if 0 in tensor.shape:
        return 0
    return 1 + sum((extent - 1) * step for extent, step in zip(tensor.shape, tensor.strides, strict=True))


def rebuild_tensor(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_tensor(storage, storage_offset, size, stride)``."""
    storage, offset, size, stride = _at_least(4, arguments)[:4]
    return make_tensor(_storage(storage), offset, size, stride)


def rebuild_tensor_v2(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_tensor_v2(..., requires_grad, backward_hooks, metadata=None)``."""
    metadata = arguments[6] if len(arguments) > 6 else None  # noqa: PLR2004 - the seventh, by its signature
    return _unless_lazy(rebuild_tensor(arguments), metadata)


def rebuild_tensor_v3(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_tensor_v3(..., requires_grad, backward_hooks, dtype, metadata=None)``."""
    storage, offset, size, stride, _, _, dtype = _at_least(7, arguments)[:7]
    kind = torch_dtype(dtype.module, dtype.name) if isinstance(dtype, GlobalName) else None
    if kind is None:
        name = dtype.qualified if isinstance(dtype, GlobalName) else "no type"
        return OpaqueTensor(f"its element type is unknown ({name})", _extents(size, "shape"))
    metadata = arguments[7] if len(arguments) > 7 else None  # noqa: PLR2004 - the eighth, by its signature
    return _unless_lazy(make_tensor(_storage(storage), offset, size, stride, dtype=kind), metadata)


def rebuild_parameter(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_parameter(data, requires_grad, backward_hooks)``, and with state."""
    return _at_least(1, arguments)[0]


def rebuild_qtensor(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_qtensor(storage, storage_offset, size, stride, quantizer_params, ...)``."""
    storage, offset, size, stride, parameters = _at_least(5, arguments)[:5]
    quantizer = _quantizer(parameters, _extents(size, "shape"))
    if isinstance(quantizer, OpaqueTensor):
        return quantizer
    return make_tensor(_storage(storage), offset, size, stride, quantizer=quantizer)


def rebuild_sparse(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_sparse_tensor(layout, data)``."""
    data = _at_least(2, arguments)[1]
    size = data[2 if len(data) > 2 else -1] if isinstance(data, tuple) and data else None  # noqa: PLR2004
    return OpaqueTensor("it is sparse", _extents(size, "shape") if isinstance(size, tuple) else None)


def rebuild_nested(_arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_nested_tensor(buffer, sizes, strides, storage_offsets)``."""
    return OpaqueTensor("it is nested (ragged)")


def rebuild_meta(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)``."""
    size = _at_least(2, arguments)[1]
    return OpaqueTensor("it has no values (meta device)", _extents(size, "shape"))


def rebuild_wrapper(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_wrapper_subclass(cls, dtype, size, ...)``."""
    size = _at_least(3, arguments)[2]
    return OpaqueTensor("it is a tensor subclass without values of its own", _extents(size, "shape"))


def rebuild_from_device(arguments: tuple[object, ...]) -> object:
    """``torch._utils._rebuild_device_tensor_from_cpu_tensor(data, dtype, device, requires_grad)``."""
    data = _at_least(1, arguments)[0]
    return data if isinstance(data, Tensor | OpaqueTensor) else OpaqueTensor("it is stored as a numpy array")


TENSOR_FUNCTIONS: Final[dict[str, Callable[[tuple[object, ...]], object]]] = {
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": rebuild_parameter,
    "torch._utils._rebuild_qtensor": rebuild_qtensor,
    "torch._utils._rebuild_sparse_tensor": rebuild_sparse,
    "torch._utils._rebuild_nested_tensor": rebuild_nested,
    "torch._utils._rebuild_meta_tensor_no_storage": rebuild_meta,
    "torch._utils._rebuild_wrapper_subclass": rebuild_wrapper,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": rebuild_from_device,
    "torch._utils._rebuild_device_tensor_from_numpy": rebuild_from_device,
    "torch._utils._rebuild_xla_tensor": rebuild_from_device,
}
"""Qualified name -> what it makes of its arguments."""


def _at_least(count: int, arguments: tuple[object, ...]) -> tuple[object, ...]:
    if len(arguments) < count:
        raise ModelError(f"a tensor is described by {len(arguments)} values, {count} expected")
    return arguments


def _storage(value: object) -> Storage:
    if not isinstance(value, Storage):
        raise ModelError("a tensor is described without a storage")
    return value


def _extents(value: object, what: str) -> tuple[int, ...]:
    extents = value if isinstance(value, tuple | list) else None
    if extents is None or len(extents) > MAX_DIMENSIONS:
        raise ModelError(f"a tensor's {what} is no list of at most {MAX_DIMENSIONS} numbers")
    checked = tuple(extent for extent in extents if type(extent) is int and 0 <= extent <= MAX_EXTENT)
    if len(checked) != len(extents):
        raise ModelError(f"a tensor's {what} holds something other than a size")
    return checked


def _unless_lazy(tensor: object, metadata: object) -> object:
    """Keep torch's lazily negated and conjugated views out: their stored values have the wrong sign."""
    lazy = isinstance(metadata, dict) and (metadata.get("neg") or metadata.get("conj"))
    if lazy and isinstance(tensor, Tensor):
        return OpaqueTensor("it is a lazily negated or conjugated view", tensor.shape)
    return tensor


def _quantizer(parameters: object, shape: tuple[int, ...]) -> Quantizer | OpaqueTensor:
    scheme = parameters[0] if isinstance(parameters, tuple) and parameters else None
    name = scheme.qualified if isinstance(scheme, GlobalName) else ""
    if isinstance(parameters, tuple) and name == _PER_TENSOR and len(parameters) == 3:  # noqa: PLR2004
        return Quantizer(_number(parameters[1]), _number(parameters[2]))
    if isinstance(parameters, tuple) and name in _PER_CHANNEL and len(parameters) == 4:  # noqa: PLR2004
        axis = parameters[3]
        if type(axis) is not int or not 0 <= axis < len(shape):
            raise ModelError("a quantised tensor's channel axis is outside its shape")
        channels = shape[axis]
        return Quantizer(_numbers(parameters[1], channels), _numbers(parameters[2], channels), axis)
    return OpaqueTensor("its quantisation scheme is unknown", shape)


def _number(value: object) -> float:
    if type(value) is int and abs(value) <= MAX_EXTENT:
        return float(value)
    if type(value) is float and math.isfinite(value):
        return value
    raise ModelError("a quantised tensor's scale or zero point is no finite number")


def _numbers(value: object, channels: int) -> Tensor | tuple[float, ...]:
    count = math.prod(value.shape) if isinstance(value, Tensor) else -1
    if isinstance(value, Tensor) and count == channels and value.quantizer is None:
        return value
    if isinstance(value, list | tuple) and len(value) == channels:
        return tuple(_number(number) for number in value)
    raise ModelError(f"a quantised tensor of {channels} channels has other than one scale for each")


def from_type(function: object, arguments: object, state: object) -> object:
    """``torch._tensor._rebuild_from_type_v2(func, new_type, args, state)``: a tensor with attributes."""
    handler = TENSOR_FUNCTIONS.get(function.qualified) if isinstance(function, GlobalName) else None
    if handler is None or not isinstance(arguments, tuple):
        return Stub(function, (arguments, state), called=True)
    return handler(arguments)
