"""What ``torch.save`` writes since 1.6: a zip archive with ``data.pkl`` and one entry per storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, ModelError
from gate.weights.budget import Budget
from gate.weights.bytes_in_file import CUT_SHORT, Cursor, map_file, shown, speaking_of
from gate.weights.pytorch.audit import leftovers
from gate.weights.pytorch.contents import Contents, listed, model_weights
from gate.weights.pytorch.pickle_machine import interpret
from gate.weights.pytorch.tensors import Extent, Placement, referenced_bytes
from gate.weights.zip_archive import LOCAL_HEADER, folded, open_archive
from gate.weights.zip_listing import names_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gate.weights.interface import ModelWeights
    from gate.weights.pytorch.values import Tensor
    from gate.weights.zip_archive import Archive

KERAS_SUFFIX: Final = ".keras"
_NEWEST_VERSION: Final = 10  # kMaxSupportedFileFormatVersion of torch 2.13
_BYTE_ORDERS: Final = {b"little": "<", b"big": ">"}


@dataclass(frozen=True, slots=True)
class PytorchZipReader:
    """Reads the zip container of ``torch.save``."""

    format: str = "pytorch-zip"

    def matches(self, path: Path) -> bool:
        """Tell whether the file is a zip archive of ``torch.save``."""
        names = entry_names(path)
        return any(is_in_root(name, "data.pkl") for name in names) and not any(
            is_in_root(name, "constants.pkl") for name in names
        )

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the file at ``path``."""
        with speaking_of(path):
            return model_weights(self.format, self.contents(path), path, root)

    def contents(self, path: Path) -> Contents:
        """Return the named tensors of the file at ``path``."""
        archive = open_archive(map_file(path))
        check_version(archive)
        structure = archive.require("data.pkl")
        budget = Budget()
        pickled = interpret(budget.contents_of(structure, archive), budget=budget)
        extents = storage_extents(archive, "data/", pickled.tensors)
        tensors, skipped = listed(pickled.value, Placement(str(path), byte_order(archive), extents))
        unreferenced, nested, names = leftovers(
            archive, {structure.name}, covered_entries(archive, "data/", pickled.tensors), budget
        )
        return Contents(
            tensors,
            skipped,
            pickled.unsafe_globals | names,
            unreferenced + structure.size - pickled.end,
            nested,
        )


def entry_names(path: Path) -> Sequence[str]:
    """Return the names in the archive at ``path``, of a damaged one the first; nothing when it is none.

    What is called ``.keras`` is none of torch's, whatever it holds: Keras would load something else of it.
    """
    if path.name.casefold().endswith(KERAS_SUFFIX):
        return []
    try:
        return names_in(path)
    except GateError:  # matching only: whoever reads the file will say what is wrong with it
        return _first_name(path)


def _first_name(path: Path) -> Sequence[str]:
    try:
        data = map_file(path)
        if data[:4].tobytes() != LOCAL_HEADER:
            return []
        cursor = Cursor(data, 26)
        length = cursor.unsigned(2)
        cursor.skip(2)
        return [bytes(cursor.take(length)).decode("utf-8", "replace")]
    except GateError:
        return []


def is_in_root(name: str, inner: str) -> bool:
    """Tell whether ``name`` is ``inner`` within one folder, as torch lays its archives out."""
    return folded(name).partition("/")[2] == inner


def check_version(archive: Archive) -> None:
    """Refuse archives of a format newer than this reader knows."""
    entry = archive.find("version")
    text = bytes(archive.bytes_of(entry)[:8]).strip() if entry is not None else b"1"
    if not text.isdigit() or not 1 <= int(text) <= _NEWEST_VERSION:
        raise ModelError(
            f"its format version is {shown(text.decode('utf-8', 'replace'))}; "
            f"1 to {_NEWEST_VERSION} can be read"
        )


def byte_order(archive: Archive) -> str:
    """Return numpy's sign for the byte order the archive says its storages have."""
    entry = archive.find("byteorder")
    if entry is None:
        return "<"
    order = _BYTE_ORDERS.get(bytes(archive.bytes_of(entry)[:8]))
    if order is None:
        raise ModelError("its byte order is neither little nor big", hint=CUT_SHORT)
    return order


def storage_extents(
    archive: Archive, folder: str, tensors: tuple[Tensor, ...], base: int = 0
) -> dict[str, Extent]:
    """Return where the storages that ``tensors`` view lie; ``base`` is where the archive itself does."""
    extents = {}
    for tensor in tensors:
        key = tensor.storage.key
        entry = archive.find(folder + key)
        if key in extents or entry is None:
            continue
        if entry.compressed:
            raise ModelError(
                f"entry {shown(entry.name)} is compressed, so it cannot be mapped",
                hint="torch writes tensors uncompressed: save the model again with torch.save.",
            )
        extents[key] = Extent(base + entry.offset, entry.size)
    return extents


def covered_entries(archive: Archive, folder: str, tensors: tuple[Tensor, ...]) -> Mapping[str, int]:
    """Return, for each entry with tensors, how many of its bytes they refer to."""
    found = ((archive.find(folder + key), count) for key, count in referenced_bytes(tensors).items())
    return {entry.name: min(count, entry.size) for entry, count in found if entry is not None}
