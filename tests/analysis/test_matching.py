"""Pairing layers across renaming, reordering and partial change, on orders that the test made."""

from __future__ import annotations

import random

import pytest

from gate.analysis.matching import Item, match


def item(name: str, size: float, content: str | None = None, shape: tuple[int, ...] = (8, 8)) -> Item:
    return Item(name, "dense", shape, content, (size, size / 2))


def pairs(ours: list[Item], theirs: list[Item]) -> list[tuple[str, str, str]]:
    return [(ours[found.ours].name, theirs[found.theirs].name, found.how) for found in match(ours, theirs)]


def test_the_same_names_decide_whatever_the_order_and_the_spectra() -> None:
    ours = [item("a", 1.0), item("b", 2.0)]
    theirs = [item("b", 1.0), item("a", 2.0)]
    assert pairs(ours, theirs) == [("a", "a", "name"), ("b", "b", "name")]


def test_renamed_layers_pair_by_order_and_moved_ones_by_spectrum() -> None:
    ours = [item("x", 1.0), item("y", 2.0), item("z", 3.0)]
    tuned = [item("0", 1.01), item("1", 2.01), item("2", 2.99)]
    assert pairs(ours, tuned) == [("x", "0", "order"), ("y", "1", "order"), ("z", "2", "order")]
    moved = [tuned[2], tuned[0], tuned[1]]
    assert pairs(ours, moved) == [("x", "0", "spectrum"), ("y", "1", "spectrum"), ("z", "2", "spectrum")]


def test_spectra_that_say_little_leave_the_order() -> None:
    ours = [item("x", 1.0), item("y", 1.2)]
    retrained = [item("0", 1.5), item("1", 0.9)]
    assert [how for *_, how in pairs(ours, retrained)] == ["order", "order"]


def test_unchanged_layers_pair_wherever_they_are() -> None:
    ours = [item("a", 1.0, "A"), item("b", 1.0, "B"), item("c", 1.0, "C")]
    theirs = [item("2", 1.0, "C"), item("0", 9.0, "X"), item("1", 1.0, "B")]
    assert pairs(ours, theirs) == [("a", "0", "order"), ("b", "1", "content"), ("c", "2", "content")]


def test_a_replaced_head_and_an_added_layer_stay_alone() -> None:
    ours = [item("conv", 1.0), item("new", 5.0), item("fc", 2.0), item("head", 1.0, shape=(10, 8))]
    theirs = [item("conv", 1.0), item("fc", 2.0), item("head", 1.0, shape=(1000, 8))]
    assert pairs(ours, theirs) == [("conv", "conv", "name"), ("fc", "fc", "name")]


def test_an_inserted_layer_that_shifts_every_number_is_found_by_spectrum() -> None:
    theirs = [item(str(index), float(index)) for index in range(5)]
    ours = [item("0", 7.0), *(item(str(index + 1), index + 0.001) for index in range(5))]
    assert pairs(ours, theirs) == [(str(index + 1), str(index), "spectrum") for index in range(5)]


@pytest.mark.parametrize("seed", range(20))
def test_any_reordering_and_renaming_of_slightly_changed_layers_is_undone(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - seeded
    sizes = [draw.uniform(-3, 3) for _ in range(30)]
    theirs = [item(f"t{index}", size, shape=(8, 8 + index % 3)) for index, size in enumerate(sizes)]
    order = draw.sample(range(30), 30)
    ours = [
        item(f"o{index}", sizes[index] + draw.uniform(-1e-4, 1e-4), shape=(8, 8 + index % 3))
        for index in order
    ]
    assert {(a[1:], b[1:]) for a, b, _ in pairs(ours, theirs)} == {
        (str(index), str(index)) for index in order
    }


def test_figures_that_one_side_lacks_are_far_from_any() -> None:
    broken = Item("0", "dense", (8, 8), None, (None, None))
    ours = [Item("a", "dense", (8, 8), None, (None, None)), item("b", 1.0), item("c", 2.0)]
    assert pairs(ours, [item("1", 1.0), item("2", 2.0), broken]) == [
        ("a", "0", "spectrum"),
        ("b", "1", "spectrum"),
        ("c", "2", "spectrum"),
    ]
    assert match([], ours) == ()
