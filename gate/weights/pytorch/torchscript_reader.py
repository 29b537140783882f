"""What ``torch.jit.save`` writes: a zip archive with ``data.pkl``, ``constants.pkl`` and source code.

The objects of ``data.pkl`` are instances of classes that the archive's own source declares; each
keeps parameters, buffers, submodules and attributes side by side, and ``__parameters__`` and
``__buffers__`` in the source tell them apart.  A frozen module has its weights among the constants.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.pytorch.archive import open_archive
from gate.weights.pytorch.audit import leftovers
from gate.weights.pytorch.bytes_in_file import map_file, speaking_of
from gate.weights.pytorch.contents import Contents, listed, model_weights
from gate.weights.pytorch.pickle_machine import interpret
from gate.weights.pytorch.tensors import Placement
from gate.weights.pytorch.zip_reader import (
    byte_order,
    check_version,
    covered_entries,
    entry_names,
    is_in_root,
    storage_extents,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights
    from gate.weights.pytorch.archive import Archive, Entry

_CODE: Final = "code/"
_SOURCE, _DEBUG = ".py", ".debug_pkl"
_DECLARED: Final = re.compile(
    r"^class (?P<name>\w+)\(Module\):\n"
    r"  __parameters__ = \[(?P<parameters>[^\]\n]*)\]\n"
    r"  __buffers__ = \[(?P<buffers>[^\]\n]*)\]\n",
    re.MULTILINE,
)
_QUOTED: Final = re.compile(r'"([^"]*)"')
_MAX_CODE_BYTES: Final = 256 * 2**20
"""Source code and debug tables of one archive, inflated, in all."""


@dataclass(frozen=True, slots=True)
class TorchScriptReader:
    """Reads TorchScript archives."""

    format: str = "torchscript"

    def matches(self, path: Path) -> bool:
        """Tell whether the file is a TorchScript archive."""
        names = entry_names(path)
        # of a damaged archive only the first name is known; torch.save begins with data.pkl
        is_cut = len(names) == 1 and is_in_root(names[0], "data/0")
        return is_cut or any(is_in_root(name, "constants.pkl") for name in names)

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the file at ``path``."""
        with speaking_of(path):
            return model_weights(self.format, self.contents(path), path, root)

    def contents(self, path: Path) -> Contents:
        """Return the named tensors of the file at ``path``."""
        archive = open_archive(map_file(path))
        check_version(archive)
        if archive.find("data.pkl") is None:
            raise ModelError(
                "it is a TorchScript archive of torch before 1.2, which is not read",
                hint="Load it with torch.jit.load and save it again.",
            )
        code = _code_entries(archive)
        members = _declared_members(archive, code)
        model = interpret(archive.bytes_of(archive.require("data.pkl")), script=True)
        constants = interpret(archive.bytes_of(archive.require("constants.pkl")), script=True)
        extents = storage_extents(archive, "data/", model.tensors)
        model_tensors, model_skipped = listed(
            model.value, Placement(str(path), byte_order(archive), extents), members
        )
        extents = storage_extents(archive, "constants/", constants.tensors)
        placement = Placement(str(path), byte_order(archive), extents)
        constant_tensors, constant_skipped = listed({"constants": constants.value}, placement, {})
        covered = {
            **covered_entries(archive, "data/", model.tensors),
            **covered_entries(archive, "constants/", constants.tensors),
        }
        pickles = {
            archive.require(name).name: part
            for name, part in (("data.pkl", model), ("constants.pkl", constants))
        }
        unreferenced, nested, names = leftovers(archive, {*pickles, *(entry.name for entry in code)}, covered)
        unreferenced += sum(archive.entries[name].size - part.end for name, part in pickles.items())
        unsafe = model.unsafe_globals | constants.unsafe_globals | names | _debug_globals(archive, code)
        return Contents(
            (*model_tensors, *constant_tensors),
            (*model_skipped, *constant_skipped),
            unsafe,
            unreferenced,
            nested,
        )


def _code_entries(archive: Archive) -> list[Entry]:
    code = [
        entry
        for entry in archive.entries.values()
        if (archive.inner_name(entry) or "").startswith(_CODE) and entry.name.endswith((_SOURCE, _DEBUG))
    ]
    if sum(entry.size for entry in code) > _MAX_CODE_BYTES:
        raise ModelError(f"its source code claims more than {_MAX_CODE_BYTES} bytes")
    return code


def _declared_members(archive: Archive, code: list[Entry]) -> dict[str, frozenset[str]]:
    """Return, for each class the source declares, the names of its parameters and buffers."""
    members = {}
    for entry in code:
        if not entry.name.endswith(_SOURCE):
            continue
        module = (archive.inner_name(entry) or "")[len(_CODE) : -len(_SOURCE)].replace("/", ".")
        source = bytes(archive.bytes_of(entry)).decode("utf-8", "replace")
        for declared in _DECLARED.finditer(source):
            names = _QUOTED.findall(declared["parameters"]) + _QUOTED.findall(declared["buffers"])
            members[f"{module}.{declared['name']}"] = frozenset(names)
    return members


def _debug_globals(archive: Archive, code: list[Entry]) -> frozenset[str]:
    """Return what the debug tables, pickles beside each source file, name without need."""
    tables = (archive.bytes_of(entry) for entry in code if entry.name.endswith(_DEBUG))
    return frozenset[str]().union(*(interpret(table, script=True).unsafe_globals for table in tables))
