"""What a task carries to a worker: small readers where they are small, else the bytes."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import ModelError
from gate.spectra.cache.tensor import Held, Layout, packed, tensor_digest
from gate.spectra.executors.dask.worker import Task

if TYPE_CHECKING:
    from gate.layer import WeightLayer
    from gate.spectra.interface import Settings

SMALL: Final = 1 << 16
"""Bytes of pickled readers that may go through the scheduler."""


NOT_SENT: Final = Held(np.empty(0))
"""Stands for a reader where the tensor travels beside the task."""


@dataclass(slots=True)
class Flight:
    """A layer on its way: what it must be, and what was sent for it."""

    index: int
    digests: tuple[str, ...]
    key: str | None
    attempts: int = 0
    sent_bytes: int = 0
    data: list[Any] = field(default_factory=list)
    future: Any = None


class _TooLargeError(Exception):
    pass


class _Bounded(io.BytesIO):
    """A buffer that refuses to grow past :data:`SMALL`."""

    def write(self, data: Any, /) -> int:
        if self.tell() + memoryview(data).nbytes > SMALL:
            raise _TooLargeError
        return super().write(data)


def by_reference(
    layer: WeightLayer, settings: Settings, digests: tuple[str, ...], threads: int
) -> bytes | None:
    """Return a task whose layer the worker reads itself, or None where its readers hold the tensor."""
    buffer = _Bounded()

    def refuse(_buffer: pickle.PickleBuffer) -> None:
        raise _TooLargeError  # an array within a reader

    try:
        pickle.Pickler(buffer, protocol=5, buffer_callback=refuse).dump(
            Task(layer, settings, digests, (), threads)
        )
    except (_TooLargeError, pickle.PicklingError, TypeError, AttributeError):  # the last two: a closure
        return None
    return buffer.getvalue()


def with_bytes(
    layer: WeightLayer, settings: Settings, digests: tuple[str, ...], threads: int
) -> tuple[bytes, list[Any]]:
    """Read the layer again; return a task and the bytes that go with it.

    Raises
    ------
    gate.errors.ModelError
        It cannot be read any more, or reads otherwise than a moment ago.
    """
    tensors = [layer.read()] if layer.right is None else [layer.read(), layer.right()]
    if tuple(tensor_digest(tensor) for tensor in tensors) != digests:
        raise ModelError(
            f"layer {layer.name}: the tensor changed while it was being measured",
            hint="Do not write to a model's files while it is judged.",
        )
    bare = replace(layer, read=NOT_SENT, right=None)
    task = Task(bare, settings, digests, tuple(Layout.of(tensor) for tensor in tensors), threads)
    return pickle.dumps(task, protocol=5), [packed(tensor) for tensor in tensors]
