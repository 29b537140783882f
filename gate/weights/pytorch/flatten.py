"""From what a pickle holds to named tensors: the names its ``state_dict()`` would have.

A module gives its parameters, its persistent buffers and then its submodules, in order and by
``prefix.name``.  A dictionary gives every tensor in it by dotted path, whatever the nesting; the
state of an optimizer is left out and said to be.  Tensors a module holds beside its parameters and
buffers, and buffers it does not save, are no weights by torch's own reckoning: they are reported,
not measured.  A tensor listed under several names (tied weights) is listed under each, as in a
state dict; which of them is measured is for ``gate.weights.state_dict`` to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.errors import UnsafeModelError
from gate.weights.interface import Skipped
from gate.weights.optimizers import OPTIMIZER, is_optimizer_state
from gate.weights.pytorch.limits import MAX_DEPTH, MAX_NAME_LENGTH, MAX_OPERATIONS, MAX_VISITS
from gate.weights.pytorch.tensors import unreadable
from gate.weights.pytorch.uses import is_module_state
from gate.weights.pytorch.values import GlobalName, Items, OpaqueKey, OpaqueTensor, Stub, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Sized

_PACKED: Final = "_packed_params"
_PACKED_NAMES: Final = ("weight", "bias")
_NOT_SAVED: Final = "a buffer that the module does not save"
_ATTRIBUTE: Final = "a tensor the module holds beside its parameters and buffers"
_MODULE_GROUPS: Final = ("_parameters", "_buffers", "_modules")
_Holder: Final = (Stub, Items, Tensor, OpaqueTensor, dict, list, tuple)


@dataclass(frozen=True, slots=True)
class NamedTensors:
    """The tensors of a model by name, and those left out, with the reason."""

    tensors: tuple[tuple[str, Tensor], ...]
    skipped: tuple[Skipped, ...]


@dataclass(slots=True)
class _Place:
    """A value still to be visited: its name, how deep it lies, and why what is in it is left out."""

    value: object
    name: str
    depth: int = 0
    reason: str | None = None


@dataclass(slots=True)
class _Walk:
    """What has been found so far."""

    members: Mapping[str, frozenset[str]] | None
    tensors: list[tuple[str, Tensor]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    attributes: list[_Place] = field(default_factory=list)
    listed: set[object] = field(default_factory=set)
    used: dict[str, int] = field(default_factory=dict)
    containers: set[int] = field(default_factory=set)
    visits: int = 0
    looked_at: int = 0

    def look_at(self, *containers: Sized) -> None:
        """Charge what is walked through again for each name of a shared module."""
        self.looked_at += sum(map(len, containers))
        if self.looked_at > MAX_OPERATIONS:
            raise UnsafeModelError(
                f"naming the model's tensors takes more than {MAX_OPERATIONS} steps",
                hint="Save the state dict alone, without training history or data.",
            )


def named_tensors(root: object, members: Mapping[str, frozenset[str]] | None = None) -> NamedTensors:
    """Name every tensor that ``root`` holds.

    Parameters
    ----------
    root:
        The value of a model's pickle.
    members:
        For TorchScript: class -> names of its parameters and buffers, as its source declares
        them.  Classes not among them count every tensor attribute as a parameter.

    Raises
    ------
    gate.errors.UnsafeModelError
        Shared references spell out more places than any real model has, or modules hold
        themselves.
    """
    walk = _Walk(members)
    _drain(walk, [_Place(root, "")])
    walk.attributes.reverse()
    _drain(walk, walk.attributes)
    return NamedTensors(tuple(walk.tensors), tuple(walk.skipped))


def _drain(walk: _Walk, places: list[_Place]) -> None:
    while places:
        place = places.pop()
        walk.visits += 1
        if walk.visits > MAX_VISITS or place.depth > MAX_DEPTH:
            raise UnsafeModelError(
                f"the model holds more than {MAX_VISITS} objects, or objects within objects without end",
                hint="Save the state dict alone, without training history or data.",
            )
        inner = list(_visit(walk, place))
        inner.reverse()
        places.extend(inner)


def _visit(walk: _Walk, place: _Place) -> Iterator[_Place]:
    """Record a tensor, or return the places inside a container, in order."""
    value = place.value
    if isinstance(value, Tensor | OpaqueTensor):
        _record(walk, place, value)
        return
    is_new = id(value) not in walk.containers
    walk.containers.add(id(value))
    state = module_state(value)
    if state is not None:
        # a shared module is named again, as state_dict() does; depth and visits bound that
        walk.look_at(state, _unsaved(state))
        if is_new and place.reason is None:
            walk.attributes.extend(_attributes(place, state))
        if is_new or place.reason != _ATTRIBUTE:
            yield from _module_places(place, state)
    elif isinstance(value, Stub) and walk.members is not None and not value.called:
        walk.look_at(value.attributes)
        yield from _script_places(walk.members, place, value)
    elif is_new and is_optimizer_state(place.name, value):
        _skip_optimizer(walk, place)
    elif is_new:
        yield from _container_places(place, value)


def module_state(value: object) -> Mapping[object, object] | None:
    """Return the ``__dict__`` of a module, also of one that a call with that ``__dict__`` would make."""
    if not isinstance(value, Stub):
        return None
    if is_module_state(value.attributes):
        return value.attributes
    first = value.arguments[0] if value.called and value.arguments else None
    # torch.fx.GraphModule is rebuilt by a function from its dictionary
    return first if isinstance(first, dict) and is_module_state(first) else None


def _module_places(place: _Place, state: Mapping[object, object]) -> Iterator[_Place]:
    left_out = frozenset(name for name in _unsaved(state) if isinstance(name, str))
    for group in _MODULE_GROUPS:
        for key, value in _pairs(state[group]):
            reason = _NOT_SAVED if group == "_buffers" and key in left_out else place.reason
            yield _inside(place, key, value, reason)
    for key, value in _pairs(state):
        if is_packed(value):
            yield _inside(place, key, value, place.reason)


def _unsaved(state: Mapping[object, object]) -> list[object]:
    """Return the names of the buffers that the module does not save."""
    unsaved = state.get("_non_persistent_buffers_set")
    return unsaved.items if isinstance(unsaved, Items) else []


def _attributes(place: _Place, state: Mapping[object, object]) -> Iterator[_Place]:
    for key, value in _pairs(state):
        if key not in _MODULE_GROUPS and not is_packed(value):
            yield _inside(place, key, value, _ATTRIBUTE)


def is_packed(value: object) -> bool:
    """Tell whether the value is one of torch's own objects, which quantised layers pack weights into."""
    return (
        isinstance(value, Stub)
        and isinstance(value.made_of, GlobalName)
        and value.made_of.qualified == "torch.ScriptObject"
    )


def _script_places(members: Mapping[str, frozenset[str]], place: _Place, value: Stub) -> Iterator[_Place]:
    """TorchScript keeps parameters, buffers, submodules and attributes side by side."""
    declared = members.get(value.made_of.qualified) if isinstance(value.made_of, GlobalName) else None
    for key, inner in _pairs(value.attributes):
        is_attribute = (
            isinstance(inner, Tensor | OpaqueTensor) and declared is not None and key not in declared
        )
        yield _inside(place, key, inner, _ATTRIBUTE if is_attribute else place.reason)
    if isinstance(value.state, _Holder):
        yield _Place(value.state, place.name, place.depth + 1, place.reason)


def _container_places(place: _Place, value: object) -> Iterator[_Place]:
    if isinstance(value, dict):
        pairs = _pairs(value)
    elif isinstance(value, Items):
        pairs = _numbered(value.items)
    elif isinstance(value, list | tuple):
        pairs = _numbered(value)
    else:
        yield from _stub_places(place, value)
        return
    for key, inner in pairs:
        yield _inside(place, key, inner, place.reason)


def _stub_places(place: _Place, value: object) -> Iterator[_Place]:
    """Return the parts of an unknown object that may hold tensors; they bear its name."""
    if not isinstance(value, Stub):
        return
    state = value.state
    if is_packed(value) and isinstance(state, tuple) and state:
        state = state[0]  # beside it stands the name of its class
    for inner in (value.attributes, value.entries, value.items, state, value.arguments):
        if isinstance(inner, _Holder):
            yield _Place(inner, place.name, place.depth + 1, place.reason)


def _pairs(mapping: object) -> Iterator[tuple[str, object]]:
    """Return the named values of a dictionary that may hold tensors."""
    if isinstance(mapping, dict):
        for position, (key, value) in enumerate(mapping.items()):
            if isinstance(value, _Holder):
                yield (f"key{position}" if isinstance(key, OpaqueKey) else str(key)), value


def _numbered(values: Sequence[object]) -> Iterator[tuple[str, object]]:
    """Name a sequence's elements by position; the weight and bias of a quantised layer by what they are."""
    weight = next((index for index in range(len(values)) if _is_packed_weight(values, index)), None)
    for position, value in enumerate(values):
        if isinstance(value, _Holder):
            role = position - weight if weight is not None else -1
            yield (_PACKED_NAMES[role] if role in {0, 1} else str(position)), value


def _is_packed_weight(values: Sequence[object], index: int) -> bool:
    """Tell whether a quantised tensor stands here with its bias, or None for one, behind it."""
    weight, bias = values[index], values[index + 1] if index + 1 < len(values) else False
    is_bias = bias is None or (isinstance(bias, Tensor) and bias.quantizer is None and len(bias.shape) == 1)
    return isinstance(weight, Tensor) and weight.quantizer is not None and is_bias


def _inside(place: _Place, key: str, value: object, reason: str | None) -> _Place:
    """Return the place ``prefix.key``; quantised layers keep their weight under ``_packed_params``."""
    prefix = place.name
    while key in _PACKED_NAMES and prefix.rpartition(".")[2] == _PACKED:
        prefix = prefix.rpartition(".")[0]
    name = f"{prefix}.{key}" if prefix else key
    if len(name) > MAX_NAME_LENGTH:
        raise UnsafeModelError(f"a tensor's name takes more than {MAX_NAME_LENGTH} characters")
    return _Place(value, name, place.depth + 1, reason)


def _record(walk: _Walk, place: _Place, tensor: Tensor | OpaqueTensor) -> None:
    """List the tensor, or why it is not."""
    identity = _identity(tensor)
    if place.reason == _ATTRIBUTE and identity in walk.listed:
        return  # a shortcut to a tensor that is listed anyway
    name = _unique(walk, place.name or "tensor")
    obstacle = unreadable(tensor)
    if place.reason is None and obstacle is None and isinstance(tensor, Tensor):
        walk.listed.add(identity)
        walk.tensors.append((name, tensor))
    elif tensor.shape is None or len(tensor.shape) > 1:
        is_matrix = place.reason is None and not _is_index(tensor)
        parameters = math.prod(tensor.shape or (0,))
        walk.skipped.append(Skipped(name, place.reason or str(obstacle), parameters, matrix=is_matrix))


def _is_index(tensor: Tensor | OpaqueTensor) -> bool:
    """Tell whether the tensor holds positions or flags, which no layer multiplies by."""
    return isinstance(tensor, Tensor) and tensor.dtype.startswith(("int", "uint", "bool"))


def _identity(tensor: Tensor | OpaqueTensor) -> object:
    if isinstance(tensor, OpaqueTensor) or 0 in tensor.shape:
        return id(tensor)
    storage = tensor.storage
    return (storage.key, storage.start, tensor.offset, tensor.shape, tensor.strides, tensor.dtype)


def _unique(walk: _Walk, name: str) -> str:
    """Return ``name``, numbered when the file spells the same dotted path in several ways."""
    unique = name
    while unique in walk.used:
        walk.used[name] += 1
        unique = f"{name}#{walk.used[name]}"
    walk.used[unique] = 1
    return unique


def _skip_optimizer(walk: _Walk, place: _Place) -> None:
    """Report one optimizer's state as a whole, with the number of elements it keeps."""
    elements = 0
    pending = [place]
    while pending:
        inner = pending.pop()
        walk.visits += 1
        if isinstance(inner.value, Tensor):
            elements += math.prod(inner.value.shape)
        elif walk.visits <= MAX_VISITS and (inner is place or id(inner.value) not in walk.containers):
            walk.containers.add(id(inner.value))
            pending.extend(_container_places(inner, inner.value))
    walk.skipped.append(Skipped(_unique(walk, place.name or "optimizer"), OPTIMIZER, elements, matrix=False))
