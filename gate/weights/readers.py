"""The container formats that are read, and which of them a file is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.plugins import enabled
from gate.weights.bytes_in_file import map_file
from gate.weights.containers import Container, containers_in
from gate.weights.promises import ANYTHING, promise_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gate.weights.interface import Reader
    from gate.weights.plugin_reader import PluginReader
    from gate.weights.promises import Promise


@dataclass(frozen=True, slots=True)
class _Format:
    """A format: what messages call it, where its reader is, and the containers its files may be."""

    name: str
    title: str
    module: str
    reader: str
    containers: frozenset[Container]


_FORMATS: Final = tuple(
    _Format(name, title, f"gate.weights.{folder}", reader, frozenset(containers))
    for name, title, folder, reader, containers in (
        ("safetensors", "safetensors", "safetensors", "SafetensorsReader", {Container.SAFETENSORS}),
        ("onnx", "an ONNX model", "onnx", "OnnxReader", {Container.PROTOBUF}),
        ("pytorch-zip", "a PyTorch archive", "pytorch", "PytorchZipReader", {Container.ZIP}),
        ("torchscript", "a TorchScript archive", "pytorch", "TorchScriptReader", {Container.ZIP}),
        ("pytorch-pt2", "a PyTorch export package", "pytorch", "Pt2Reader", {Container.ZIP}),
        (
            "pytorch-legacy",
            "a PyTorch file of before 1.6",
            "pytorch",
            "PytorchLegacyReader",
            {Container.PICKLE, Container.TAR},
        ),
        ("keras", "a Keras archive", "keras", "KerasArchiveReader", {Container.ZIP}),
        ("keras-hdf5", "a Keras model in HDF5", "keras", "KerasHdf5Reader", {Container.HDF5}),
        ("savedmodel", "a SavedModel", "savedmodel", "SavedModelReader", {Container.PROTOBUF}),
        ("tensorflow-graph", "a frozen graph", "savedmodel", "FrozenGraphReader", {Container.PROTOBUF}),
        ("tensorflow-checkpoint", "a TensorFlow checkpoint", "savedmodel", "CheckpointReader", set()),
    )
)
"""In the order in which the readers are asked."""

_BY_NAME: Final = {known.name: known for known in _FORMATS}


def readers() -> Iterator[Reader]:
    """Yield one reader of every format, in the order in which they are asked; third parties' come last.

    Each is imported when it is its turn: a model must not cost the readers of other formats.

    Raises
    ------
    gate.errors.UsageError
        A plugin that was named is not there.
    """
    for known in _FORMATS:
        yield _reader(known)
    yield from _of_plugins()


@cache
def _reader(known: _Format) -> Reader:
    reader: Reader = getattr(import_module(known.module), known.reader)()
    return reader


@cache
def _of_plugins() -> tuple[PluginReader, ...]:
    from gate.weights.plugin_reader import PluginReader  # noqa: PLC0415 - as for the others

    return tuple(PluginReader(plugin) for plugin in enabled("readers"))


def reader_of(path: Path) -> Reader | None:
    """Return the reader of the file at ``path``, None when no reader knows it.

    What its name promises is read as nothing else, for the framework that loads it goes by the name.
    Where the name promises nothing the content decides, and may then be one thing only.

    Raises
    ------
    gate.errors.UnsafeModelError
        It holds something else than its name promises, or can be taken for several things.
    """
    promise = promise_of(path.name)
    if promise is ANYTHING:
        declared = _first(path, (reader for reader in _of_plugins() if reader.declares(path.name)))
        if declared is not None:
            return declared
    promised = promise.formats or tuple(_BY_NAME)
    found = _preferred(path, promise, _matching(path, promised))
    if len(found) > 1:
        raise _ambiguous(path, found[0].title, found[1].title)
    if found:
        _refuse_other_containers(path, found[0], promise)
        return _reader(found[0])
    other = _matching(path, [name for name in _BY_NAME if name not in promised])
    if other:
        raise _misnamed(path, promise, other[0].title)
    return _first(path, (reader for reader in _of_plugins() if _may_read(reader, path.name, promise)))


def _matching(path: Path, formats: Iterable[str]) -> list[_Format]:
    return [_BY_NAME[name] for name in formats if _reader(_BY_NAME[name]).matches(path)]


def _preferred(path: Path, promise: Promise, found: list[_Format]) -> list[_Format]:
    """Return the formats among ``found`` whose container frameworks look for first, where that is known.

    The weights within a Keras archive may lie just where an HDF5 file is looked for.
    """
    if len(found) < 2 or promise.order is None:  # noqa: PLR2004 - a choice
        return found
    first = next(containers_in(map_file(path), promise.order), None)
    return [known for known in found if first in known.containers] or found


def _first(path: Path, candidates: Iterable[Reader]) -> Reader | None:
    return next((reader for reader in candidates if reader.matches(path)), None)


def _may_read(reader: PluginReader, name: str, promise: Promise) -> bool:
    """Tell whether a third party's reader is asked: it names the suffix, or no suffix at all."""
    return promise is ANYTHING or reader.declares(name) or not reader.suffixes


def _refuse_other_containers(path: Path, found: _Format, promise: Promise) -> None:
    """Refuse a file in which a framework could find another container than the reader did."""
    try:
        data = map_file(path)
    except ModelError:
        return  # it is empty or cannot be read: the reader will say so
    foreign = _foreign(data, found, promise)
    own = list(containers_in(data, sorted(found.containers, key=lambda container: container.value)))
    if len(own) > 1:
        raise _ambiguous(path, own[0].value, own[1].value)
    if foreign is not None and (own or promise is ANYTHING):
        raise _ambiguous(path, found.title, foreign.value)
    if foreign is not None:
        raise _misnamed(path, promise, foreign.value)


def _foreign(data: memoryview, found: _Format, promise: Promise) -> Container | None:
    """Return the container that a framework could take instead of the reader's, None when there is none."""
    if promise.order is None:
        return next((other for other in containers_in(data) if other not in found.containers), None)
    rest = (container for container in Container if container not in promise.order)
    first = next(containers_in(data, (*promise.order, *rest)), None)
    return None if first in found.containers else first


def _misnamed(path: Path, promise: Promise, holds: str) -> UnsafeModelError:
    return UnsafeModelError(
        f"{path.name} is named like {promise.title}, but holds {holds}: "
        "the framework that loads it would read something else",
        hint="Rename it if you trust where it comes from, or fetch it again.",
    )


def _ambiguous(path: Path, one: str, other: str) -> UnsafeModelError:
    return UnsafeModelError(
        f"{path.name} is {one} and can be read as {other} too: what is loaded depends on who loads it",
        hint="No exporter writes such files. Export the model again, under a name that says what it is.",
    )


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
    gate.errors.UnsafeModelError
        It is not what its name promises; see :func:`reader_of`.
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
