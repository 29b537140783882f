"""What each pickle opcode does, as a table from its byte to a function of the machine."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.pytorch.limits import MAX_INTEGER_BYTES, MAX_STRING_BYTES, MAX_TEXT_BYTES
from gate.weights.pytorch.values import Blob, Items

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.weights.pytorch.pickle_machine import Machine

STOP: Final = pickle.STOP[0]
_NEWEST_PROTOCOL: Final = 5


def _protocol(machine: Machine) -> None:
    protocol = machine.cursor.byte()
    if protocol > _NEWEST_PROTOCOL:
        raise ModelError(
            f"the pickle is of protocol {protocol}; {_NEWEST_PROTOCOL} is the newest", hint=CUT_SHORT
        )


def _frame(machine: Machine) -> None:
    size = machine.cursor.unsigned(8)
    if size > machine.cursor.remaining:
        raise ModelError(
            f"a frame of {size} bytes is announced where {machine.cursor.remaining} are left", hint=CUT_SHORT
        )


# numbers


def _integer_text(line: bytes) -> int:
    if len(line) > MAX_INTEGER_BYTES:
        raise ModelError("the pickle holds an integer of absurd length", hint=CUT_SHORT)
    try:
        return int(line.rstrip(b"L"))
    except ValueError as error:
        raise ModelError("the pickle holds an integer that is none", hint=CUT_SHORT) from error


def _int(machine: Machine) -> None:
    line = machine.cursor.line()
    machine.push({b"00": False, b"01": True}[line] if line in {b"00", b"01"} else _integer_text(line))


def _long(machine: Machine) -> None:
    machine.push(_integer_text(machine.cursor.line()))


def _long_of(machine: Machine, size: int) -> None:
    if not 0 <= size <= MAX_INTEGER_BYTES:
        raise ModelError(f"the pickle holds an integer of {size} bytes", hint=CUT_SHORT)
    machine.push(machine.cursor.signed(size))


def _float(machine: Machine) -> None:
    line = machine.cursor.line()
    try:
        machine.push(float(line[:MAX_INTEGER_BYTES]))
    except ValueError as error:
        raise ModelError("the pickle holds a number that is none", hint=CUT_SHORT) from error


# text and bytes


def _text(machine: Machine, size: int) -> None:
    """Push text of ``size`` bytes; what is long or not UTF-8 stays in the file."""
    start = machine.cursor.skip(size)
    blob = Blob(start, size)
    if size > MAX_STRING_BYTES:
        machine.push(blob)
        return
    _charge_text(machine, size)
    try:
        machine.push(str(machine.cursor.data[start : start + size], "utf-8"))
    except UnicodeDecodeError:
        machine.push(blob)


def _charge_text(machine: Machine, size: int) -> None:
    machine.text_bytes += size
    if machine.text_bytes > MAX_TEXT_BYTES:
        raise UnsafeModelError(f"the pickle holds more than {MAX_TEXT_BYTES} bytes of text")


def _blob(machine: Machine, size: int) -> None:
    machine.push(Blob(machine.cursor.skip(size), size))


def _quoted(machine: Machine) -> None:
    line = machine.cursor.line()
    _charge_text(machine, len(line))
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in {b"'", b'"'}:  # noqa: PLR2004 - two quotes
        raise ModelError("the pickle holds a string without quotes", hint=CUT_SHORT)
    text = line[1:-1]
    if b"\\" in text:  # what needs escapes is data, no name
        machine.push(Blob(machine.cursor.position - len(line) - 1, len(line)))
    else:
        machine.push(_decoded(text, "utf-8"))


def _unicode_line(machine: Machine) -> None:
    line = machine.cursor.line()
    _charge_text(machine, len(line))
    text = _decoded(line, "raw_unicode_escape")
    # a lone surrogate could not even be printed
    is_text = not any("\ud800" <= character <= "\udfff" for character in text)
    machine.push(text if is_text else Blob(machine.cursor.position - len(line) - 1, len(line)))


def _decoded(line: bytes, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        raise ModelError("the pickle holds text that is none", hint=CUT_SHORT) from error


def _name_line(machine: Machine) -> str:
    line = machine.cursor.line()
    _charge_text(machine, len(line))
    if len(line) > MAX_STRING_BYTES:
        raise UnsafeModelError("the pickle names a global of absurd length")
    return _decoded(line, "utf-8")


# containers


def _mark(machine: Machine) -> None:
    machine.marks.append(len(machine.stack))


def _dict(machine: Machine) -> None:
    values = machine.pop_to_mark()
    made: dict[object, object] = {}
    machine.set_items(made, values)
    machine.push(made)


def _tuple_of(machine: Machine, size: int) -> None:
    values = [machine.pop() for _ in range(size)]
    machine.push(tuple(reversed(values)))


def _append(machine: Machine) -> None:
    value = machine.pop()
    machine.extend(machine.top(), [value])


def _extend(machine: Machine) -> None:
    values = machine.pop_to_mark()
    machine.extend(machine.top(), values)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items(machine.top(), [key, value])


def _set_items(machine: Machine) -> None:
    values = machine.pop_to_mark()
    machine.set_items(machine.top(), values)


def _pop(machine: Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()


def _pop_mark(machine: Machine) -> None:
    machine.pop_to_mark()


# globals, calls, instances


def _global(machine: Machine) -> None:
    module, name = _name_line(machine), _name_line(machine)
    machine.push(machine.name_global(module, name))


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.push(machine.name_global(module, name))


def _extension(machine: Machine, code: int) -> None:
    # whatever the loading process has registered under the number: always reported
    machine.push(machine.name_global("copyreg", f"extension.{code}"))


def _inst(machine: Machine) -> None:
    module, name = _name_line(machine), _name_line(machine)
    arguments = tuple(machine.pop_to_mark())
    machine.push(machine.call(machine.name_global(module, name), arguments))


def _obj(machine: Machine) -> None:
    values = machine.pop_to_mark()
    if not values:
        raise ModelError("the pickle makes an object without a class", hint=CUT_SHORT)
    machine.push(machine.call(values[0], tuple(values[1:])))


def _reduce(machine: Machine) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.push(machine.call(function, arguments))


def _new_object(machine: Machine) -> None:
    arguments, cls = machine.pop(), machine.pop()
    machine.push(machine.instantiate(cls, arguments))


def _new_object_with_keywords(machine: Machine) -> None:
    keywords, arguments, cls = machine.pop(), machine.pop(), machine.pop()
    if not isinstance(arguments, tuple):
        raise ModelError("the pickle instantiates with something other than a tuple", hint=CUT_SHORT)
    if keywords:
        machine.spend(len(arguments))
        arguments = (*arguments, keywords)
    machine.push(machine.instantiate(cls, arguments))


def _build(machine: Machine) -> None:
    state = machine.pop()
    machine.build(machine.top(), state)


def _out_of_band(_machine: Machine) -> None:
    raise ModelError("the pickle keeps its data in buffers outside the file")


HANDLERS: Final[dict[int, Callable[[Machine], None]]] = {
    code[0]: handler
    for code, handler in {
        pickle.PROTO: _protocol,
        pickle.FRAME: _frame,
        pickle.NONE: lambda machine: machine.push(None),
        pickle.NEWTRUE: lambda machine: machine.push(True),
        pickle.NEWFALSE: lambda machine: machine.push(False),
        pickle.INT: _int,
        pickle.BININT: lambda machine: machine.push(machine.cursor.signed(4)),
        pickle.BININT1: lambda machine: machine.push(machine.cursor.byte()),
        pickle.BININT2: lambda machine: machine.push(machine.cursor.unsigned(2)),
        pickle.LONG: _long,
        pickle.LONG1: lambda machine: _long_of(machine, machine.cursor.byte()),
        pickle.LONG4: lambda machine: _long_of(machine, machine.cursor.signed(4)),
        pickle.FLOAT: _float,
        pickle.BINFLOAT: lambda machine: machine.push(machine.cursor.double()),
        pickle.STRING: _quoted,
        pickle.BINSTRING: lambda machine: _text(machine, machine.cursor.signed(4)),
        pickle.SHORT_BINSTRING: lambda machine: _text(machine, machine.cursor.byte()),
        pickle.UNICODE: _unicode_line,
        pickle.BINUNICODE: lambda machine: _text(machine, machine.cursor.unsigned(4)),
        pickle.SHORT_BINUNICODE: lambda machine: _text(machine, machine.cursor.byte()),
        pickle.BINUNICODE8: lambda machine: _text(machine, machine.cursor.unsigned(8)),
        pickle.BINBYTES: lambda machine: _blob(machine, machine.cursor.unsigned(4)),
        pickle.SHORT_BINBYTES: lambda machine: _blob(machine, machine.cursor.byte()),
        pickle.BINBYTES8: lambda machine: _blob(machine, machine.cursor.unsigned(8)),
        pickle.BYTEARRAY8: lambda machine: _blob(machine, machine.cursor.unsigned(8)),
        pickle.NEXT_BUFFER: _out_of_band,
        pickle.READONLY_BUFFER: _out_of_band,
        pickle.MARK: _mark,
        pickle.EMPTY_TUPLE: lambda machine: machine.push(()),
        pickle.TUPLE: lambda machine: machine.push(tuple(machine.pop_to_mark())),
        pickle.TUPLE1: lambda machine: _tuple_of(machine, 1),
        pickle.TUPLE2: lambda machine: _tuple_of(machine, 2),
        pickle.TUPLE3: lambda machine: _tuple_of(machine, 3),
        pickle.EMPTY_LIST: lambda machine: machine.push([]),
        pickle.LIST: lambda machine: machine.push(machine.pop_to_mark()),
        pickle.APPEND: _append,
        pickle.APPENDS: _extend,
        pickle.EMPTY_DICT: lambda machine: machine.push({}),
        pickle.DICT: _dict,
        pickle.SETITEM: _set_item,
        pickle.SETITEMS: _set_items,
        pickle.EMPTY_SET: lambda machine: machine.push(Items([])),
        pickle.FROZENSET: lambda machine: machine.push(Items(machine.pop_to_mark())),
        pickle.ADDITEMS: _extend,
        pickle.POP: _pop,
        pickle.POP_MARK: _pop_mark,
        pickle.DUP: lambda machine: machine.push(machine.top()),
        pickle.PUT: lambda machine: machine.memoize(_integer_text(machine.cursor.line())),
        pickle.BINPUT: lambda machine: machine.memoize(machine.cursor.byte()),
        pickle.LONG_BINPUT: lambda machine: machine.memoize(machine.cursor.unsigned(4)),
        pickle.MEMOIZE: lambda machine: machine.memoize(len(machine.memo)),
        pickle.GET: lambda machine: machine.recall(_integer_text(machine.cursor.line())),
        pickle.BINGET: lambda machine: machine.recall(machine.cursor.byte()),
        pickle.LONG_BINGET: lambda machine: machine.recall(machine.cursor.unsigned(4)),
        pickle.GLOBAL: _global,
        pickle.STACK_GLOBAL: _stack_global,
        pickle.EXT1: lambda machine: _extension(machine, machine.cursor.byte()),
        pickle.EXT2: lambda machine: _extension(machine, machine.cursor.unsigned(2)),
        pickle.EXT4: lambda machine: _extension(machine, machine.cursor.signed(4)),
        pickle.INST: _inst,
        pickle.OBJ: _obj,
        pickle.REDUCE: _reduce,
        pickle.NEWOBJ: _new_object,
        pickle.NEWOBJ_EX: _new_object_with_keywords,
        pickle.BUILD: _build,
        pickle.PERSID: lambda machine: machine.push(machine.persistent(_name_line(machine))),
        pickle.BINPERSID: lambda machine: machine.push(machine.persistent(machine.pop())),
    }.items()
}
"""Every opcode but STOP."""
