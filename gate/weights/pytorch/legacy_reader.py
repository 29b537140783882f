"""What ``torch.save`` wrote before 1.6: five pickles in a row, then the storages.

The pickles are a magic number, the protocol, facts about the machine, the model, and the keys of
the storages in the order in which they follow, each as its number of elements (8 bytes,
little-endian whatever the machine) and its elements (likewise).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, ModelError
from gate.weights.budget import Budget
from gate.weights.bytes_in_file import CUT_SHORT, Cursor, map_file, shown, speaking_of
from gate.weights.pytorch.contents import Contents, listed, model_weights
from gate.weights.pytorch.dtypes import ITEM_SIZES
from gate.weights.pytorch.pickle_machine import interpret
from gate.weights.pytorch.tensors import Extent, Placement, referenced_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights
    from gate.weights.pytorch.values import Storage

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_LONGEST_MAGIC: Final = 64
_FIRST_BYTES: Final = (b"\x80", b"L")  # the magic number in protocols 2 to 5, and 0 to 1
_TAR_MEMBERS: Final = ("pickle", "storages", "tensors", "sys_info")
_TAR_MAGIC: Final = slice(257, 262)


@dataclass(frozen=True, slots=True)
class PytorchLegacyReader:
    """Reads the container of ``torch.save`` before 1.6."""

    format: str = "pytorch-legacy"

    def matches(self, path: Path) -> bool:
        """Tell whether the file begins with torch's magic number, or is torch's oldest tar form."""
        try:
            data = map_file(path)
            return _is_tar(data) or (
                bytes(data[:1]) in _FIRST_BYTES and interpret(data[:_LONGEST_MAGIC]).value == MAGIC_NUMBER
            )
        except GateError:
            return False

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the file at ``path``."""
        with speaking_of(path):
            return model_weights(self.format, self.contents(path), path, root)

    def contents(self, path: Path) -> Contents:
        """Return the named tensors of the file at ``path``."""
        data = map_file(path)
        if _is_tar(data):
            raise ModelError(
                "it is the tar form torch wrote before 0.1.10, which is not read",
                hint="Load it with torch and save it again.",
            )
        budget = Budget()
        magic = interpret(data, budget=budget)
        protocol = interpret(data, magic.end, budget=budget)
        if magic.value != MAGIC_NUMBER or protocol.value != _PROTOCOL:
            raise ModelError("it does not begin with torch's magic number and protocol", hint=CUT_SHORT)
        machine = interpret(data, protocol.end, budget=budget)
        pickled = interpret(data, machine.end, budget=budget)
        keys = interpret(data, pickled.end, budget=budget)
        cursor = Cursor(data, keys.end)
        extents = _extents(cursor, keys.value, {storage.key: storage for storage in pickled.storages})
        tensors, skipped = listed(pickled.value, Placement(str(path), "<", extents))
        covered = referenced_bytes(pickled.tensors)
        unused = sum(extent.size - covered.get(key, 0) for key, extent in extents.items())
        names = frozenset[str]().union(
            *(part.unsafe_globals for part in (magic, protocol, machine, pickled, keys))
        )
        return Contents(tensors, skipped, names, unused + cursor.remaining)


def _is_tar(data: memoryview) -> bool:
    member = bytes(data[:100]).partition(b"\0")[0].decode("utf-8", "replace").removeprefix("./").strip("/")
    return bytes(data[_TAR_MAGIC]) == b"ustar" and member in _TAR_MEMBERS


def _extents(cursor: Cursor, keys: object, storages: dict[str, Storage]) -> dict[str, Extent]:
    """Walk the storages; each has the number of elements the pickle says, and they are all there."""
    extents: dict[str, Extent] = {}
    for key in keys if isinstance(keys, list) else [None]:
        storage = storages.get(str(key)) if isinstance(key, str | int) else None
        if storage is None:
            raise ModelError("it lists a storage that the model does not mention", hint=CUT_SHORT)
        if storage.key in extents:
            raise ModelError(f"it lists storage {shown(storage.key)} twice", hint=CUT_SHORT)
        elements = cursor.signed(8)
        if elements != storage.elements:
            raise ModelError(
                f"storage {shown(storage.key)} has {elements} elements "
                f"where the model says {storage.elements}",
                hint=CUT_SHORT,
            )
        size = elements * ITEM_SIZES[storage.dtype]
        extents[storage.key] = Extent(cursor.skip(size), size)
    return extents
