"""Which globals the pickles of a file name, whatever the file is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import GateError
from gate.weights.budget import LISTED_ENTRY_STEPS, Budget, OverBudgetError
from gate.weights.bytes_in_file import map_file, speaking_of
from gate.weights.pytorch.pickle_machine import interpret
from gate.weights.zip_archive import LOCAL_HEADER, open_archive

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.zip_archive import Archive

_PICKLE_MAGIC: Final = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_PICKLE_SUFFIXES: Final = (".pkl", ".pickle")
_DEEPEST: Final = 3
_MOST_PICKLES: Final = 100


def scan_globals(path: Path, budget: Budget | None = None) -> tuple[str, ...]:
    """Return every global that the pickles of the file at ``path`` name and that is not known to be safe.

    The file may be a pickle of any kind (scikit-learn's ``model.pkl``), several in a row, or a zip
    archive with pickles in it.  Nothing is imported or executed.  Give one ``budget`` to the scans of
    several files to bound what they cost together.

    Raises
    ------
    gate.errors.ModelError
        The file cannot be read or begins with no pickle.
    gate.errors.UnsafeModelError
        It takes more steps than any real model.
    """
    with speaking_of(path):
        return tuple(sorted(scan_bytes(map_file(path), budget=budget)))


def scan_bytes(data: memoryview, *, budget: Budget | None = None, depth: int = 0) -> frozenset[str]:
    """Return the unknown globals of the pickles in ``data``, which lies ``depth`` archives deep.

    See :func:`scan_globals`.
    """
    budget = budget or Budget()
    if data[:4].tobytes() == LOCAL_HEADER and depth < _DEEPEST:
        archive = open_archive(data)
        budget.spend(LISTED_ENTRY_STEPS * len(archive.entries) if depth else 0)
        return _scan_archive(archive, budget, depth)
    first = interpret(data, lenient=True, budget=budget)
    names, position = first.unsafe_globals, first.end
    for _ in range(_MOST_PICKLES):
        try:
            following = interpret(data, position, lenient=True, budget=budget)
        except OverBudgetError:
            raise
        except GateError:
            break  # what follows the first pickle need not be one: storages, a signature, nothing
        names |= following.unsafe_globals
        position = following.end
    return names


def _scan_archive(archive: Archive, budget: Budget, depth: int) -> frozenset[str]:
    names = frozenset[str]()
    for entry in archive.entries.values():
        beginning = bytes(archive.data[entry.offset : entry.offset + 4])
        is_named_so = entry.name.endswith(_PICKLE_SUFFIXES)
        if is_named_so or beginning.startswith((LOCAL_HEADER, *_PICKLE_MAGIC)):
            try:
                contents = budget.contents_of(entry, archive)
                names |= scan_bytes(contents, budget=budget, depth=depth + 1)
            except OverBudgetError:
                raise
            except GateError:
                if is_named_so:
                    raise
                # the bytes of a tensor may begin like a pickle
    return names
