"""What the sources of a study stand for: an experiment, a registered name, a folder, single models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.registry.collect import Candidate, runs_of, single, versions_of
from gate.registry.source import PathSource, parse_source
from gate.study.columns import MOST_BYTES, parse_table
from gate.text import printable
from gate.workflow.sources import connect, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.study.columns import Table
    from gate.workflow.study import StudyRequest

_EXPERIMENT: Final = "experiment:"
_MODELS: Final = "models:/"
_TABLE: Final = ".csv"
_SINGLE: Final = ("MLmodel", "config.json")
"""A folder with one of these is a model, not a folder of models."""


def is_table(source: str) -> bool:
    """Tell whether a source is a CSV of figures that were measured before."""
    is_path = not source.lower().startswith((_EXPERIMENT, _MODELS, "runs:/"))
    return is_path and source.lower().endswith(_TABLE)


def candidates(source: str, request: StudyRequest) -> Iterator[Candidate]:
    """Yield what one source stands for; nothing is pulled.

    Raises
    ------
    gate.errors.UsageError
        There is no such thing.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    if source.lower().startswith(_EXPERIMENT):
        yield from runs_of(connect(request.address).connection, source[len(_EXPERIMENT) :])
        return
    name = _registered_name(source)
    if name is not None:
        yield from versions_of(connect(request.address).connection, name)
        return
    parsed = parse_source(source)
    if isinstance(parsed, PathSource) and _holds_models(parsed.path):
        yield from _entries(parsed.path)
        return
    located = locate(source, request.address)
    if located.registry is not None:
        yield single(located.registry.connection, located.resolved)
        return
    bare = Path(source).name
    yield Candidate(source, source, (source, bare, Path(bare).stem))


def _registered_name(source: str) -> str | None:
    """Return NAME of ``models:/NAME``, which stands for all versions; None for any other source."""
    if not source.startswith(_MODELS):
        return None
    name = source[len(_MODELS) :].strip("/")
    is_single = "/" in name or "@" in name or (name.startswith("m-") and name[2:].isalnum())
    return None if is_single or not name else name


def _holds_models(path: Path) -> bool:
    return path.is_dir() and not any((path / name).is_file() for name in _SINGLE)


def _entries(folder: Path) -> Iterator[Candidate]:
    """Yield the files and folders in a folder; tables and hidden files are no models."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.suffix.lower() == _TABLE:
            continue
        if entry.is_symlink():
            yield Candidate(entry.name, reason="it is a link, which may lead anywhere")
        else:
            yield Candidate(entry.name, str(entry), (entry.name, entry.stem, str(entry)))


def table_beside(request: StudyRequest) -> Table | None:
    """Return the one table in the folders of models; None where no source is such a folder.

    Raises
    ------
    gate.errors.UsageError
        There is none, or more than one; or it is no table.
    """
    folders = [Path(source) for source in request.sources if _is_folder(source)]
    tables = [path for folder in folders for path in sorted(folder.glob("*.csv"))]
    if len(tables) == 1:
        return read_table(tables[0])
    if not folders:
        return None
    raise UsageError(
        f"{printable(str(folders[0]))} holds {len(tables)} tables of what is known of its models, not one",
        hint="Name it: --table FILE.csv, with a column that names the file and one for the quality.",
    )


def _is_folder(source: str) -> bool:
    if source.lower().startswith((_EXPERIMENT, _MODELS, "runs:/")):
        return False
    parsed = parse_source(source)
    return isinstance(parsed, PathSource) and _holds_models(parsed.path)


def read_table(path: Path) -> Table:
    """Read a CSV whole, if it is not too large to be one.

    Raises
    ------
    gate.errors.UsageError
        It cannot be read, or is no table.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {printable(str(path))}: {error.strerror}") from error
    return parse_table(data, str(path))
