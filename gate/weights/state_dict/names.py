"""Names of tensors: their components, and the layer names made from them."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cache, lru_cache
from typing import Final

_PARAMETER_SUFFIXES: Final = (".weight", ".kernel", "/kernel:0", "/kernel", "/embeddings:0")


@lru_cache(1 << 14)
def components(name: str) -> tuple[str, ...]:
    """Return the parts of a dotted (PyTorch, Flax) or slashed (Keras) tensor name."""
    return tuple(re.split(r"[./]", name.removesuffix(":0")))


def module_and_parameter(name: str) -> tuple[str, str]:
    """Return the last component of the module's name, and the parameter's own name.

    A tensor that is a parameter of its own, such as ``encoder.query``, has itself as module and no
    parameter name.
    """
    parts = components(name)
    if parts[-1] in {"weight", "kernel", "embeddings", "embedding"} and len(parts) > 1:
        return parts[-2], parts[-1]
    return parts[-1], ""


def matches_any(text: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether one of the globs matches, whatever the case."""
    return _any_of(patterns).match(text.casefold()) is not None


@cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return one expression for all; ``translate`` makes such as can be joined and do not backtrack."""
    return re.compile("|".join(map(translate, patterns)) or "(?!)")


def layer_name(tensor: str) -> str:
    """Return the tensor's name without the trailing name of its parameter."""
    for suffix in _PARAMETER_SUFFIXES:
        if tensor.endswith(suffix) and len(tensor) > len(suffix):
            return tensor.removesuffix(suffix)
    return tensor
