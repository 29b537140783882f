"""What callers of the Python interface pass, checked before anything is done with it."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.spectra.interface import Group

_EXECUTOR = ("map", "name", "notes")


def kind_of(value: object) -> str:
    """Return what a value is, for a message."""
    return "None" if value is None else f"a {type(value).__name__}"


def address(source: object) -> str | None:
    """Return a path or URI as text; None for anything else."""
    return os.fsdecode(source) if isinstance(source, str | os.PathLike) else None


def path(name: str, value: object) -> Path | None:
    """Return a file as a path; raises UsageError where it is neither that nor None."""
    text = address(value)
    if text is None and value is not None:
        raise UsageError(f"{name} is one path, not {kind_of(value)}", hint="Pass a str or a pathlib.Path.")
    return None if text is None else Path(text)


def paths(name: str, values: object) -> tuple[Path, ...]:
    """Return one file or several as paths, none for None; raises UsageError where it is neither."""
    single = address(values)
    several = [single] if single is not None else [] if values is None else values
    if isinstance(several, Mapping) or not isinstance(several, Iterable):
        raise _no_paths(name, values)
    found = [address(value) for value in several]
    if None in found:
        raise _no_paths(name, values)
    return tuple(Path(text) for text in found if text is not None)


def _no_paths(name: str, values: object) -> UsageError:
    hint = "Pass a str or a pathlib.Path, or a list of them; what a file holds cannot be passed itself."
    return UsageError(f"{name} are files, not {kind_of(values)}", hint=hint)


def whole_number(name: str, value: Any, *, least: int | None = None) -> int:
    """Return an integer (numpy's too) of at least ``least``; raises UsageError for anything else."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        told = printable(repr(value), 40)
        raise UsageError(
            f"{name} is a whole number{'' if least is None else f', at least {least}'}, not {told}"
        )
    return number


def flag(name: str, value: object) -> bool:
    """Return a truth value; raises UsageError for anything else: ``"no"`` would be taken for yes."""
    if type(value).__name__ not in {"bool", "bool_"}:  # numpy's own, in version 2 and 1
        raise UsageError(f"{name} is True or False, not {printable(repr(value), 40)}")
    return bool(value)


def groups_of(groups: object) -> frozenset[Group]:
    """Return groups of metrics by name; raises UsageError where one is not known."""
    from gate.spectra.interface import GROUPS  # noqa: PLC0415 - `import gate.api` stays light

    hint = f"Choose of: {', '.join(GROUPS)}."
    if groups is not None and not isinstance(groups, Iterable):
        raise UsageError(f"groups are names of groups of metrics, not {kind_of(groups)}", hint=hint)
    names = [groups] if isinstance(groups, str) else list(groups or ())
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise UsageError(f"unknown group of metrics {printable(repr(unknown[0]))}", hint=hint)
    return frozenset(group for group in GROUPS if group in names)


def check_executor(executor: object) -> None:
    """Raise UsageError for what measures no layers."""
    if executor is None or isinstance(executor, str):
        return
    if isinstance(executor, type) or not all(hasattr(executor, ability) for ability in _EXECUTOR):
        raise UsageError(
            f"executor is a name or an object that measures layers, not {kind_of(executor)}",
            hint="Pass local, dask://HOST:PORT, or what gate.spectra.executors.Executor describes.",
        )


def check_progress(progress: object) -> None:
    """Raise UsageError for what cannot be called."""
    if progress is not None and not callable(progress):
        raise UsageError(
            f"progress is a function, not {kind_of(progress)}",
            hint="It is called with a stage, what is done and what there is to do.",
        )


def analysis_of(value: object) -> Analysis:
    """Return an analysis as it is; raises UsageError for anything else."""
    from gate.analysis.interface import Analysis  # noqa: PLC0415 - as above
    from gate.policy.interface import Verdict  # noqa: PLC0415

    if isinstance(value, Analysis):
        return value
    inside = (
        "Pass the verdict's .analysis." if isinstance(value, Verdict) else "Pass what gate.analyze returned."
    )
    raise UsageError(f"a frame is made of an analysis, not of {kind_of(value)}", hint=inside)
