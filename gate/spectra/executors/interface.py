"""What runs the measuring of many layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerResult, Settings


class Executor(Protocol):
    """Measures layers in whatever order and place suits it; the results are the same everywhere."""

    @property
    def name(self) -> str:
        """The name ``--executor`` accepts."""
        ...

    def map(self, layers: Sequence[WeightLayer], settings: Settings) -> Iterator[tuple[int, LayerResult]]:
        """Yield each layer's index and result as it is finished.

        Closing the iterator early stops the work: layers not yet begun are dropped.

        Raises
        ------
        gate.errors.GateError
            A layer cannot be read or measured; its name is in the message.
        """
        ...
