"""The arrays of a model in its HDF5 file, each under the name that the model would give it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.bytes_in_file import CUT_SHORT, shown
from gate.weights.hdf5 import Dataset, Group
from gate.weights.interface import Skipped, StoredTensor
from gate.weights.keras.config import LayerConfig, snake_case
from gate.weights.keras.names import class_by_name, legacy_name, variable_names
from gate.weights.keras.tables import (
    ATTRIBUTES,
    GRAPHS,
    OPTIMIZERS,
    REPEATED,
    SAVED_BY_ATTRIBUTE,
)
from gate.weights.keras.told import told_of
from gate.weights.names import free_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


UNKNOWN: Final = LayerConfig("", "")
"""A layer of which nothing is known but its arrays."""

_MATRIX: Final = 2
_VARIABLES: Final = "vars"
_LAYERS_ATTRIBUTE: Final = "layer_names"
_WEIGHTS_ATTRIBUTE: Final = "weight_names"
_WHOLE_MODEL: Final = "model_weights"
_TOP_LEVEL: Final = "top_level_model_weights"


@dataclass(slots=True)
class Listing:
    """The tensors found so far, in the model's order, and what was left out."""

    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, name: str, dataset: Dataset, layer: LayerConfig) -> None:
        """Take an array of a layer under a name; a second one of that name gets a number."""
        if dataset.read is None or dataset.dtype is None:
            reason = f"stored as {dataset.title} of {dataset.item_size} bytes, which are not read"
            self.leave(name, dataset, reason, matrix=True)
            return
        name = free_name(name, self.tensors)
        told = told_of(
            layer.class_name, layer.settings, name.rpartition("/")[2].removesuffix(":0"), dataset.read
        )
        self.tensors[name] = StoredTensor(name, dataset.shape, dataset.dtype, dataset.read, told=told)

    def leave(self, name: str, dataset: Dataset, reason: str, *, matrix: bool) -> None:
        """Name an array that is not taken; one of fewer than two dimensions is no matrix."""
        size = math.prod(dataset.shape)
        if len(dataset.shape) >= _MATRIX:
            self.skipped.append(Skipped(name, reason, size, matrix))


def list_model(root: Group, config: LayerConfig | None) -> Listing:
    """List the arrays of the model in a file.

    Raises
    ------
    gate.errors.ModelError
        It holds no Keras model, or an array that it announces is missing.
    """
    listing = Listing()
    legacy = _legacy_root(root)
    if legacy is not None:
        _list_legacy(legacy, config, listing)
    elif _holds_variables(root):
        _list_numbered(root, config, listing)
    else:
        raise ModelError(
            "it is an HDF5 file, but holds no Keras model",
            hint="Read are files of model.save() and model.save_weights(), with their layers' names.",
        )
    for name in OPTIMIZERS:
        if name in root.members:
            listing.skipped.append(Skipped(name, "state of the optimizer, not the model", matrix=False))
    return listing


def is_keras(root: Group) -> bool:
    """Tell whether a file's root is that of a Keras model or its weights."""
    return _legacy_root(root) is not None or _holds_variables(root)


def _legacy_root(root: Group) -> Group | None:
    """Return the group that names its layers, as every Keras until 3 writes it."""
    for group in (root.group(_WHOLE_MODEL), root):
        if group is not None and _names(group, _LAYERS_ATTRIBUTE) is not None:
            return group
    return None


def _names(group: Group, attribute: str) -> tuple[str, ...] | None:
    """Return the names in an attribute; a long list is cut into several with numbers."""
    if attribute in group.attributes:
        return group.attributes[attribute]
    numbered = (group.attributes.get(f"{attribute}{number}") for number in itertools.count())
    pieces = list(itertools.takewhile(lambda piece: piece is not None, numbered))
    return tuple(name for piece in pieces for name in piece or ()) if pieces else None


def _list_legacy(root: Group, config: LayerConfig | None, listing: Listing) -> None:
    top = (_TOP_LEVEL,) if _TOP_LEVEL in root.members else ()
    by_name = {layer.name: layer for layer in config.layers} if config is not None else {}
    taken: set[int] = set()
    for layer in dict.fromkeys((*(_names(root, _LAYERS_ATTRIBUTE) or ()), *top)):
        group = root.group(layer)
        if group is None:
            raise ModelError(f"the layer {shown(layer)} is not in the file", hint=CUT_SHORT)
        layers = _layers(by_name.get(layer))
        for name in _names(group, _WEIGHTS_ATTRIBUTE) or ():
            dataset = group.find(name)
            if not isinstance(dataset, Dataset):
                raise ModelError(f"the array {shown(name)} is not in the file", hint=CUT_SHORT)
            taken.add(dataset.address)
            full = name if "/" in name else f"{layer}/{name}"
            owner = layers.get(full.rpartition("/")[0].rpartition("/")[2], UNKNOWN)
            known = legacy_name(full, owner, dataset.shape)
            if known is None:
                listing.leave(full, dataset, "nothing tells the order of its axes", matrix=True)
            else:
                listing.add(known, dataset, owner)
    for path, dataset in _datasets(root, ""):
        if dataset.address not in taken and path.partition("/")[0] not in OPTIMIZERS:
            listing.leave(path, dataset, "an array that no layer lists", matrix=True)


def _layers(config: LayerConfig | None) -> dict[str, LayerConfig]:
    """Return a layer and those within, by name."""
    layers = () if config is None else (config, *config.below())
    return {layer.name: layer for layer in layers if layer.name}


def _datasets(group: Group, path: str) -> Iterator[tuple[str, Dataset]]:
    for name, member in group.members.items():
        inner = f"{path}/{name}" if path else name
        if isinstance(member, Group):
            yield from _datasets(member, inner)
        else:
            yield inner, member


def _holds_variables(group: Group) -> bool:
    return any(
        isinstance(member, Group) and (name == _VARIABLES or _holds_variables(member))
        for name, member in group.members.items()
    )


def _list_numbered(root: Group, config: LayerConfig | None, listing: Listing) -> None:
    """List a file of Keras 3, where each layer's arrays are numbered under ``vars``."""
    name = _own_name(root, config, "")
    only_layers = root.members.keys() <= {_VARIABLES, *SAVED_BY_ATTRIBUTE, *OPTIMIZERS}
    if config is not None:
        is_graph = config.class_name in GRAPHS
    else:  # only the name, when it was made up by Keras, tells what the model was
        is_graph = name.startswith("functional") or (only_layers and not name.startswith("sequential"))
    scope = (name,) if name and not is_graph else ()
    _list_layer(root, config or UNKNOWN, scope, listing, root.members.keys() - set(OPTIMIZERS))


def _own_name(group: Group, config: LayerConfig | None, otherwise: str) -> str:
    """Return a layer's name: beside its arrays in later Keras 3, in the configuration, or its group's."""
    variables = group.group(_VARIABLES)
    named = variables.attributes.get("name", ()) if variables is not None else ()
    return next((name for name in (*named, config.name if config else "") if name), otherwise)


def _list_layer(
    group: Group,
    config: LayerConfig,
    scope: tuple[str, ...],
    listing: Listing,
    members: Iterable[str],
) -> None:
    """List the arrays of one layer, then those of the layers that are its attributes."""
    _list_variables(group.group(_VARIABLES), config, scope, listing)
    found = [(name, group.members[name]) for name in members if name != _VARIABLES]
    for name, member in sorted(found, key=_built):
        if isinstance(member, Dataset):
            listing.leave("/".join((*scope, name)), member, "an array that no layer lists", matrix=True)
        elif name in SAVED_BY_ATTRIBUTE and config.layers:
            _list_container(member, config.layers, scope, listing)
        else:
            _list_attribute(name, member, config.part(name), scope, listing)


def _built(member: tuple[str, Group | Dataset]) -> tuple[int, int]:
    """Sort key: the order in which a composed layer builds its parts, else that of the file."""
    name = member[0].lstrip("_")
    return ATTRIBUTES.index(name) if name in ATTRIBUTES else -1, _last_address(member[1])


def _last_address(node: Group | Dataset) -> int:
    """Return where the last object of a layer begins: h5py puts new ones at the end, or into gaps before."""
    members = node.members.values() if isinstance(node, Group) else ()
    return max((node.address, *map(_last_address, members)))


def _list_attribute(
    name: str,
    group: Group,
    config: LayerConfig | None,
    scope: tuple[str, ...],
    listing: Listing,
) -> None:
    """List a layer that is an attribute of another, or a list of layers that is one."""
    if _VARIABLES not in group.members and (config is None or not config.class_name):
        _list_container(group, config.layers if config is not None else (), scope, listing)
        return
    own = _own_name(group, config, name)
    _enter(group, config or LayerConfig(class_by_name(own, name), own), own, scope, listing)


def _list_container(
    group: Group, configs: tuple[LayerConfig, ...], scope: tuple[str, ...], listing: Listing
) -> None:
    """List the layers of a model or of a list; groups are called after their classes, and numbered."""
    by_key = _keys(configs)
    by_name = {config.name: config for config in configs if config.name}
    order = {id(config): place for place, config in enumerate(configs)}
    found: list[tuple[int, int, str, Group, LayerConfig | None]] = []
    for key, member in group.members.items():
        if isinstance(member, Dataset):
            listing.leave("/".join((*scope, key)), member, "an array that no layer lists", matrix=True)
            continue
        config = by_name.get(_own_name(member, None, "")) or by_key.get(key)
        found.append((order.get(id(config), len(order)), _last_address(member), key, member, config))
    for _, _, key, member, config in sorted(found, key=lambda item: item[:3]):
        if _VARIABLES not in member.members and config is None:
            _list_container(member, (), scope, listing)
            continue
        own = _own_name(member, config, key)
        _enter(member, config or LayerConfig(class_by_name(key, own), own), own, scope, listing)


def _enter(group: Group, config: LayerConfig, name: str, scope: tuple[str, ...], listing: Listing) -> None:
    inner = scope if config.class_name in GRAPHS else (*scope, name)
    _list_layer(group, config, inner, listing, group.members)


def _keys(configs: tuple[LayerConfig, ...]) -> dict[str, LayerConfig]:
    """Return the layers of a model by the names that Keras gives their groups."""
    counts: dict[str, int] = {}
    keys: dict[str, LayerConfig] = {}
    for config in configs:
        key = snake_case(config.class_name)
        counts[key] = counts.get(key, -1) + 1
        keys[f"{key}_{counts[key]}" if counts[key] else key] = config
    return keys


def _list_variables(
    variables: Group | None, config: LayerConfig, scope: tuple[str, ...], listing: Listing
) -> None:
    if variables is None:
        return
    arrays: dict[str, Dataset] = {}
    for key, member in variables.members.items():
        if isinstance(member, Group):
            raise ModelError(
                f"{shown('/'.join((*scope, key)))} is a group in place of an array", hint=CUT_SHORT
            )
        arrays[key] = member
    numbers = sorted(arrays, key=lambda key: (len(key), key))
    names = variable_names(config.class_name, [arrays[key].shape for key in numbers])
    for place, (key, name) in enumerate(zip(numbers, names, strict=True)):
        full = "/".join((*scope, name if key.isdigit() else key))
        if place == REPEATED.get(config.class_name):
            listing.leave(full, arrays[key], "the same values as the layer it wraps", matrix=False)
        else:
            listing.add(full, arrays[key], config)
