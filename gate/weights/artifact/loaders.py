"""Which of the files in a flavour's place its loader opens: the others are not the model."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.artifact.choose import is_weight_file, unread_format
from gate.weights.artifact.tables import FLAVOURS, OTHER_PRETRAINED_FILES, PRETRAINED, FlavourLayout
from gate.weights.paths import inside
from gate.weights.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from gate.weights.artifact.mlmodel import Description, Place

_LARGEST_CONFIG: Final = 16 << 20
_PLAIN: Final = FlavourLayout({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the loaders open.

    ``opened`` are files that one opens by name: each is read, whatever else lies there; ``left`` are
    weight files in a flavour's place that its loader does not look at, with the flavour.
    """

    opened: frozenset[str]
    left: dict[str, str]


def loaded_files(folder: Path, description: Description, names: Collection[str]) -> Loaded:
    """Tell which of the files called ``names`` the loaders of the described flavours open.

    Raises
    ------
    gate.errors.ModelError
        A configuration that names the weights cannot be read.
    """
    there = frozenset(names)
    opened: set[str] = set()
    left: dict[str, str] = {}
    for place in description.places:
        for base, found in _opened(folder, place, there):
            opened |= found
            if place.path != "." and found:
                left |= {
                    name: place.flavour
                    for name in there
                    if _is_beside(place, base, name) and name not in found
                }
    return Loaded(frozenset(opened), {name: flavour for name, flavour in left.items() if name not in opened})


def _is_beside(place: Place, base: str, name: str) -> bool:
    nested = FLAVOURS.get(place.loader, _PLAIN).nested
    below = posixpath.dirname(name) == base if nested else place.holds(name)
    return below and (is_weight_file(name) or unread_format(name) is not None)


def _opened(folder: Path, place: Place, there: frozenset[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield each folder of the place that a loader looks in, and the files that it opens there."""
    if place.path in there:
        yield posixpath.dirname(place.path), {place.path}
        return
    layout = FLAVOURS.get(place.loader, _PLAIN)
    below = {posixpath.dirname(name) for name in there if place.holds(name)} if layout.nested else set()
    root = "" if place.path == "." else place.path
    for base in sorted({root, *below}):
        found = _first(base, layout.files, there, every=layout.every)
        found |= _first(base, layout.beside, there, every=False)
        if place.whole:
            found |= _first(base, OTHER_PRETRAINED_FILES, there, every=True)
        if PRETRAINED in layout.files:
            found |= _configured(folder, base, there)
        yield base, found


def _first(base: str, wanted: tuple[str, ...], there: frozenset[str], *, every: bool) -> set[str]:
    found = [name for file in wanted if (name := posixpath.join(base, file)) in there]
    return set(found if every else found[:1])


def _configured(folder: Path, base: str, there: frozenset[str]) -> set[str]:
    """Return the file that transformers' own configuration names as the weights, if it does."""
    name = posixpath.join(base, "config.json")
    if name not in there:
        return set()
    path = inside(folder, folder, name, folder.name)
    with path.open("rb") as file:
        text = file.read(_LARGEST_CONFIG + 1)
    try:
        given = parse_object(text, name).get("transformers_weights") if len(text) <= _LARGEST_CONFIG else None
    except ModelError:
        return set()  # transformers could not load it either
    named = posixpath.normpath(posixpath.join(base, given)) if isinstance(given, str) else ""
    return {named} & there
