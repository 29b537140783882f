"""What runs the measuring of many layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerResult, Settings


class Executor(Protocol):
    """Measures layers in whatever order and place suits it; the results are the same everywhere."""

    @property
    def name(self) -> str:
        """The name ``--executor`` accepts."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the runs so far, beside their results."""
        ...

    def map(
        self, layers: Sequence[WeightLayer], settings: Settings
    ) -> Generator[tuple[int, LayerResult], None, None]:
        """Yield each layer's index and result as it is finished.

        Closing the generator early stops the work: layers not yet begun are dropped.

        Raises
        ------
        gate.errors.GateError
            A layer cannot be read or measured; its name is in the message.
        """
        ...
