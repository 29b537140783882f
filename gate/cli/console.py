"""Words for people on stderr, where they can do no harm; data on stdout or in files, or an error."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import sys
from typing import TYPE_CHECKING, Final, TextIO

from gate.errors import GateError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _typeshed import ReadableBuffer
    from rich.progress import TaskID

    from gate.errors import ExitCode
    from gate.report.interface import Format

_STDERR: Final = 2


class Outcome(Exception):  # noqa: N818 - no error: how a command ends that decided something
    """The exit code of a decision of ours: nothing else makes the command exit with 1."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code.name)
        self.code = code


class OutputError(GateError):
    """What was asked for could not be written where it was wanted (exit 3)."""

    def __init__(self, where: str, error: OSError) -> None:
        super().__init__(f"cannot write {where}: {error.strerror or error}")
        self.reader_left = isinstance(error, BrokenPipeError)


def complain(message: str, hint: str | None) -> None:
    """Print an error and what to do about it on stderr."""
    say(f"gate: {printable(message, None)}")
    if hint:
        say(f"      {printable(hint, None)}")


def say(line: str) -> None:
    """Print one line for people on stderr; where that cannot be, nothing else happens."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):  # a disk that is full, a reader that left, a closed file
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class _Stderr(io.FileIO):
    """The descriptor of stderr, which takes whatever it is given, written or not."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            written = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written


def prepare_streams() -> None:
    """Make the standard streams of this process such that talking to people cannot end it.

    A stream that was closed gets the null device, or the next file to be opened would take its number and
    be written to by whatever prints.  What the encoding of stdout lacks is spelled out.
    """
    with contextlib.suppress(OSError):  # no null device, or stderr is a folder: then they stay as they are
        while (handle := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
            pass
        os.close(handle)
        encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
        stderr = io.BufferedWriter(_Stderr(_STDERR, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(stderr, encoding, "backslashreplace", line_buffering=True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def settle_stdout() -> None:
    """Write out what libraries left in stdout; the interpreter would exit with 120 where it cannot."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _abandon_stdout()


def write(text: str, *, data: bool = False) -> None:
    """Write to stdout; ``data`` is UTF-8 whatever the encoding of the terminal is.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    if sys.stdout is None:
        raise OutputError("stdout", OSError(errno.EBADF, "it is closed"))
    whole = text if text.endswith("\n") else text + "\n"
    try:
        if data:
            sys.stdout.flush()
            sys.stdout.buffer.write(whole.encode("utf-8", "backslashreplace"))
        else:
            sys.stdout.write(whole)
        sys.stdout.flush()
    except OSError as error:
        _abandon_stdout()
        raise OutputError("stdout", error) from error


def _abandon_stdout() -> None:
    """Let what is still buffered go nowhere, or the interpreter complains of it again at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def deliver(text: str, output: Path | None, format_name: str = "text") -> None:
    """Write ``text`` to ``output`` or to stdout (None or ``-``): files, and all formats but text, are UTF-8.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    from gate.cli.files import is_stdout, write_file  # noqa: PLC0415 - not every command writes files

    if output is None or is_stdout(output):
        write(text, data=format_name != "text")
        return
    try:
        write_file(output, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise OutputError(str(output), error) from error


def seen(stream: TextIO | None) -> bool:
    """Tell whether somebody sees a stream as it is written: a terminal."""
    return stream is not None and stream.isatty()


def report_format(name: str, output: Path | None, *, people: bool = False) -> Format:
    """Return a format set up for where it goes: colour and width only on a terminal.

    ``people`` says that it goes to stderr.
    """
    from gate.report import get_format  # noqa: PLC0415 - keeps `gate --help` fast

    stream = sys.stderr if people else sys.stdout
    if output is not None or not seen(stream):
        return get_format(name)
    width = max(60, shutil.get_terminal_size().columns)
    return get_format(name, color="NO_COLOR" not in os.environ, width=width)


def colored(output: Path | None) -> bool:
    """Tell whether what goes to ``output`` (None is stdout) is seen on a terminal that wants colour."""
    return output is None and seen(sys.stdout) and "NO_COLOR" not in os.environ


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a callback ``(stage, done, total)`` that draws bars on stderr, or None where nobody looks."""
    if quiet or not seen(sys.stderr):
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
