"""The container formats that are read, and which of them a file is."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.plugins import enabled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.weights.interface import Reader


_READERS: Final = (
    ("gate.weights.safetensors", "SafetensorsReader"),
    ("gate.weights.onnx", "OnnxReader"),
    ("gate.weights.pytorch", "PytorchZipReader"),
    ("gate.weights.pytorch", "TorchScriptReader"),
    ("gate.weights.pytorch", "Pt2Reader"),
    ("gate.weights.pytorch", "PytorchLegacyReader"),
    ("gate.weights.keras", "KerasArchiveReader"),
    ("gate.weights.keras", "KerasHdf5Reader"),
    ("gate.weights.savedmodel", "SavedModelReader"),
    ("gate.weights.savedmodel", "FrozenGraphReader"),
    ("gate.weights.savedmodel", "CheckpointReader"),
)
"""Module and name of the reader of each format, in the order in which they are asked."""


def readers() -> Iterator[Reader]:
    """Yield one reader of every format, in the order in which they are asked; third parties' come last.

    Each is imported when it is its turn: a model must not cost the readers of other formats.

    Raises
    ------
    gate.errors.UsageError
        A plugin that was named is not there.
    """
    for module, name in _READERS:
        yield _reader(module, name)
    yield from _of_plugins()


@cache
def _reader(module: str, name: str) -> Reader:
    reader: Reader = getattr(import_module(module), name)()
    return reader


@cache
def _of_plugins() -> tuple[Reader, ...]:
    from gate.weights.plugin_reader import PluginReader  # noqa: PLC0415 - as for the others

    return tuple(PluginReader(plugin) for plugin in enabled("readers"))


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
