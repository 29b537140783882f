"""What ``torch.export.save`` writes since 2.9 and MLflow stores as ``data/model.pt2``.

A zip archive whose weights are raw bytes, one entry per storage, listed in
``data/weights/NAME_weights_config.json``; the constants of the graph likewise under
``data/constants``.  Entries that are pickles (``use_pickle``) are refused: loading the package
would execute them.  The sample inputs are a ``torch.save`` archive within; it is only scanned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.budget import Budget
from gate.weights.bytes_in_file import CUT_SHORT, map_file, shown, speaking_of
from gate.weights.interface import Skipped
from gate.weights.pytorch.audit import leftovers
from gate.weights.pytorch.contents import Contents, listed, model_weights
from gate.weights.pytorch.dtypes import SCALAR_TYPES
from gate.weights.pytorch.expressions import unsafe_expressions
from gate.weights.pytorch.limits import MAX_DIMENSIONS, MAX_EXTENT, MAX_JSON_BYTES
from gate.weights.pytorch.rebuild import make_tensor
from gate.weights.pytorch.scan import scan_bytes
from gate.weights.pytorch.tensors import Placement
from gate.weights.pytorch.values import OpaqueTensor, Storage, Tensor
from gate.weights.pytorch.zip_reader import (
    byte_order,
    covered_entries,
    entry_names,
    is_in_root,
    storage_extents,
)
from gate.weights.strict_json import parse_object
from gate.weights.zip_archive import folded, open_archive

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights
    from gate.weights.zip_archive import Archive, Entry

_WEIGHTS: Final = "data/weights/"
_CONSTANTS: Final = "data/constants/"
_WEIGHTS_CONFIG: Final = "_weights_config.json"
_CONSTANTS_CONFIG: Final = "_constants_config.json"
_SAMPLE_INPUTS: Final = "data/sample_inputs/"
_MODELS: Final = "models/"
_NATIVE_CODE: Final = "data/aotinductor/"
_PICKLED_FORMS: Final = (
    "serialized_exported_program.json",
    "serialized_state_dict.pt",
    "serialized_state_dict.json",
)
_RAW_PREFIXES: Final = (
    "weight_",
    "tensor_",
)  # torch unpickles entries of other names, whatever the table says
_STRIDED: Final = 7  # torch._export.serde.schema.Layout.Strided
_CONSTANT: Final = "a constant of the exported graph, not in its state dict"


@dataclass(frozen=True, slots=True)
class Pt2Reader:
    """Reads export packages."""

    format: str = "pytorch-pt2"

    def matches(self, path: Path) -> bool:
        """Tell whether the file is an export package, of this or of the older pickled form."""
        names = entry_names(path)
        return any(
            is_in_root(name, "archive_format")
            or folded(name).partition("/")[2].startswith((_WEIGHTS, _MODELS))
            or name in _PICKLED_FORMS
            for name in names
        )

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """List the weights of the file at ``path``."""
        with speaking_of(path):
            return model_weights(self.format, self.contents(path), path, root)

    def contents(self, path: Path) -> Contents:
        """Return the named tensors of the file at ``path``."""
        archive = open_archive(map_file(path))
        weights = _read_tables(archive, _WEIGHTS, _WEIGHTS_CONFIG)
        if not weights.tables:
            raise UnsafeModelError(
                "it holds no table of raw weights: they are pickled, or it is no export package",
                hint="Export the model again with torch 2.9 or newer, which stores raw weights.",
            )
        constants = _read_tables(archive, _CONSTANTS, _CONSTANTS_CONFIG)
        tensors = (*weights.tensors, *constants.tensors)
        placement = Placement(str(path), byte_order(archive), storage_extents(archive, "", tensors))
        listed_weights, skipped = listed(weights.named, placement)
        listed_constants, skipped_constants = listed(constants.named, placement)
        not_saved = [
            Skipped(constant.name, _CONSTANT, math.prod(constant.shape), matrix=False)
            for constant in listed_constants
            if len(constant.shape) > 1
        ]
        samples, graphs = _entries_in(archive, _SAMPLE_INPUTS), _entries_in(archive, _MODELS)
        used = {entry.name for entry in (*weights.tables, *constants.tables, *samples, *graphs)}
        budget = Budget()
        unreferenced, nested, names = leftovers(archive, used, covered_entries(archive, "", tensors), budget)
        return Contents(
            listed_weights,
            (*skipped, *not_saved, *skipped_constants),
            names.union(
                _native_code(archive),
                *(
                    scan_bytes(budget.contents_of(sample, archive), budget=budget, depth=1)
                    for sample in samples
                ),
                *(unsafe_expressions(budget.contents_of(graph, archive)) for graph in graphs),
            ),
            unreferenced,
            nested,
        )


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables of one folder: their entries, and the tensors they list, by name."""

    tables: tuple[Entry, ...]
    named: dict[object, object]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Return the tensors that have values."""
        return tuple(tensor for tensor in self.named.values() if isinstance(tensor, Tensor))


def _entries_in(archive: Archive, folder: str) -> tuple[Entry, ...]:
    return tuple(
        entry
        for entry in archive.entries.values()
        if folded(archive.inner_name(entry) or "").startswith(folder)
    )


def _read_tables(archive: Archive, folder: str, suffix: str) -> _Tables:
    """Read the tables of every model in the package; with several, names begin with the model's."""
    tables = tuple(entry for entry in _entries_in(archive, folder) if folded(entry.name).endswith(suffix))
    named: dict[object, object] = {}
    for table in tables:
        model = (archive.inner_name(table) or "")[len(folder) : -len(suffix)]
        prefix = f"{model}." if len(tables) > 1 else ""
        for name, meta in _table(archive, table).items():
            named[prefix + name] = _tensor(archive, folder, name, meta)
    return _Tables(tables, named)


def _table(archive: Archive, entry: Entry) -> dict[str, Any]:
    """Return the table's entries by tensor name."""
    what = f"table {shown(entry.name)}"
    if entry.size > MAX_JSON_BYTES:
        raise UnsafeModelError(f"{what} takes {entry.size} bytes")
    config = parse_object(bytes(archive.bytes_of(entry)), what).get("config")
    if not isinstance(config, dict):
        raise ModelError(f"{what} lists no tensors", hint=CUT_SHORT)
    return config


def _tensor(archive: Archive, folder: str, name: str, meta: object) -> Tensor | OpaqueTensor:
    """Return the tensor a table describes: a view of the bytes of an entry."""
    match meta:
        case {"use_pickle": False, "path_name": str() as path, "tensor_meta": dict() as tensor_meta} if (
            path.startswith(_RAW_PREFIXES)
        ):
            entry = archive.require(folder + path)
        case _:
            raise UnsafeModelError(
                f"{shown(name)} is stored as a pickle, which loading would execute",
                hint="Export a model of plain tensors: subclasses and custom objects are stored as pickles.",
            )
    dtype = SCALAR_TYPES.get(_plain(tensor_meta.get("dtype")))
    shape = [_plain(size) for size in _list(tensor_meta.get("sizes"))]
    strides = [_plain(step) for step in _list(tensor_meta.get("strides"))]
    storage = Storage(folder + path, "uint8", entry.size, "")
    if dtype is None or _plain(tensor_meta.get("layout")) != _STRIDED:
        return OpaqueTensor("its element type or layout is unknown", tuple(shape))
    if not entry.size and 0 not in shape:
        return OpaqueTensor("its values are not stored", tuple(shape))
    return make_tensor(storage, _plain(tensor_meta.get("storage_offset")), shape, strides, dtype=dtype)


def _list(value: object) -> list[object]:
    if not isinstance(value, list) or len(value) > MAX_DIMENSIONS:
        raise ModelError(f"a tensor's shape is no list of at most {MAX_DIMENSIONS} numbers", hint=CUT_SHORT)
    return value


def _plain(value: object) -> int:
    """Return a size, which the schema wraps as ``{"as_int": n}``."""
    plain = value.get("as_int") if isinstance(value, dict) else value
    if type(plain) is not int or not 0 <= plain <= MAX_EXTENT:
        raise ModelError("a tensor's description holds something other than a size", hint=CUT_SHORT)
    return plain


def _native_code(archive: Archive) -> frozenset[str]:
    """Name compiled libraries, which loading the package would run, as what they are."""
    return frozenset(f"aotinductor.{entry.name}" for entry in _entries_in(archive, _NATIVE_CODE))
