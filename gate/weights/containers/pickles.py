"""Pickles, which an unpickler runs from the first byte on, whatever follows."""

from __future__ import annotations

import pickle
import pickletools
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, ModelError
from gate.weights.bytes_in_file import Cursor

if TYPE_CHECKING:
    from pickletools import ArgumentDescriptor, OpcodeInfo

_MOST_OPCODES: Final = 10_000
_LONGEST_NAME: Final = 1_024
_SEARCHED_AT_ONCE: Final = 2**20
_BY_BYTE: Final = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_NAMED_IMPORTS: Final = frozenset((*pickle.GLOBAL, *pickle.INST))
_COUNT_WIDTHS: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}


def begins_as_pickle(data: memoryview) -> bool:
    """Tell whether unpickling ``data`` would import something, or yield more than one plain value.

    Only the opcodes and the height of the stack are followed, so that everything an unpickler accepts
    is accepted here.  A single text or number does not count: some files that are no pickle begin so
    by chance, and nobody can load a model from it.  Nor does an extension code, which imports what the
    process has registered before: a file cannot.
    """
    try:
        return _Walk(data).finds()
    except ModelError:  # the bytes end, or an argument is none
        return False


class _Walk:
    """The opcodes from the first byte on, and how high the stack and its marks stand."""

    def __init__(self, data: memoryview) -> None:
        self.cursor = Cursor(data)
        self.height = 0
        self.marks: list[int] = []

    def finds(self) -> bool:
        for _ in range(_MOST_OPCODES):
            code = self.cursor.byte()
            opcode = _BY_BYTE.get(code)
            if opcode is None or not self._moves(opcode):
                return False
            if code == pickle.STACK_GLOBAL[0]:
                return True
            if code in _NAMED_IMPORTS:
                return _is_name(self._line()) and _is_name(self._line())
            if code == pickle.STOP[0]:
                return _holds_a_model(self.cursor.data)
            if opcode.arg is not None and not self._passes(opcode.arg, code):
                return False
        return True

    def _moves(self, opcode: OpcodeInfo) -> bool:
        """Take from the stack what the opcode takes and put what it puts; False when that is not there."""
        if opcode.name == "POP" and self.marks and self.marks[-1] == self.height:
            self.marks.pop()
            return True
        if opcode.name == "MARK":
            self.marks.append(self.height)
            return True
        taken = len(opcode.stack_before)
        if pickletools.markobject in opcode.stack_before:
            if not self.marks:
                return False
            self.height = self.marks.pop()
            taken = opcode.stack_before.index(pickletools.markobject)
        if self.height < taken:
            return False
        self.height += len(opcode.stack_after) - taken
        return True

    def _passes(self, argument: ArgumentDescriptor, code: int) -> bool:
        """Move past an argument; False when it is a persistent id that no unpickler takes."""
        if argument.n == pickletools.UP_TO_NEWLINE:
            line = self._line()
            return code != pickle.PERSID[0] or line.isascii()
        width, signed = _COUNT_WIDTHS.get(argument.n, (0, False))
        count = argument.n
        if width:
            count = self.cursor.signed(width) if signed else self.cursor.unsigned(width)
        self.cursor.skip(count)
        return True

    def _line(self) -> bytes:
        """Move past the next newline, however far it is, and return what is before it."""
        start = position = self.cursor.position
        data = self.cursor.data
        while position < len(data):
            window = bytes(data[position : position + _SEARCHED_AT_ONCE])
            length = window.find(b"\n")
            if length >= 0:
                self.cursor.position = position + length + 1
                return bytes(data[start : position + length])
            position += len(window)
        raise ModelError("a line of the pickle does not end")


def _is_name(line: bytes) -> bool:
    """Tell whether a module or class can be called so: JSON that is taken for a pickle has long lines."""
    if len(line) > _LONGEST_NAME:
        return False
    try:
        return line.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _holds_a_model(data: memoryview) -> bool:
    """Tell whether a pickle that imports nothing is one of torch's, or holds a container."""
    from gate.weights.pytorch.legacy_reader import MAGIC_NUMBER  # noqa: PLC0415 - as in simple.py
    from gate.weights.pytorch.pickle_machine import interpret  # noqa: PLC0415
    from gate.weights.pytorch.values import Blob  # noqa: PLC0415

    try:
        value = interpret(data, lenient=True).value
    except GateError:  # it ends as a pickle does, but we cannot tell with what
        return True
    return value == MAGIC_NUMBER or not isinstance(value, str | int | float | Blob | None)
