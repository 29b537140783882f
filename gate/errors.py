"""Errors the gate raises on purpose.

Library code raises a :class:`GateError`; only ``gate.cli`` prints it and turns it into an exit
code.  Every error carries a message a person can act on, a hint that says what to do next and,
where one exists, the place in a file it speaks of.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the ``gate`` command; their order of precedence is in ``worst``."""

    PASSED = 0
    BLOCKED = 1
    USAGE = 2
    FAILED = 3
    INCONCLUSIVE = 4
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a text file; lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return ``file:line:column`` with the parts that are known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


class GateError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    message:
        What went wrong, in one sentence.
    hint:
        What the reader can do about it.
    location:
        The file, line and column the message speaks of.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str | None = None, location: Location | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.location = location

    def __str__(self) -> str:
        """Return the location and the message, without the hint."""
        return f"{self.location}: {self.message}" if self.location else self.message


class UsageError(GateError):
    """A flag, setting, source or combination of them that cannot be used (exit 2)."""

    exit_code = ExitCode.USAGE


class PolicyError(UsageError):
    """A policy file that is not valid (exit 2); carries its location."""


class ModelError(GateError):
    """A model that cannot be read or that is not safe to read (exit 3)."""


class UnsafeModelError(ModelError):
    """A model file built to harm its reader: a lying header, a path outside, a bomb (exit 3)."""


class RegistryError(GateError):
    """The registry or its storage could not be reached or refused (exit 3)."""


class ResourceError(GateError):
    """Out of memory, disk or time (exit 3)."""


class NothingToMeasureError(GateError):
    """A model without a single matrix to measure (exit 4).

    Parameters
    ----------
    message, hint, location:
        As for every error.
    unsafe_globals:
        What loading the model would import, as ``ModelWeights`` lists it, for the rules that need no
        weights; None where nobody looked, which no rule may take for none.
    """

    exit_code = ExitCode.INCONCLUSIVE

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        location: Location | None = None,
        unsafe_globals: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, location=location)
        self.unsafe_globals = unsafe_globals
