"""The application and the guard around it: whatever happens, the exit code means what it says."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from gate import __version__
from gate.cli.commands import add_commands
from gate.cli.console import Outcome, complain, prepare_streams, say, settle_stdout, write
from gate.errors import ExitCode, GateError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def application(words: Sequence[str] | None = None) -> typer.Typer:
    """Return the application with the command that ``words`` begin with, else with every command."""
    app = typer.Typer(
        name="gate",
        help="A quality gate for the MLflow model registry: judges models by the spectra of their weights.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    add_commands(app, words)
    return app


def _show_version(*, wanted: bool) -> None:
    if wanted:
        write(f"mlflow-spectral-gate {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=lambda value: _show_version(wanted=value), is_eager=True),
    ] = False,
) -> None:
    """Judge registered models by the spectra of their weights; block what fails."""


_COMPLETE: Final = "_GATE_COMPLETE"
"""The variable in which a shell asks for completions; the words are then in others."""

_YOUNG_OBJECTS: Final = 50_000
"""Containers made and not yet gone from which on garbage is looked for; Python's own number is 700."""

_SPIN: Final = "16"
"""Logarithm to base 2 of the cycles that an idle thread of OpenBLAS waits awake; its own is 26."""


class _Terminated(BaseException):
    """SIGTERM arrived; raised so that temporary files are removed on the way out."""


def _on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; a crash of ours never looks like a refusal (exit 1)."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    prepare_streams()
    _begin_fast()
    code = run(arguments)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ours raises, which from here on would exit with 1
    settle_stdout()
    if threading.active_count() == 1:  # beside a thread in LAPACK it crashed, 3 interruptions of 14
        gc.freeze()  # or the interpreter looks for garbage among all modules before it ends: 35 ms
    sys.exit(code)


def _begin_fast() -> None:
    """Set what a process of our own may set, before anything else is imported; no number depends on it.

    Importing makes nothing but what stays, and Python would look for garbage in it 80 times.
    OpenBLAS's threads spin for 25 ms when numpy is imported, and nobody has work for them.
    """
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _SPIN)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (docs/reference/exit-codes.md)."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app = application(None if _COMPLETE in os.environ else words)
        result = typer.main.get_command(app).main(
            args=None if arguments is None else words, prog_name="gate", standalone_mode=False
        )
    except BaseException as error:  # noqa: BLE001 - the top-level guard: no crash may look like exit 1
        return _explained(error)
    if result == ExitCode.INTERRUPTED:  # Typer takes Ctrl-C for itself and says nothing
        return _explained(KeyboardInterrupt())
    if result == ExitCode.BLOCKED:  # what decides raises Outcome: this is some library's idea of a failure
        return int(ExitCode.FAILED)
    return result if isinstance(result, int) else int(ExitCode.PASSED)


def _explained(error: BaseException) -> int:
    """Return the exit code that means what ended the command, even where telling it to a person fails."""
    try:
        return int(_explain(error))
    except BaseException:  # noqa: BLE001 - an error that cannot be shown, or a second Ctrl-C
        return int(ExitCode.FAILED)


def _explain(error: BaseException) -> ExitCode:
    """Tell a person what ended the command, and return the exit code that means it."""
    if isinstance(error, Outcome):
        return error.code
    if isinstance(error, GateError):
        _tell(error)
        return error.exit_code
    for kinds, code, message, hint in _ENDINGS:
        if isinstance(error, kinds):
            complain(message, hint)
            return code
    if isinstance(error, SystemExit):
        return _left(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        complain(str(error), None)
        return ExitCode.FAILED
    return _usage_or_fault(error)


def _left(error: SystemExit) -> ExitCode:
    """Return the exit code for a library's ``sys.exit``: that of completion may be 0, any other failed."""
    if _COMPLETE in os.environ and not error.code:
        return ExitCode.PASSED
    cause = error.__context__  # Typer ends so when the reader of its help is gone
    complain(f"a library ended the command: {cause or f'exit {error.code}'}", None)
    return ExitCode.FAILED


def _tell(error: GateError) -> None:
    """Show an error; of a policy file every mistake, not the first alone."""
    problems = getattr(error, "problems", ())
    for problem in problems:
        say(str(problem))  # file:line:column first, as editors and CI expect
    if not problems:
        complain(str(error), error.hint)


_UNDONE = "nothing half-written is left behind"
_ENDINGS: tuple[
    tuple[type[BaseException] | tuple[type[BaseException], ...], ExitCode, str, str | None], ...
] = (
    ((KeyboardInterrupt, typer.Abort), ExitCode.INTERRUPTED, f"interrupted; {_UNDONE}", None),
    (_Terminated, ExitCode.TERMINATED, f"terminated; {_UNDONE}", None),
    (MemoryError, ExitCode.FAILED, "out of memory", "Measure with --jobs 1, or on a larger machine."),
)


def _usage_or_fault(error: BaseException) -> ExitCode:
    """Tell a mistyped command from a fault of ours (Typer's own errors know how to show themselves)."""
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help, lines and all
        say(str(error))
        return ExitCode.USAGE
    show = getattr(error, "format_message", None)
    if getattr(error, "exit_code", None) == ExitCode.USAGE and callable(show):
        complain(str(show()), "`gate --help` lists the commands, `gate COMMAND --help` their flags.")
        return ExitCode.USAGE
    if os.environ.get("GATE_DEBUG"):
        import traceback  # noqa: PLC0415 - only here

        say("".join(traceback.format_exception(error)).rstrip("\n"))
        return ExitCode.FAILED
    complain(
        f"unexpected {type(error).__name__}: {error}",
        "This is a fault of the gate and no verdict. Run it again with GATE_DEBUG=1 and report it.",
    )
    return ExitCode.FAILED
