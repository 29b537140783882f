"""A pickle machine that cannot execute anything.

It interprets every opcode of protocols 0 to 5 (PEP 307, 3154, 574; ``pickletools`` documents them)
over the mapped bytes.  Plain values become plain values, torch's tensors become
:class:`~gate.weights.pytorch.values.Tensor` records, every other object an inert
:class:`~gate.weights.pytorch.values.Stub`.  No module is imported, no attribute looked up, nothing
called.  Shared references stay shared; copying containers is charged to the same budget as steps.

What is reported as unsafe is told by :mod:`.uses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import ModelError, UnsafeModelError
from gate.weights.budget import Budget, OverBudgetError
from gate.weights.bytes_in_file import CUT_SHORT, Cursor, shown
from gate.weights.pytorch.dtypes import storage_dtype
from gate.weights.pytorch.known import (
    CALLABLE,
    DICT_TYPES,
    NEW_OBJECT,
    PASSED_THROUGH,
    REBUILD_FROM_TYPE,
    RECONSTRUCTOR,
    SEQUENCE_TYPES,
    SET_TYPES,
    present_name,
)
from gate.weights.pytorch.limits import MAX_EXTENT, MAX_GLOBAL_LENGTH, MAX_OPERATIONS
from gate.weights.pytorch.opcodes import HANDLERS, STOP
from gate.weights.pytorch.rebuild import TENSOR_FUNCTIONS, from_type
from gate.weights.pytorch.uses import Uses
from gate.weights.pytorch.values import (
    GlobalName,
    Items,
    OpaqueKey,
    OpaqueTensor,
    Storage,
    Stub,
    Tensor,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, eq=False)
class Pickle:
    """What one pickle holds: its value, where it ends, what it names, the tensors it describes.

    ``storages`` are those it names as a whole, whether or not a tensor views them.
    """

    value: object
    end: int
    unsafe_globals: frozenset[str]
    tensors: tuple[Tensor, ...]
    storages: tuple[Storage, ...]


def interpret(
    data: memoryview,
    start: int = 0,
    *,
    script: bool = False,
    lenient: bool = False,
    budget: Budget | None = None,
) -> Pickle:
    """Interpret the pickle at ``start`` of ``data``.

    Parameters
    ----------
    script:
        Read TorchScript's dialect: its own classes are known, and storages may be viewed as
        several element types.
    lenient:
        Take persistent ids other than torch's as inert values: for a scan of any pickle.
    budget:
        What this pickle shares with others of the same file.

    Raises
    ------
    gate.errors.ModelError
        The bytes are no pickle, or are cut short.
    gate.errors.UnsafeModelError
        It names a global by other than a text of reasonable length, or changes a tensor it has described.
    gate.weights.budget.OverBudgetError
        The pickle takes more steps than any real model.
    """
    budget = budget or Budget()
    most = min(MAX_OPERATIONS, budget.left())
    machine = Machine(Cursor(data, start), script=script, lenient=lenient, most=most)
    try:
        value = machine.run()
    finally:
        budget.spend(machine.spent)  # says whose budget it was that did not suffice
    return Pickle(
        value,
        machine.cursor.position,
        machine.unsafe_globals(),
        tuple(machine.tensors),
        tuple(machine.storages.values()),
    )


class Machine:
    """The stack, the memo and the rules; ``opcodes.py`` has what each opcode does with them."""

    __slots__ = (
        "_lenient",
        "_script",
        "_uses",
        "cursor",
        "marks",
        "memo",
        "most",
        "spent",
        "stack",
        "storages",
        "tensors",
        "text_bytes",
    )

    def __init__(self, cursor: Cursor, *, script: bool, lenient: bool, most: int = MAX_OPERATIONS) -> None:
        self.cursor = cursor
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.tensors: list[Tensor] = []
        self.text_bytes = 0
        self._script = script
        self._lenient = lenient
        self.spent = 0
        self.most = most
        self.storages: dict[tuple[str, str], Storage] = {}
        self._uses = Uses(script=script)

    def run(self) -> object:
        """Interpret up to the end of the pickle and return its value."""
        cursor = self.cursor
        while (code := cursor.byte()) != STOP:
            handler = HANDLERS.get(code)
            if handler is None:
                raise ModelError(
                    f"byte {code:#04x} at {cursor.position - 1} is no pickle opcode", hint=CUT_SHORT
                )
            self.spend(1)
            handler(self)
        value = self.pop()
        if self.stack or self.marks:
            raise ModelError("the pickle leaves values behind", hint=CUT_SHORT)
        return value

    def spend(self, steps: int) -> None:
        """Charge ``steps`` to the budget of the pickle."""
        self.spent += steps
        if self.spent > self.most:
            raise OverBudgetError(
                f"the pickle takes more than {MAX_OPERATIONS} steps, more than any real model needs",
                hint="Save the state dict alone, without training history or data.",
            )

    def unsafe_globals(self) -> frozenset[str]:
        """Return what loading this pickle would import or call, other than what is known."""
        return self._uses.reported()

    # the stack

    def push(self, value: object) -> None:
        """Put ``value`` on the stack; a global that comes there counts as used."""
        if isinstance(value, GlobalName):
            self._uses.count(value, 1)
        self.stack.append(value)

    def pop(self) -> object:
        """Take the top of the stack; a mark protects what is below it."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ModelError(f"the pickle's stack is empty at byte {self.cursor.position}", hint=CUT_SHORT)
        return self.stack.pop()

    def top(self) -> object:
        """Return the top of the stack and leave it there."""
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_to_mark(self) -> list[object]:
        """Take everything down to the last mark, and the mark."""
        if not self.marks:
            raise ModelError(f"the pickle has no mark at byte {self.cursor.position}", hint=CUT_SHORT)
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def memoize(self, index: int) -> None:
        """Remember the top of the stack as ``index``."""
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Push what was remembered as ``index``."""
        if index not in self.memo:
            raise ModelError(f"the pickle recalls {index}, which it never stored", hint=CUT_SHORT)
        self.push(self.memo[index])

    # globals and calls

    def name_global(self, module: object, name: object) -> GlobalName:
        """Return the inert form of a global; report it if it is not known."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnsafeModelError("the pickle names a global by something other than text")
        if len(module) + len(name) > MAX_GLOBAL_LENGTH:
            raise UnsafeModelError(f"the pickle names a global of {len(module) + len(name)} characters")
        named = GlobalName(*present_name(module, name))
        self._uses.name(named)
        return named

    def call(self, function: object, arguments: object) -> object:
        """Return what stands for ``function(*arguments)``; report the call unless it is known."""
        if not isinstance(arguments, tuple):
            raise ModelError("the pickle calls with something other than a tuple", hint=CUT_SHORT)
        if not isinstance(function, GlobalName) or function.qualified not in CALLABLE:
            self._uses.report(function)
            return Stub(function, arguments, called=True)
        name = function.qualified
        self._uses.report_instances(arguments)
        if name in TENSOR_FUNCTIONS:
            return self._seen(TENSOR_FUNCTIONS[name](arguments))
        if name == REBUILD_FROM_TYPE:
            return self._rebuilt_from_type(arguments)
        if name in {RECONSTRUCTOR, NEW_OBJECT}:
            return self._reconstructed(name, arguments)
        return self._plain(function, arguments)

    def _seen(self, made: object) -> object:
        if isinstance(made, Tensor):
            self.tensors.append(made)
            figures = (made.quantizer.scale, made.quantizer.zero_point) if made.quantizer else ()
            self.spend(sum(len(copied) for copied in figures if isinstance(copied, tuple)))
        return made

    def _rebuilt_from_type(self, arguments: tuple[object, ...]) -> object:
        function, _, inner, state = (*arguments[:4], None, None, None, None)[:4]
        if not isinstance(function, GlobalName) or function.qualified not in CALLABLE:
            self._uses.report(function)
        if isinstance(inner, tuple):
            self._uses.report_instances(inner)
        return self._seen(from_type(function, inner, state))

    def _reconstructed(self, name: str, arguments: tuple[object, ...]) -> object:
        self.spend(len(arguments))
        self._uses.count_repeated(arguments)
        match arguments:
            case (cls, GlobalName(module="builtins", name="object"), None) if name == RECONSTRUCTOR:
                return self.instantiate(cls, ())
            case (cls, *rest):
                return self.instantiate(cls, tuple(rest))
            case _:
                raise ModelError("the pickle makes an object without a class", hint=CUT_SHORT)

    def _plain(self, function: GlobalName, arguments: tuple[object, ...]) -> object:
        """Return the plain value or container that a known callable makes; copies are charged."""
        name = function.qualified
        first = arguments[0] if arguments else ()
        if name in PASSED_THROUGH:
            return first
        if name in DICT_TYPES:
            return self._dictionary(first)
        if name == "collections.defaultdict":
            return self._dictionary(arguments[1] if len(arguments) > 1 else ())
        contents = first.items if isinstance(first, Items) else first
        if name not in SEQUENCE_TYPES | SET_TYPES or not isinstance(contents, list | tuple):
            return Stub(function, arguments, called=True)
        self.spend(len(contents))
        return Items(list(contents)) if name in SET_TYPES else list(contents)

    def _dictionary(self, contents: object) -> dict[object, object]:
        made: dict[object, object] = {}
        if isinstance(contents, dict | list | tuple):
            self.spend(len(contents))
        if isinstance(contents, dict):
            made.update(contents)
        elif isinstance(contents, list | tuple):
            for pair in contents:
                if not isinstance(pair, list | tuple) or len(pair) != 2:  # noqa: PLR2004 - key and value
                    raise ModelError("the pickle makes a dictionary of something other than pairs")
                made[key_of(pair[0])] = pair[1]
        return made

    def instantiate(self, cls: object, arguments: object) -> object:
        """Return what stands for ``cls.__new__(cls, *arguments)``."""
        if not isinstance(arguments, tuple):
            raise ModelError("the pickle instantiates with something other than a tuple", hint=CUT_SHORT)
        self._uses.report_instances(arguments)
        if isinstance(cls, GlobalName):
            if cls.qualified in DICT_TYPES | SEQUENCE_TYPES | SET_TYPES | PASSED_THROUGH:
                return self._plain(cls, arguments)
            if arguments:
                self._uses.report_unknown(cls)
        elif isinstance(cls, Stub):
            self._uses.report(cls)
        return Stub(cls, arguments)

    def build(self, target: object, state: object) -> None:
        """Give ``target`` its state; making an instance with a module's state is an excused use."""
        self._uses.report_instances(state if isinstance(state, tuple) else (state,))  # asked for its items
        if isinstance(target, GlobalName):
            self._uses.report(target)  # would change the class or function itself
        elif isinstance(target, Stub):
            self._set_state(target, state)
        elif isinstance(target, Tensor | OpaqueTensor | Storage):
            # Tensor.__setstate__ takes other values from it; torch writes no such thing
            raise UnsafeModelError("the pickle changes a tensor after it has described it")
        elif not isinstance(target, dict | Items):
            raise ModelError("the pickle gives a state to a plain value", hint=CUT_SHORT)

    def _set_state(self, target: Stub, state: object) -> None:
        # (attributes, slots) is how objects with __slots__ are written
        parts: Sequence[object] = state if isinstance(state, tuple) and len(state) == 2 else (state,)  # noqa: PLR2004
        if all(part is None or isinstance(part, dict) for part in parts):
            for part in parts:
                if isinstance(part, dict):
                    self.spend(len(part))
                    target.attributes.update(part)
        else:
            target.state = state
        self._uses.excuse_module(target, state)
        target.built = True

    def extend(self, target: object, values: list[object]) -> None:
        """Append ``values`` to a list, set or an instance that stands for one."""
        if isinstance(target, GlobalName | Stub):
            self._uses.report(target)  # a method of its own would be called
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, Items | Stub):
            target.items.extend(values)
        elif not isinstance(target, GlobalName):
            raise ModelError("the pickle appends to something that is no list", hint=CUT_SHORT)

    def set_items(self, target: object, values: list[object]) -> None:
        """Set alternating keys and values in a dictionary or an instance that stands for one."""
        if len(values) % 2:
            raise ModelError("the pickle sets a key without a value", hint=CUT_SHORT)
        if isinstance(target, GlobalName | Stub):
            self._uses.report(target)  # a method of its own would be called
        if isinstance(target, GlobalName):
            return
        entries = target.entries if isinstance(target, Stub) else target
        if not isinstance(entries, dict):
            raise ModelError("the pickle sets an item of something that is no dictionary", hint=CUT_SHORT)
        for key, value in zip(values[::2], values[1::2], strict=True):
            entries[key_of(key)] = value

    # torch's persistent ids

    def persistent(self, identity: object) -> object:
        """Return the storage a persistent id names: ``("storage", class, key, location, elements, view)``."""
        match identity:
            case ("storage", GlobalName() as cls, str() | int() as key, str() as location, int() as elements):
                return self._storage(cls, str(key), location, elements)
            case (
                "storage",
                GlobalName() as cls,
                str() | int() as key,
                str() as location,
                int() as elements,
                view,
            ):
                return self._window(self._storage(cls, str(key), location, elements), view)
            case ("module", GlobalName() as cls, *_) if isinstance(identity, tuple):
                if self._uses.is_first(identity):
                    self._uses.count(cls, -1)  # it comes onto the stack again
                return cls  # torch before 1.0 kept the class's source beside it
            case _ if self._lenient:
                return Stub(None, (identity,))
            case _:
                raise ModelError("the pickle refers to something that is no torch storage", hint=CUT_SHORT)

    def _storage(self, cls: GlobalName, key: str, location: str, elements: int) -> Storage:
        dtype = storage_dtype(cls.module, cls.name)
        if dtype is None:
            raise ModelError(f"{shown(cls.qualified)} is no storage class", hint=CUT_SHORT)
        if not 0 <= elements <= MAX_EXTENT:
            raise ModelError(f"storage {shown(key)} claims {elements} elements", hint=CUT_SHORT)
        # TorchScript writes one storage per element type it is viewed as; torch.save never does
        known = self.storages.setdefault(
            (key, dtype if self._script else ""), Storage(key, dtype, elements, location)
        )
        if (known.dtype, known.elements) != (dtype, elements):
            raise UnsafeModelError(f"storage {shown(key)} is described in two ways")
        return known

    def _window(self, storage: Storage, view: object) -> Storage:
        match view:
            case None:
                return storage
            case (_, int() as start, int() as elements) if (
                start >= 0 and 0 <= elements <= storage.elements - start
            ):
                return Storage(storage.key, storage.dtype, elements, storage.location, storage.start + start)
            case _:
                raise ModelError(
                    f"a window into storage {shown(storage.key)} lies outside it", hint=CUT_SHORT
                )


def key_of(value: object) -> object:
    """Return ``value`` as a dictionary key: itself when plain, by identity otherwise.

    Hashing a structure would walk it by recursion, through every shared part again.
    """
    return value if value is None or isinstance(value, str | int | float) else OpaqueKey(value)
