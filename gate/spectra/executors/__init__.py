"""Where layers are measured: threads of this process (:mod:`.local`) or a Dask cluster (:mod:`.dask`).

Comes in: weight layers and settings.  Goes out: each layer's index and result.  Must never change
a number: order, place and count of workers are invisible in the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.spectra.executors.dask import Dask
from gate.spectra.executors.interface import Executor
from gate.spectra.executors.local import Beside, Local

if TYPE_CHECKING:
    from gate.spectra.cache import LayerCache

__all__ = ["EXECUTORS", "Beside", "Dask", "Executor", "Local", "executor_named"]

EXECUTORS: Final = ("local", "dask://HOST:PORT")
"""What ``--executor`` accepts."""


def executor_named(name: str, cache: LayerCache | None = None) -> Executor:
    """Return the executor that ``--executor`` names; connects to nothing yet.

    Raises
    ------
    gate.errors.UsageError
        There is no such executor, or its address is malformed.
    """
    if name == Local.name:
        return Local(cache)
    if name.startswith("dask:"):
        return Dask(name, cache)
    raise UsageError(f"there is no executor {name!r}", hint=f"Use {' or '.join(EXECUTORS)}.")
