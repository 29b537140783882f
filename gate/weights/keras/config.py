"""A model's configuration: its layers' classes and names, and the code that loading it would run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.keras.tables import CELLS, MARSHALLED, PROJECTIONS, SETTINGS, TRUSTED_PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST: Final = 64
_LONGEST_NAME: Final = 200
_MOST_NAMES: Final = 10_000
_BYTECODE: Final = "__lambda__"
_FUNCTION: Final = "function"
_BUILTIN: Final = "builtins"
_FIRST: Final = re.compile(r"(.)([A-Z][a-z]+)")
_NEXT: Final = re.compile(r"([a-z])([A-Z])")


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One layer or model: its class, name, settings, and the layers it is made of.

    ``layers`` are those of a model in their order; ``parts`` those that settings describe (the layer of
    a wrapper, the cell of a recurrent layer), by the setting's name.
    """

    class_name: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[LayerConfig, ...] = ()
    parts: Mapping[str, LayerConfig] = field(default_factory=dict)

    def part(self, attribute: str) -> LayerConfig | None:
        """Return the layer that stands under an attribute of this one, None where that is not known."""
        setting = SETTINGS.get(attribute, attribute)
        described = self.parts.get(setting)
        if described is not None:
            return described
        projection = PROJECTIONS.get(attribute.lstrip("_"))
        if projection is not None:
            return LayerConfig("EinsumDense", projection)
        cell = CELLS.get(self.class_name) if attribute == "cell" else None
        return None if cell is None else LayerConfig(cell, snake_case(cell))

    def below(self) -> Iterator[LayerConfig]:
        """Yield every layer within, however deep."""
        for layer in (*self.layers, *self.parts.values()):
            yield layer
            yield from layer.below()


def layer_config(described: Mapping[str, Any], depth: int = 0) -> LayerConfig:
    """Return a layer or model from its description.

    Raises
    ------
    gate.errors.ModelError
        It is not the description of one.
    gate.errors.UnsafeModelError
        Models are nested deeper than any is.
    """
    if depth > _DEEPEST:
        raise UnsafeModelError(f"the configuration nests layers deeper than {_DEEPEST}")
    class_name, config = described.get("class_name"), described.get("config")
    if isinstance(config, list):  # a sequential model of Keras 1 and early Keras 2
        config = {"layers": config}
    if not isinstance(class_name, str) or not isinstance(config, Mapping):
        raise ModelError("the configuration describes a layer without class or settings")
    name = config.get("name") or described.get("name")
    return LayerConfig(
        class_name=class_name.rpartition(">")[2],
        name=name if isinstance(name, str) else "",
        settings=config,
        layers=tuple(layer_config(inner, depth + 1) for inner in _described(config.get("layers"))),
        parts={key: layer_config(value, depth + 1) for key, value in config.items() if _is_layer(value)}
        | _cells(config, depth),
    )


def _described(value: object) -> list[Mapping[str, Any]]:
    return [inner for inner in value if _is_layer(inner)] if isinstance(value, list) else []


def _cells(config: Mapping[str, Any], depth: int) -> dict[str, LayerConfig]:
    """Return the cells of stacked recurrent layers as the layers of one part."""
    cells = tuple(layer_config(cell, depth + 1) for cell in _described(config.get("cells")))
    return {"cells": LayerConfig("", "", layers=cells)} if cells else {}


def _is_layer(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), Mapping | list)
    )


def snake_case(class_name: str) -> str:
    """Return a class' name as Keras writes it in paths: ``Conv2DTranspose`` as ``conv2d_transpose``.

    Keras 3.15, ``keras/src/utils/naming.py``, ``to_snake_case``.
    """
    name = re.sub(r"\W+", "", class_name)
    return _NEXT.sub(r"\1_\2", _FIRST.sub(r"\1_\2", name)).lower()


def code_named(config: object) -> frozenset[str]:
    """Return what loading a configuration would run or import from outside Keras.

    A layer whose code stands in the configuration as bytecode is ``keras.layers.Lambda``; an object of
    another package is ``module.name``; one that is registered with Keras under a package is
    ``package>name``.

    Raises
    ------
    gate.errors.UnsafeModelError
        It names more than any model.
    """
    found: set[str] = set()
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            name = _code(value)
            if name:
                found.add(name[:_LONGEST_NAME])
            left += value.values()
        elif isinstance(value, list):
            left += value
        if len(found) > _MOST_NAMES:
            raise UnsafeModelError(f"the configuration names more than {_MOST_NAMES} foreign objects")
    return frozenset(found)


def _code(described: Mapping[str, Any]) -> str | None:
    class_name, module = described.get("class_name"), described.get("module")
    registered, config = described.get("registered_name"), described.get("config")
    if not isinstance(class_name, str):
        return None
    if class_name == _BYTECODE or (class_name == "Lambda" and _has_bytecode(config)):
        return MARSHALLED
    name = config if class_name == _FUNCTION and isinstance(config, str) else class_name
    is_builtin = module == _BUILTIN and class_name == _FUNCTION  # Keras looks its own functions up so
    if isinstance(module, str) and module.partition(".")[0] not in TRUSTED_PACKAGES and not is_builtin:
        return f"{module}.{name}"
    for custom in (registered, name):
        if isinstance(custom, str) and ">" in custom:
            return custom
    return None


def _has_bytecode(config: object) -> bool:
    """Tell whether a ``Lambda`` of Keras 1 or 2 holds marshalled functions."""
    if not isinstance(config, Mapping):
        return False
    kinds = (config.get(key) for key in ("function_type", "output_shape_type", "mask_type"))
    return "lambda" in kinds or isinstance(config.get("function"), list)
