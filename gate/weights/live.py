"""Live models to named arrays: told by what they can do, without importing their framework."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from gate.errors import UsageError
from gate.text import printable
from gate.weights.arrays import from_arrays, live_readers
from gate.weights.interface import Skipped
from gate.weights.names import free_name, natural_key
from gate.weights.optimizers import OPTIMIZER, is_optimizer_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gate.weights.arrays import LiveReader, Teller
    from gate.weights.interface import ModelWeights, Told
    from gate.weights.views import StoredReader

    Named = Iterable[tuple[str, Any]]

_PACKED: Final = "_packed_params"
_PACKED_ROLES: Final = ("weight", "bias")
_KERAS: Final = ("keras", "tf_keras", "tensorflow")
"""Packages whose classes mean what their names say; a subclass is taken for what it is derived from."""

_MAX_DEPTH: Final = 100
"""Levels of nesting; parameters of real models have some ten."""

_SETTINGS: Final = (str, bytes, bool, int, float, complex, type(None))
"""Plain values that stand beside arrays in a state dict or a pytree and hold no weights."""


@dataclass(frozen=True)
class LiveWeights:
    """The arrays of a model in memory: the reader of each, vectors too, and what tells of some.

    ``strange`` are the values that are no array, or none of numbers.
    """

    readers: Mapping[str, LiveReader]
    told: Mapping[str, Teller]
    strange: tuple[Skipped, ...]

    @cached_property
    def weights(self) -> ModelWeights:
        """Which layers the arrays are; raises ModelError where the scales of integers cannot be read."""
        numbers = {name: reader for name, reader in self.readers.items() if not reader.holds_objects}
        described = from_arrays(numbers, self.told)
        return replace(described, skipped=(*described.skipped, *self.strange))


def read_live(model: object) -> LiveWeights:
    """List the weights of a model in memory; nothing is copied that is in main memory already.

    Parameters
    ----------
    model:
        A mapping from names to arrays, nested as pytrees are; a PyTorch or transformers module; a
        Keras model; a model that keeps a mapping in ``params`` (Flax); a scikit-learn estimator
        with ``coefs_`` or ``coef_``.

    Raises
    ------
    gate.errors.UsageError
        It is none of these, or is nested without end.
    gate.errors.ModelError
        A value cannot be seen as an array.
    """
    if isinstance(model, type):
        raise UsageError(
            f"{model.__module__}.{model.__qualname__} is a class, not a model",
            hint="Make a model of it first.",
        )
    for recognised, arrays in KINDS:
        if recognised(model):
            return _listed(arrays(model))
    raise UsageError(
        f"a {type(model).__module__}.{type(model).__qualname__} is no model that can be measured",
        hint="Pass a path, a models:/ or runs:/ URI, a PyTorch module, a Keras model, a scikit-learn "
        "estimator with coefs_ or coef_, or a mapping from names to arrays (of Flax: nnx.state(model)).",
    )


def _listed(named: Named) -> LiveWeights:
    arrays: dict[str, Any] = {}
    told: dict[str, Teller] = {}
    strange = []
    for name, found in named:
        value = found.value if isinstance(found, _OfLayer) else found
        if isinstance(value, _Optimizer):
            strange.append(Skipped(name, OPTIMIZER, value.elements, matrix=False))
            continue
        if not _is_array(value):
            strange.append(Skipped(name, f"a {type(value).__name__}, which is no array", matrix=False))
            continue
        free = free_name(name, arrays)
        arrays[free] = value
        if isinstance(found, _OfLayer):
            told[free] = found.tell
    readers = live_readers(arrays)
    strange += [_of_objects(name, reader) for name, reader in readers.items() if reader.holds_objects]
    return LiveWeights(readers, told, tuple(strange))


def _of_objects(name: str, reader: LiveReader) -> Skipped:
    """Say that an array holds no numbers; one of the shape of a matrix counts against coverage."""
    is_matrix = len(reader.shape) > 1
    return Skipped(name, "an array of Python objects, not of numbers", math.prod(reader.shape), is_matrix)


def _is_array(value: object) -> bool:
    return isinstance(value, list | tuple) or any(
        hasattr(value, ability) for ability in ("detach", "numpy", "__array__", "__array_interface__")
    )


def _is_keras(model: Any) -> bool:
    return callable(getattr(model, "get_weights", None)) and hasattr(model, "weights")


def _keras(model: Any) -> Named:
    """Name variables by their path (Keras 3) or name; depthwise kernels as Keras 2 did.

    Keras 3 calls every kernel ``kernel``; one of a depthwise layer has another order of axes, others
    have what the class of their layer says.
    """
    owners = {id(layer.kernel): layer for layer in _keras_layers(model) if hasattr(layer, "kernel")}
    for variable in model.weights:
        name = str(getattr(variable, "path", None) or variable.name)
        owner = owners.get(id(variable))
        if owner is None:
            yield name, variable
        elif _is_depthwise(owner):
            yield f"{name.removesuffix('kernel')}depthwise_kernel", variable
        else:
            yield name, _OfLayer(variable, owner)


def _keras_layers(model: Any) -> Iterable[Any]:
    """Return every layer, nested ones too; the public ``layers`` has only the outermost."""
    flatten = getattr(model, "_flatten_layers", None)
    layers: Iterable[Any] = flatten() if callable(flatten) else getattr(model, "layers", ())
    return layers


def _is_depthwise(layer: Any) -> bool:
    return hasattr(layer, "depth_multiplier")


@dataclass(frozen=True, slots=True)
class _OfLayer:
    """The kernel of a Keras layer, whose class says what it does, as in the configuration of a file."""

    value: Any
    layer: Any

    def tell(self, read: LiveReader) -> Told | None:
        from gate.weights.keras.told import told_of  # noqa: PLC0415 - of no use to other models

        classes = type(self.layer).__mro__
        known = (kind.__name__ for kind in classes if kind.__module__.partition(".")[0] in _KERAS)
        settings = {name: getattr(self.layer, name, None) for name in ("groups", "equation")}
        # nothing but integers with a scale is asked for its stored elements, which a kernel is not
        return told_of(next(known, ""), settings, "kernel", cast("StoredReader", read))


def _is_torch(model: Any) -> bool:
    return all(callable(getattr(model, name, None)) for name in ("state_dict", "named_parameters"))


def _torch(model: Any) -> Named:
    """Name the tensors of the state dict; lists of numbers in it are settings of packed layers."""
    return (found for found in _walk(model.state_dict(), "") if not isinstance(found[1], list | tuple))


def _is_mapping(model: object) -> bool:
    return isinstance(model, Mapping)


def _mapping(model: Any) -> Named:
    """Name what a mapping holds: in its own order, or in that of the names for a tree of parameters.

    JAX sorts the keys of dictionaries whenever a tree goes through it: their order tells nothing.
    """
    found = list(_walk(model, ""))
    is_tree = any(isinstance(value, Mapping) for value in model.values())
    if is_tree and not any(hasattr(value, "detach") for _, value in found):
        found.sort(key=lambda item: natural_key(item[0]))
    return found


def _has_params(model: Any) -> bool:
    return isinstance(getattr(model, "params", None), Mapping)


def _params(model: Any) -> Named:
    return _mapping(model.params)


def _is_sklearn(model: Any) -> bool:
    return hasattr(model, "coefs_") or hasattr(model, "coef_")


def _sklearn(model: Any) -> Named:
    for name in ("coefs_", "intercepts_", "coef_", "intercept_"):
        value = getattr(model, name, None)
        dense = getattr(value, "toarray", None)  # after sparsify()
        yield from _walk(dense() if callable(dense) else value, name)


KINDS: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any], Named]], ...]] = (
    (_is_mapping, _mapping),
    (_is_keras, _keras),  # before torch: with that backend a Keras model is a module too
    (_is_torch, _torch),
    (_has_params, _params),
    (_is_sklearn, _sklearn),
)
"""How a kind of live model is recognised, and what names its arrays; the first that knows it counts."""


@dataclass(frozen=True, slots=True)
class _Optimizer:
    """The state of an optimizer, as a whole, with the number of elements it keeps."""

    elements: int


def _optimizer(value: object) -> _Optimizer:
    shapes = (getattr(found, "shape", (0,)) for _, found in _walk(value, "optimizer", look_for_more=False))
    return _Optimizer(sum(math.prod(shape) for shape in shapes if isinstance(shape, tuple)))


def _walk(value: Any, name: str, depth: int = 0, *, look_for_more: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield what a nested structure holds by dotted path, as the reader of its saved file names it.

    An optimizer's state is yielded as one, unless it is what is walked through.
    """
    if depth > _MAX_DEPTH:
        raise UsageError(
            f"{printable(name, 80)!r} lies more than {_MAX_DEPTH} levels deep, or within itself",
            hint="Pass the state dict alone.",
        )
    if _is_packed(value):
        state = value.__getstate__()
        value = state[0] if isinstance(state, tuple) and state else state
    if look_for_more and is_optimizer_state(name, value):
        yield name or "optimizer", _optimizer(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(inner, _join(name, key), depth + 1, look_for_more=look_for_more)
    elif isinstance(value, list | tuple) and not _is_numbers(value):
        weight = next((i for i, item in enumerate(value) if getattr(item, "is_quantized", False)), None)
        for index, inner in enumerate(value):
            role = -1 if weight is None else index - weight
            inside = _join(name, _PACKED_ROLES[role] if role in {0, 1} else index)
            yield from _walk(inner, inside, depth + 1, look_for_more=look_for_more)
    elif not isinstance(value, _SETTINGS) and not type(value).__name__.lower().endswith("dtype"):
        yield name or "array", value


def _is_packed(value: object) -> bool:
    """Tell whether it is one of torch's own objects, which quantised layers pack weights into."""
    return type(value).__name__ == "ScriptObject" and hasattr(value, "__getstate__")


def _is_numbers(value: Any) -> bool:
    """Tell whether a list is an array written out, and no container of arrays."""
    for _ in range(_MAX_DEPTH):  # a list may hold itself
        if not isinstance(value, list | tuple) or not value:
            break
        value = value[0]
    return isinstance(value, int | float | complex)


def _join(prefix: str, key: object) -> str:
    """Return ``prefix.key``; quantised layers keep their weight under ``_packed_params``."""
    if key in _PACKED_ROLES:
        while prefix.rpartition(".")[2] == _PACKED:
            prefix = prefix.rpartition(".")[0]
    if not isinstance(key, str | int):
        raise UsageError(f"the arrays of a model are named by strings, not by a {type(key).__name__}")
    return f"{prefix}.{key}" if prefix else str(key)
