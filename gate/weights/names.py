"""Names of tensors, layers and files: their natural order, and making them unique."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

_DIGITS: Final = re.compile(r"([0-9]+)")


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


def free_name(name: str, taken: Container[str]) -> str:
    """Return ``name``, its module numbered where two have one name: the last part tells the layout."""
    if name not in taken:
        return name
    split = max(name.rfind("."), name.rfind("/"))
    module, parameter = (name[:split], name[split:]) if split > 0 else (name, "")
    numbered = (f"{module}#{count}{parameter}" for count in itertools.count(2))
    return next(free for free in numbered if free not in taken)
