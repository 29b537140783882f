"""The container formats that are read, and which of them a file is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gate.errors import ModelError
from gate.plugins import enabled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.weights.interface import Reader


@cache
def _safetensors() -> tuple[Reader, ...]:
    from gate.weights.safetensors import SafetensorsReader  # noqa: PLC0415 - see `readers`

    return (SafetensorsReader(),)


@cache
def _onnx() -> tuple[Reader, ...]:
    from gate.weights.onnx import OnnxReader  # noqa: PLC0415

    return (OnnxReader(),)


@cache
def _pytorch() -> tuple[Reader, ...]:
    from gate.weights.pytorch import (  # noqa: PLC0415
        Pt2Reader,
        PytorchLegacyReader,
        PytorchZipReader,
        TorchScriptReader,
    )

    return (PytorchZipReader(), TorchScriptReader(), Pt2Reader(), PytorchLegacyReader())


@cache
def _keras() -> tuple[Reader, ...]:
    from gate.weights.keras import KerasArchiveReader, KerasHdf5Reader  # noqa: PLC0415

    return (KerasArchiveReader(), KerasHdf5Reader())


@cache
def _tensorflow() -> tuple[Reader, ...]:
    from gate.weights.savedmodel import (  # noqa: PLC0415
        CheckpointReader,
        FrozenGraphReader,
        SavedModelReader,
    )

    return (SavedModelReader(), FrozenGraphReader(), CheckpointReader())


@cache
def _of_plugins() -> tuple[Reader, ...]:
    from gate.weights.plugin_reader import PluginReader  # noqa: PLC0415

    return tuple(PluginReader(plugin) for plugin in enabled("readers"))


def readers() -> Iterator[Reader]:
    """Yield one reader of every format, in the order in which they are asked; third parties' come last.

    Each is imported when it is its turn: a model must not cost the readers of other formats.

    Raises
    ------
    gate.errors.UsageError
        A plugin that was named is not there.
    """
    for family in (_safetensors, _onnx, _pytorch, _keras, _tensorflow, _of_plugins):
        yield from family()


def reader_of(path: Path) -> Reader | None:
    """Return the first reader that knows the file at ``path``."""
    return next((reader for reader in readers() if reader.matches(path)), None)


def require_reader(path: Path, *, known_as: str | None = None) -> Reader:
    """Return the reader of the file at ``path``.

    Parameters
    ----------
    path:
        A regular file.
    known_as:
        What the file is by its name, when that is a format which is not read.

    Raises
    ------
    gate.errors.ModelError
        No reader knows it.
    """
    reader = reader_of(path)
    if reader is None:
        raise unread(f"{path.name!r}", known_as)
    return reader


def unread(what: str, known_as: str | None = None) -> ModelError:
    """Return the error for a model of a format that is not read, which lists those that are."""
    formats = ", ".join(reader.format for reader in readers())
    why = f"is a {known_as} model, which is not read yet" if known_as else "is of no format that is read"
    return ModelError(
        f"{what} {why}",
        hint=f"Formats read: {formats}. Export the model to one of them, or check that the file is whole.",
    )
