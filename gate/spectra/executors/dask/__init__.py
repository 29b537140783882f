"""The workers of a Dask cluster: ``--executor dask://HOST:PORT``.

Comes in: weight layers, and the address of a scheduler that runs already.  Goes out: the same bits as
:class:`~gate.spectra.executors.Local` gives.  Must never start or look for a cluster of its own: it
connects to the address given and nothing else, since a Dask scheduler runs whatever it is sent.

The client reads each tensor and takes its digest (:mod:`.run`).  A task carries the layer's small
readers and that digest, never the tensor: the worker reads the same path, and goes on only where
the bytes are the same (:mod:`.worker`).  Where they are not, the client sends the bytes.  Tasks are few
at a time, largest first; :mod:`.connection` turns what can go wrong on the way into errors with a hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.spectra.executors.dask.connection import connected, scheduler_address

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.cache import LayerCache
    from gate.spectra.interface import LayerResult, Settings

__all__ = ["Dask"]


class Dask:
    """Measures layers on the workers of a Dask cluster.

    Parameters
    ----------
    name:
        ``dask://HOST:PORT``.
    cache:
        Where this process looks finished layers up and keeps them, or None.

    Raises
    ------
    gate.errors.UsageError
        The address is malformed.
    """

    def __init__(self, name: str, cache: LayerCache | None = None) -> None:
        self.name = name
        self._address = scheduler_address(name)
        self._cache = cache
        self._noticed: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the runs so far."""
        return (*self._noticed, *(self._cache.notes if self._cache is not None else ()))

    def map(
        self, layers: Sequence[WeightLayer], settings: Settings
    ) -> Generator[tuple[int, LayerResult], None, None]:
        """Yield each layer's index and result as it is finished.

        Raises
        ------
        gate.errors.UsageError
            The package ``distributed`` is not installed.
        gate.errors.ResourceError
            The scheduler cannot be reached or has no workers, a worker runs another engine, or
            workers kept dying.
        gate.errors.GateError
            A layer cannot be read or measured; its name is in the message.
        """
        if not layers:
            return
        with connected(self._address, self.name) as client:
            from gate.spectra.executors.dask.run import Run  # noqa: PLC0415 - needs distributed

            run = Run(client, layers, settings, self._cache, self.name)
            try:
                yield from run.results()
            finally:  # also on Ctrl-C and when the caller stops early: no task stays behind
                run.stop()
                self._noticed.update(dict.fromkeys(run.noticed))
