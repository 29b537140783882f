"""Keeps the layers that are measured at the same time within a share of memory."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.interface import Settings

SLACK: Final = 48 << 20
"""Small layers run side by side within this, whatever the size of the largest."""

_DOUBLE: Final = 8
_BATCHED: Final = frozenset({"conv2d", "conv3d", "depthwise", "conv_transpose2d", "conv_transpose3d"})


def peak_bytes(layer: WeightLayer, settings: Settings) -> int:
    """Estimate what measuring one layer takes: the tensor as floats, its float64 copy or Gram matrix.

    Conventions that want every rank exactly decompose a copy of any matrix that turns out near-singular.
    """
    stored = 8 if layer.dtype == "float64" else 4
    if layer.right is not None:
        return layer.parameters * stored // 4
    side = min(layer.shape[-2:]) if len(layer.shape) > 1 else 1
    exact = settings.convention.rank == "machine" and not settings.float32
    if layer.kind in _BATCHED or side == 1 or exact:  # slices, or squares
        return layer.parameters * (stored + _DOUBLE)
    return layer.parameters * stored + side * side * _DOUBLE


class MemoryBudget:
    """Lets a layer begin when it fits beside those under way; any layer may run alone.

    The limit is two and a half float64 copies of the largest tensor, or :data:`SLACK` if that is
    more, so that the whole process stays within three copies and a constant.
    """

    def __init__(self, layers: Sequence[WeightLayer]) -> None:
        largest = max((layer.parameters for layer in layers), default=0)
        self._limit = max(SLACK, largest * _DOUBLE * 5 // 2)
        self._condition = threading.Condition()
        self._used = 0
        self._closed = False

    def has_room(self, size: int) -> bool:
        """Tell whether a layer of this size could begin now."""
        return not self._used or self._used + size <= self._limit

    @contextmanager
    def hold(self, size: int) -> Iterator[bool]:
        """Wait for room and hold it; gives False when the budget was closed meanwhile."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self.has_room(size))
            self.take(size)
        try:
            yield not self._closed
        finally:
            self.give_back(size)

    def take(self, size: int) -> None:
        """Hold room that there is."""
        with self._condition:
            self._used += size

    def give_back(self, size: int) -> None:
        """Let it go."""
        with self._condition:
            self._used -= size
            self._condition.notify_all()

    def close(self) -> None:
        """Send away everybody who waits."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
