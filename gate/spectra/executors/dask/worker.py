"""What runs on a worker: read the tensor or take what was sent, make sure of it, measure it."""

from __future__ import annotations

import pickle
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gate.errors import GateError
from gate.spectra.cache.engine import SOFTWARE, identity
from gate.spectra.cache.key import process_threads, uses_threads
from gate.spectra.cache.tensor import Held, Layout, digests_of, unpacked
from gate.spectra.executors.local import measure_named
from gate.spectra.lapack import backend, blas_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerResult, Settings


@dataclass(frozen=True, slots=True)
class Task:
    """One layer to measure.

    Attributes
    ----------
    layer:
        The layer; its readers are looked at only where nothing was sent.
    settings:
        How to measure.
    digests:
        What the tensors must be, see :func:`gate.spectra.cache.tensor.tensor_digest`.
    layouts:
        Layouts of the tensors that were sent; empty for a layer read by reference.
    threads:
        BLAS threads a large matrix gets, as in the client's process.
    """

    layer: WeightLayer
    settings: Settings
    digests: tuple[str, ...]
    layouts: tuple[Layout, ...]
    threads: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The result, and which parts of the worker's engine differ in kind of processor only."""

    result: LayerResult
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WantsBytes:
    """The worker cannot read the same bytes by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The layer cannot be measured, here or anywhere."""

    error: GateError


@dataclass(frozen=True, slots=True)
class Unlike:
    """The worker runs other software; its figures might differ."""

    engine: Mapping[str, str]


Outcome: TypeAlias = "Measured | WantsBytes | Failed | Unlike"

_LARGE: Final = threading.Lock()
"""One layer of a size that uses BLAS threads at a time, as large ones run alone anyway."""


def measure_task(engine: Mapping[str, str], payload: bytes, *sent: NDArray[np.uint8]) -> Outcome:
    """Measure one layer on this worker.

    Parameters
    ----------
    engine:
        The client's :class:`~gate.spectra.cache.engine.EngineIdentity` as a mapping, which is
        compared before anything that another version might have shaped differently is looked at.
    payload:
        A pickled :class:`Task`.  Dask itself runs whatever its clients pickle; this adds nothing.
    sent:
        The tensors' elements (:func:`gate.spectra.cache.tensor.packed`), where the client sent them.
    """
    here = asdict(identity())
    differs = tuple(sorted(name for name in {*here, *engine} if here.get(name) != engine.get(name)))
    if SOFTWARE.intersection(differs) or set(here) != set(engine):
        return Unlike(here)
    task: Task = pickle.loads(payload)  # noqa: S301
    try:
        held = _from_sent(task, sent) if sent else _by_reference(task)
        if isinstance(held, WantsBytes):
            return held
        with _threads_of_client(task):
            return Measured(measure_named(held, task.settings), differs)
    except GateError as error:
        return Failed(error)


def _by_reference(task: Task) -> WeightLayer | WantsBytes:
    """Read the layer from here; whatever goes wrong, the client could read it and will send it."""
    try:
        held, digests = digests_of(task.layer)
    except (GateError, OSError, ValueError, MemoryError) as error:
        return WantsBytes(f"{type(error).__name__}: {error}")
    return held if digests == task.digests else WantsBytes("the bytes there are others")


def _from_sent(task: Task, sent: tuple[NDArray[np.uint8], ...]) -> WeightLayer | WantsBytes:
    tensors = [Held(unpacked(data, layout)) for data, layout in zip(sent, task.layouts, strict=True)]
    right: Any = tensors[1] if len(tensors) > 1 else None
    held, digests = digests_of(replace(task.layer, read=tensors[0], right=right))
    return held if digests == task.digests else WantsBytes("the bytes sent arrived as others")


@contextmanager
def _threads_of_client(task: Task) -> Iterator[None]:
    """Give a large matrix as many BLAS threads as the client would: their number enters its last bits."""
    if not uses_threads(task.layer):
        yield
        return
    with _LARGE:
        if process_threads() != task.threads:
            with blas_threads().all():
                backend().set_threads(task.threads)
        yield
