"""The table of layers in other orders: without script, a page can only be sorted beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from gate.report.figures import figure, finite, fixed, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.spectra.interface import LayerMetrics

MOST_ROWS: Final = 1000
"""Layers listed per order; the others are counted."""


class Sortable(Protocol):
    """What is sorted: a layer's row and its alpha in the baseline."""

    @property
    def row(self) -> LayerMetrics:
        """The row."""
        ...

    @property
    def baseline(self) -> float | None:
        """Its alpha in the baseline, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """All layers that have a figure, by that figure; ``more`` are left out."""

    title: str
    heading: str
    rows: tuple[tuple[Sortable, str], ...]
    more: int


_FIGURES: Final[tuple[tuple[str, str, str, int], ...]] = (
    ("alpha", "alpha, highest first", "alpha", -1),
    ("ks_distance", "KS distance D, worst fit first", "D", -1),
    ("log_spectral_norm", "log spectral norm, highest first", "log norm", -1),
    ("alpha_weighted", "AlphaHat, highest first", "AlphaHat", -1),
    ("stable_rank", "stable rank, lowest first", "stable rank", 1),
    ("parameters", "size, largest first", "parameters", -1),
)
"""Field, title, heading of the column, and -1 for falling or 1 for rising."""


def orders(layers: Sequence[Sortable]) -> tuple[Order, ...]:
    """Return the layers in every order that can be made, none where there is nothing to sort."""
    if len(layers) < 2:  # noqa: PLR2004 - one layer is in every order already
        return ()
    found = [_moves(layers), *(_by_figure(layers, *which) for which in _FIGURES), _by_name(layers)]
    return tuple(order for order in found if order.rows)


def _by_figure(layers: Sequence[Sortable], name: str, title: str, heading: str, direction: int) -> Order:
    valued = [
        (direction * value, place)
        for place, layer in enumerate(layers)
        if (value := finite(getattr(layer.row, name))) is not None
    ]
    rows = [(layers[place], _said(getattr(layers[place].row, name))) for _, place in sorted(valued)]
    return Order(f"by {title}", heading, tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS))


def _moves(layers: Sequence[Sortable]) -> Order:
    moved = [
        (-abs(now - then), place, now - then)
        for place, layer in enumerate(layers)
        if (now := finite(layer.row.alpha)) is not None and (then := finite(layer.baseline)) is not None
    ]
    rows = [(layers[place], signed(change)) for _, place, change in sorted(moved)]
    title = "by change of alpha since the baseline, largest first"
    return Order(title, "change", tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS))


def _by_name(layers: Sequence[Sortable]) -> Order:
    rows = [(layer, fixed(layer.row.alpha)) for layer in sorted(layers, key=lambda layer: layer.row.name)]
    return Order("by name", "alpha", tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS))


def _said(value: float) -> str:
    return figure(value) if isinstance(value, int) else fixed(value, 3)
