"""What a layer costs to measure: for the order of work, and for what is not worth sending or keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.layer import WeightLayer
    from gate.spectra.interface import Settings

TRIVIAL: Final = 20_000_000
"""N·M² below which the default metrics take less time than looking a result up (benchmarks/executors.py)."""


_SHORT: Final = 1_000_000_000
"""N·M² of some tens of milliseconds: nobody minds that results of such layers wait for each other."""


def work(layer: WeightLayer) -> int:
    """Return N·M² over the layer's matrices, the growth of its cost."""
    if len(layer.shape) < 2:  # noqa: PLR2004 - a vector has no second side
        return layer.parameters
    sides = layer.shape[-2:] if layer.kind == "expert" else layer.shape[:2]
    return layer.parameters * min(sides)


def is_short(layer: WeightLayer, settings: Settings) -> bool:
    """Tell whether a layer takes so little that its result may wait for others'."""
    return settings.groups <= {"default"} and not settings.plugins and work(layer) < _SHORT


def is_trivial(layer: WeightLayer, settings: Settings) -> bool:
    """Tell whether the layer is measured sooner than asked for elsewhere."""
    return settings.groups <= {"default"} and work(layer) < TRIVIAL
