"""Words for people on stderr, data on stdout, files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from gate.report.interface import Format


def complain(message: str, hint: str | None) -> None:
    """Print an error and what to do about it on stderr."""
    say(f"gate: {printable(message, None)}")
    if hint:
        say(f"      {printable(hint, None)}")


def say(line: str) -> None:
    """Print one line for people on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def deliver(text: str, output: Path | None) -> None:
    """Write ``text`` to ``output``, whole or not at all, or to stdout.

    Raises
    ------
    gate.errors.UsageError
        The file cannot be written.
    """
    if output is None or str(output) == "-":
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
        return
    try:
        _write_atomically(output, text)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error


def _write_atomically(output: Path, text: str) -> None:
    import tempfile  # noqa: PLC0415 - what goes to stdout does not need it

    handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(output)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def report_format(name: str, output: Path | None, *, people: bool = False) -> Format:
    """Return a format set up for where it goes: colour and width only on a terminal.

    ``people`` says that it goes to stderr.
    """
    from gate.report import get_format  # noqa: PLC0415 - keeps `gate --help` fast

    stream = sys.stderr if people else sys.stdout
    if output is not None or not stream.isatty():
        return get_format(name)
    width = max(60, shutil.get_terminal_size().columns)
    return get_format(name, color="NO_COLOR" not in os.environ, width=width)


def colored(output: Path | None) -> bool:
    """Tell whether what goes to ``output`` (None is stdout) is seen on a terminal that wants colour."""
    return output is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a callback ``(stage, done, total)`` that draws bars on stderr, or None where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=None)
            bar.update(tasks[stage], completed=done, total=total)

        yield show
