"""The bytes of a model file: mapped, and read through a cursor that never leaves them."""

from __future__ import annotations

import mmap
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, Location, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINE_BYTES: Final = 2**16
"""A line of the text opcodes (protocol 0), so that a missing newline is not searched for over gigabytes."""

CUT_SHORT: Final = "The file is cut short or damaged: fetch or export it again."

_MAX_SHOWN: Final = 80
_FIRST_LINE_WINDOW: Final = 64  # most lines are short, and there may be millions of them


def shown(text: str) -> str:
    """Return text of the file as one short, printable, quoted word for a message."""
    return ascii(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")


def map_file(path: Path) -> memoryview:
    """Return the whole file as a read-only view; nothing of it is in memory yet.

    Raises
    ------
    gate.errors.ModelError
        The file is empty or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) == 0:
                raise ModelError("the file is empty", hint=CUT_SHORT)
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from error


@contextmanager
def speaking_of(path: Path) -> Iterator[None]:
    """Name the file in every error raised within."""
    try:
        yield
    except GateError as error:
        if error.location is not None:
            raise
        raise type(error)(error.message, hint=error.hint, location=Location(path.name)) from error


class Cursor:
    """Reads forward through ``data`` from ``position``; leaving the data is a ModelError."""

    __slots__ = ("data", "position")

    def __init__(self, data: memoryview, position: int = 0) -> None:
        self.data = data
        self.position = position

    @property
    def remaining(self) -> int:
        """Number of bytes after the position."""
        return len(self.data) - self.position

    def skip(self, count: int) -> int:
        """Move past ``count`` bytes and return where they began."""
        start = self.position
        if count < 0 or count > len(self.data) - start:
            raise ModelError(
                f"{count} bytes are wanted at byte {start} of {len(self.data)}, past the end",
                hint=CUT_SHORT,
            )
        self.position = start + count
        return start

    def take(self, count: int) -> memoryview:
        """Return the next ``count`` bytes, not copied."""
        start = self.skip(count)
        return self.data[start : start + count]

    def byte(self) -> int:
        """Return the next byte."""
        return self.data[self.skip(1)]

    def unsigned(self, width: int) -> int:
        """Return the next little-endian unsigned integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little")

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Return the integers that stand next, all at once: singly takes twice as long."""
        return layout.unpack_from(self.data, self.skip(layout.size))

    def signed(self, width: int) -> int:
        """Return the next little-endian signed integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little", signed=True)

    def double(self) -> float:
        """Return the next big-endian double, as pickles store them."""
        value: float = struct.unpack(">d", self.take(8))[0]
        return value

    def line(self) -> bytes:
        """Return the text up to the next newline, without it."""
        size = _FIRST_LINE_WINDOW
        while size <= MAX_LINE_BYTES:
            window = bytes(self.data[self.position : self.position + size])
            length = window.find(b"\n")
            if length >= 0:
                self.position += length + 1
                return window[:length]
            size *= 4
        raise ModelError(f"no end of line after byte {self.position}", hint=CUT_SHORT)
