"""Which layer of one model is which of the other, across renaming, reordering and partial change.

Only layers of the same kind and shape can be pairs.  Where names do not decide, unchanged contents do;
what is left is paired by name or by order, unless the spectra say clearly that it is otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from numpy.typing import NDArray

How = Literal["name", "content", "spectrum", "order"]

CLEARLY: Final = 0.5
"""Spectra overrule names and order only where they make the pairs less than half as far apart."""

UNKNOWN: Final = 10.0
"""How far a figure that only one side has is from none: ten decades, beyond any real difference."""

LARGEST_GROUP: Final = 2000
"""Beyond so many layers of one shape the assignment, of cubic cost, is left out."""


@dataclass(frozen=True, slots=True)
class Item:
    """A layer to pair.

    ``content`` is equal for unchanged layers (None: not known); ``figures`` describe the spectrum in
    decades, None where it has none.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    content: Hashable = None
    figures: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """Positions of a pair in the two lists, and what made it one."""

    ours: int
    theirs: int
    how: How


def match(ours: Sequence[Item], theirs: Sequence[Item]) -> tuple[Match, ...]:
    """Pair the layers of two models, each at most once, in the order of ``ours``.

    1. All of them by name, where both have the same names on the same kinds and shapes.
    2. Else among layers of one kind and shape: those of equal content first.
    3. The rest by order or by name, unless another assignment makes the pairs' spectra less than half as
       far apart in all (Kuhn 1955, least total distance).
    """
    same = _all_by_name(ours, theirs)
    if same is not None:
        return same
    left, right = _groups(ours), _groups(theirs)
    found = (pair for key, mine in left.items() for pair in _group(ours, theirs, mine, right.get(key, [])))
    return tuple(sorted(found, key=lambda pair: pair.ours))


def _all_by_name(ours: Sequence[Item], theirs: Sequence[Item]) -> tuple[Match, ...] | None:
    places = {item.name: place for place, item in enumerate(theirs)}
    distinct = len(places) == len(theirs) == len(ours) == len({item.name for item in ours})
    if not distinct or any(
        item.name not in places or _key(item) != _key(theirs[places[item.name]]) for item in ours
    ):
        return None
    return tuple(Match(place, places[item.name], "name") for place, item in enumerate(ours))


def _key(item: Item) -> tuple[str, tuple[int, ...]]:
    return item.kind, item.shape


def _groups(items: Sequence[Item]) -> dict[tuple[str, tuple[int, ...]], list[int]]:
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, item in enumerate(items):
        groups.setdefault(_key(item), []).append(place)
    return groups


def _group(ours: Sequence[Item], theirs: Sequence[Item], mine: list[int], other: list[int]) -> list[Match]:
    twins = _unique_twins(ours, theirs, mine, other, lambda item: item.content)
    found = [Match(a, b, "content") for a, b in twins]
    mine, other = _without(mine, (a for a, _ in twins)), _without(other, (b for _, b in twins))
    if not mine or not other:
        return found
    return found + _likeliest(ours, theirs, mine, other)


def _likeliest(
    ours: Sequence[Item], theirs: Sequence[Item], mine: list[int], other: list[int]
) -> list[Match]:
    """Return the first of the usual pairings that the spectra do not clearly contradict, else theirs.

    Order comes before names where the number of layers is the same: where ``0, 1, 2`` became
    ``1, 2, 3``, names in common say nothing.
    """
    order = [Match(a, b, "order") for a, b in zip(mine, other, strict=False)]
    twins = _unique_twins(ours, theirs, mine, other, lambda item: item.name)
    rest = zip(_without(mine, (a for a, _ in twins)), _without(other, (b for _, b in twins)), strict=False)
    named = [*(Match(a, b, "name") for a, b in twins), *(Match(a, b, "order") for a, b in rest)]
    usual = (order, named) if len(mine) == len(other) else (named, order)
    closest = _closest(ours, theirs, mine, other)
    if closest is None:
        return usual[0]
    bound = _total(ours, theirs, closest) / CLEARLY
    plausible = (pairs for pairs in usual if _total(ours, theirs, pairs) <= bound)
    return next(plausible, closest)


def _unique_twins(
    ours: Sequence[Item],
    theirs: Sequence[Item],
    mine: Iterable[int],
    other: Iterable[int],
    of: Callable[[Item], Hashable],
) -> list[tuple[int, int]]:
    """Pair what has the same ``of`` and is the only one to have it on both sides; None is nothing."""
    left, right = _singles(ours, mine, of), _singles(theirs, other, of)
    return [(a, right[value]) for value, a in left.items() if value in right]


def _singles(
    items: Sequence[Item], places: Iterable[int], of: Callable[[Item], Hashable]
) -> dict[Hashable, int]:
    seen: dict[Hashable, list[int]] = {}
    for place in places:
        seen.setdefault(of(items[place]), []).append(place)
    return {value: at[0] for value, at in seen.items() if value is not None and len(at) == 1}


def _without(places: Iterable[int], gone: Iterable[int]) -> list[int]:
    dropped = set(gone)
    return [place for place in places if place not in dropped]


def _closest(
    ours: Sequence[Item], theirs: Sequence[Item], mine: list[int], other: list[int]
) -> list[Match] | None:
    """Return the assignment of least total distance; None where there is but one, or too many."""
    if len(mine) == len(other) == 1 or max(len(mine), len(other)) > LARGEST_GROUP:
        return None
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - most models need none

    rows, columns = linear_sum_assignment(_distances(ours, theirs, mine, other))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [Match(mine[row], other[column], "spectrum") for row, column in pairs]


def _distances(
    ours: Sequence[Item], theirs: Sequence[Item], mine: list[int], other: list[int]
) -> NDArray[Any]:
    import numpy as np  # noqa: PLC0415 - as above

    left, right = (
        np.array([items[place].figures for place in places], dtype=float)
        for items, places in ((ours, mine), (theirs, other))
    )
    left[~np.isfinite(left)] = right[~np.isfinite(right)] = np.nan
    total = np.zeros((len(mine), len(other)))
    for column in range(left.shape[1]):
        gap = np.abs(left[:, column, None] - right[None, :, column])
        neither = np.isnan(left[:, column, None]) & np.isnan(right[None, :, column])
        total += np.where(neither, 0.0, np.where(np.isnan(gap), UNKNOWN, gap))
    return total


def _total(ours: Sequence[Item], theirs: Sequence[Item], pairs: list[Match]) -> float:
    return sum(float(_distances(ours, theirs, [pair.ours], [pair.theirs])[0, 0]) for pair in pairs)
