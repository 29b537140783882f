"""What ``torch.jit.save`` writes: a zip archive with ``data.pkl``, ``constants.pkl`` and source code.

The objects of ``data.pkl`` are instances of classes that the archive's own source declares; each
keeps parameters, buffers, submodules and attributes side by side, and ``__parameters__`` and
``__buffers__`` in the source tell them apart.  A frozen module has its weights among the constants.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.budget import Budget
from gate.weights.bytes_in_file import map_file, speaking_of
from gate.weights.interface import Skipped
from gate.weights.pytorch.audit import leftovers
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
from gate.weights.zip_archive import open_archive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gate.weights.interface import ModelWeights, StoredTensor
    from gate.weights.pytorch.tensors import Extent
    from gate.weights.zip_archive import Archive, Entry

_INPUTS: Final = "traced_inputs"
_CONSTANT: Final = "a constant of the graph, beside its parameters and buffers"
_CODE: Final = "code/"
_SOURCE, _DEBUG = ".py", ".debug_pkl"
_DECLARED: Final = re.compile(
    r"^class (?P<name>\w+)\(Module\):\n"
    r"  __parameters__ = \[(?P<parameters>[^\]\n]*)\]\n"
    r"  __buffers__ = \[(?P<buffers>[^\]\n]*)\]\n",
    re.MULTILINE,
)
_QUOTED: Final = re.compile(r'"([^"]*)"')
_MAX_CODE_BYTES: Final = 64 * 2**20
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
        budget = Budget()
        model, constants = _read_part(archive, "data", budget), _read_part(archive, "constants", budget)
        # only the shapes of what a traced model was called with; their storages are empty
        inputs = [_read_part(archive, _INPUTS, budget)] if archive.find(f"{_INPUTS}.pkl") else []
        parts = [model, constants, *inputs]
        order = byte_order(archive)
        tensors, skipped = listed(
            model.value, Placement(str(path), order, model.extents), _declared_members(archive, code)
        )
        found, not_found = listed(
            {"constants": constants.value}, Placement(str(path), order, constants.extents), {}
        )
        is_frozen = not any(_is_matrix(tensor) for tensor in tensors)
        not_weights = [] if is_frozen else [_skipped(tensor) for tensor in found if _is_matrix(tensor)]
        covered = {name: count for part in parts for name, count in part.covered.items()}
        used = {*(part.entry.name for part in parts), *(entry.name for entry in code)}
        unreferenced, nested, names = leftovers(archive, used, covered, budget)
        return Contents(
            (*tensors, *found) if is_frozen else tensors,
            (*skipped, *not_weights, *not_found),
            names.union(_debug_globals(archive, code, budget), *(part.unsafe_globals for part in parts)),
            unreferenced + sum(part.entry.size - part.end for part in parts),
            nested,
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """One pickle of the archive, and the storages in the folder of its name."""

    entry: Entry
    value: object
    end: int
    unsafe_globals: frozenset[str]
    extents: Mapping[str, Extent]
    covered: Mapping[str, int]


def _read_part(archive: Archive, name: str, budget: Budget) -> _Part:
    entry = archive.require(f"{name}.pkl")
    pickled = interpret(budget.contents_of(entry, archive), script=True, budget=budget)
    return _Part(
        entry,
        pickled.value,
        pickled.end,
        pickled.unsafe_globals,
        storage_extents(archive, f"{name}/", pickled.tensors),
        covered_entries(archive, f"{name}/", pickled.tensors),
    )


def _is_matrix(tensor: StoredTensor) -> bool:
    return len(tensor.shape) > 1


def _skipped(tensor: StoredTensor) -> Skipped:
    return Skipped(tensor.name, _CONSTANT, math.prod(tensor.shape), matrix=False)


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


def _debug_globals(archive: Archive, code: list[Entry], budget: Budget) -> frozenset[str]:
    """Return what the debug tables, pickles beside each source file, name without need."""
    tables = (budget.contents_of(entry, archive) for entry in code if entry.name.endswith(_DEBUG))
    return frozenset[str]().union(
        *(interpret(table, script=True, budget=budget).unsafe_globals for table in tables)
    )
