"""Which networks are trained: fixed before any of them was measured, and drawn from one seed.

Two contests.  *Sub-groups*: two families of three depths, 24 networks in each of the six groups, over
width, batch size, dropout, weight decay, learning rate and the share of random labels.  Every group
holds the same 24 settings, so that groups differ in depth alone; within them each level of a factor
occurs equally often (one balanced column a factor, shuffled on its own).  *Copies*: one setting of
each family trained again and again on the same data, only the seed differing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Family = Literal["dense", "convolution"]

SEED: Final = 20210601
FAMILIES: Final[tuple[Family, ...]] = ("dense", "convolution")
DEPTHS: Final = (3, 4, 6)
"""Layers with weights, the last one included."""

PER_GROUP: Final = 24
COPIES: Final = 64
"""Of each family's reference network."""

WIDTHS: Final = {"dense": (96, 192), "convolution": (64, 96)}
"""Units or channels; at 64 and above every hidden layer has enough eigenvalues for a fit."""

BATCH_SIZES: Final = (16, 64)
DROPOUTS: Final = (0.0, 0.25)
WEIGHT_DECAYS: Final = (0.0, 2e-3)
LEARNING_RATES: Final = (0.005, 0.02)
RANDOM_LABELS: Final = (0.0, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class Network:
    """One network: what is built, how it is trained, and from which seed.

    ``random_labels`` is the share of training labels replaced by uniformly drawn ones; ``group`` the
    sub-group it belongs to, which names its registered model too.
    """

    id: str
    group: str
    family: Family
    depth: int
    width: int
    batch_size: int
    dropout: float
    weight_decay: float
    learning_rate: float
    random_labels: float
    seed: int


def contest() -> tuple[Network, ...]:
    """Return the networks of the sub-groups, shortest training first within each setting."""
    settings = _settings()
    return tuple(
        Network(
            id=f"{family}-{depth}-{number:02}",
            group=f"{family}-{depth}",
            family=family,
            depth=depth,
            width=WIDTHS[family][setting["width"]],
            batch_size=BATCH_SIZES[setting["batch_size"]],
            dropout=DROPOUTS[setting["dropout"]],
            weight_decay=WEIGHT_DECAYS[setting["weight_decay"]],
            learning_rate=LEARNING_RATES[setting["learning_rate"]],
            random_labels=RANDOM_LABELS[setting["random_labels"]],
            seed=1000 * (1 + FAMILIES.index(family)) + 100 * DEPTHS.index(depth) + number,
        )
        for number, setting in enumerate(settings)
        for family in FAMILIES
        for depth in DEPTHS
    )


def copies() -> tuple[Network, ...]:
    """Return the reference network of each family, once for every seed."""
    return tuple(
        Network(
            id=f"{family}-copy-{number:02}",
            group=f"{family}-copies",
            family=family,
            depth=DEPTHS[-1],
            width=WIDTHS[family][0],
            batch_size=16,
            dropout=0.0,
            weight_decay=2e-3,
            learning_rate=0.02,
            random_labels=0.0,
            seed=10_000 * (1 + FAMILIES.index(family)) + number,
        )
        for number in range(COPIES)
        for family in FAMILIES
    )


def sample(count: int) -> tuple[Network, ...]:
    """Return the first ``count`` networks: six are one of every group, what CI trains."""
    return contest()[:count]


def _settings() -> list[dict[str, Any]]:
    generator = np.random.default_rng(SEED)
    factors: dict[str, Sequence[Any]] = {
        "width": range(2),
        "batch_size": BATCH_SIZES,
        "dropout": DROPOUTS,
        "weight_decay": WEIGHT_DECAYS,
        "learning_rate": LEARNING_RATES,
        "random_labels": RANDOM_LABELS,
    }
    columns = {
        name: generator.permutation(np.arange(PER_GROUP) % len(levels)) for name, levels in factors.items()
    }
    return [{name: int(column[row]) for name, column in columns.items()} for row in range(PER_GROUP)]
