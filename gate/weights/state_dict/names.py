"""Names of tensors: their components, their order, and the layer names made from them."""

from __future__ import annotations

import itertools
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DIGITS: Final = re.compile(r"([0-9]+)")
_PARAMETER_SUFFIXES: Final = (".weight", ".kernel", "/kernel:0", "/kernel")


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key that puts ``layers.2`` before ``layers.10``.

    Numbers compare by their length first and are never converted: a hostile name may hold a
    million digits.
    """
    pieces = _DIGITS.split(name)
    return tuple(_piece_key(piece, number=index % 2 == 1) for index, piece in enumerate(pieces))


def _piece_key(piece: str, *, number: bool) -> tuple[int, str]:
    if not number:
        return 0, piece
    digits = piece.lstrip("0")
    return len(digits), digits


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


def matches_any(text: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the globs matches, whatever the case."""
    folded = text.casefold()
    return any(fnmatchcase(folded, pattern) for pattern in patterns)


def layer_name(tensor: str) -> str:
    """Return the tensor's name without the trailing name of its parameter."""
    for suffix in _PARAMETER_SUFFIXES:
        if tensor.endswith(suffix) and len(tensor) > len(suffix):
            return tensor.removesuffix(suffix)
    return tensor


def unique_names(wanted: Iterable[tuple[str, str]]) -> list[str]:
    """Return one name for each ``(layer name, tensor name)``: the first that is still free.

    A number is appended where both are taken.
    """
    taken: set[str] = set()
    names: list[str] = []
    for short, full in wanted:
        name = next(candidate for candidate in spare_names(short, full) if candidate not in taken)
        taken.add(name)
        names.append(name)
    return names


def spare_names(short: str, full: str) -> Iterator[str]:
    """Yield a layer's name, its tensor's, and then that with a number: without an end."""
    yield short
    yield full
    for count in itertools.count(2):
        yield f"{full}#{count}"
