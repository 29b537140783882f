"""Formats paired with where they go: ``--format F -o FILE``, over and over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from gate.cli.console import Outcome, OutputError, complain, deliver
from gate.cli.files import check_writable, is_stdout, same_file
from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from gate.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Target:
    """A format by its name, and the file it goes to; None is stdout."""

    format_name: str
    path: Path | None


def targets(
    names: Sequence[str] | None, paths: Sequence[Path] | None, known: Callable[[str], str]
) -> tuple[Target, ...]:
    """Pair formats with files in the order in which they were given; at most one may go to stdout.

    Parameters
    ----------
    names, paths:
        What ``--format`` and ``-o`` were given; no name is ``text``.
    known:
        Returns a name if it is one of a format that there is, else raises.

    Raises
    ------
    gate.errors.UsageError
        A format is not known, a file cannot be written or is named twice, or two formats go to stdout.
    """
    formats = [known(name) for name in names or ("text",)]
    places = destinations(paths)
    if len(places) > len(formats):
        raise UsageError(
            f"{len(places)} output files for {len(formats)} formats",
            hint="Give a --format for each -o, in the same order.",
        )
    places += [None] * (len(formats) - len(places))
    if places.count(None) > 1:
        raise UsageError("only one format can go to stdout", hint="Give each other format a file with -o.")
    return tuple(Target(name, place) for name, place in zip(formats, places, strict=True))


def destinations(paths: Sequence[Path] | None) -> list[Path | None]:
    """Return where ``-o`` sends things, None for stdout; told before anything is measured.

    Raises
    ------
    gate.errors.UsageError
        A file cannot be written, or is named twice.
    """
    places = [None if is_stdout(path) else path for path in paths or ()]
    taken: set[str] = set()
    for place in places:
        if place is None:
            continue
        check_writable(place)
        name = same_file(place)
        if name is not None and name in taken:
            raise UsageError(
                f"{printable(str(place), None)} is named twice: the second output would replace the first",
                hint="Give each -o a file of its own.",
            )
        taken |= {name} if name is not None else set()
    return places


def destination(paths: Sequence[Path] | None) -> Path | None:
    """Return the one place where ``-o`` sends things, None for stdout; checked as by :func:`destinations`.

    Raises
    ------
    gate.errors.UsageError
        There are several, or it cannot be written.
    """
    places = destinations(paths)
    if len(places) > 1:
        raise UsageError(f"{len(places)} output files for one output", hint="Give -o once.")
    return places[0] if places else None


def deliver_each(rendered: Iterable[tuple[str, Target]]) -> tuple[OutputError, ...]:
    """Deliver every text, whatever becomes of the others; return what could not be written."""
    tried = [_lost(text, target) for text, target in rendered]
    return tuple(error for error in tried if error is not None)


def _lost(text: str, target: Target) -> OutputError | None:
    try:
        deliver(text, target.path, target.format_name)
    except OutputError as error:
        return error
    return None


def deliver_all(rendered: Iterable[tuple[str, Target]]) -> None:
    """Deliver every text, whatever becomes of the others.

    Raises
    ------
    OutputError
        One could not be written.
    """
    for error in deliver_each(rendered):
        raise error


def conclude(
    code: ExitCode, lost: Sequence[OutputError] = (), known: str | None = None, *, quiet: bool = False
) -> NoReturn:
    """End with the exit code of a decision.

    Parameters
    ----------
    code:
        What was decided.
    lost:
        Outputs that could not be written.  Where each one's reader left of its own accord the decision's
        exit code holds all the same; else a program may be without what it asked for, which is exit 3.
    known:
        What is decided and recorded nevertheless, for people.
    quiet:
        Say nothing of readers that left.
    """
    for error in lost:
        if not error.reader_left:
            error.hint = known
            raise error
    for error in () if quiet else lost:
        complain(str(error), known)
    raise Outcome(code)
