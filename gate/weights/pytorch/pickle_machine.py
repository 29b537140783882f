"""A pickle machine that cannot execute anything.

It interprets every opcode of protocols 0 to 5 (PEP 307, 3154, 574; ``pickletools`` documents them)
over the mapped bytes.  Plain values become plain values, torch's tensors become
:class:`~gate.weights.pytorch.values.Tensor` records, every other object an inert
:class:`~gate.weights.pytorch.values.Stub`.  No module is imported, no attribute looked up, nothing
called.  Shared references stay shared; copying containers is charged to the same budget as steps.

What is reported as unsafe: a global that is not known (``known.py``), unless every single use of it
makes a bare new instance that is given, once, a module's state (a plain dictionary with
``_parameters``, ``_buffers``, ``_modules``), as a user's own ``torch.nn.Module`` is.  So the same class
called with arguments, merely referenced, given any other state or a second one, or changed in place
is reported, and so is a call of its instance, or one with it; so is a known global that is not meant
to be called and is.  What remains is that loading imports the package which defines the class, and
that the class may have a ``__setstate__`` of its own: that is the model's own code, without which it
cannot be loaded at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
    is_known,
    may_be_module_class,
    present_name,
)
from gate.weights.pytorch.limits import (
    MAX_EXTENT,
    MAX_GLOBAL_LENGTH,
    MAX_OPERATIONS,
    MAX_UNKNOWN_GLOBALS,
)
from gate.weights.pytorch.opcodes import HANDLERS, STOP
from gate.weights.pytorch.rebuild import TENSOR_FUNCTIONS, from_type
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

_MODULE_STATE: Final = ("_parameters", "_buffers", "_modules")
_MOST_ARGUMENTS: Final = 8  # that a known callable looks at


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


def is_module_state(state: object) -> bool:
    """Tell whether ``state`` is the ``__dict__`` of a ``torch.nn.Module``."""
    return isinstance(state, dict) and all(isinstance(state.get(key), dict) for key in _MODULE_STATE)


class Machine:
    """The stack, the memo and the rules; ``opcodes.py`` has what each opcode does with them."""

    __slots__ = (
        "_called",
        "_lenient",
        "_script",
        "_spoken_for",
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
        # unknown global -> how often it came onto the stack other than to make a module
        self._uses: dict[str, int] = {}
        self._called: set[str] = set()
        self._spoken_for: dict[int, object] = {}

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
        return frozenset(self._called.union(name for name, uses in self._uses.items() if uses))

    # the stack

    def push(self, value: object) -> None:
        """Put ``value`` on the stack; a global that comes there counts as used."""
        if isinstance(value, GlobalName):
            self._count_use(value, 1)
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
        if not is_known(named, script=self._script):
            self._uses.setdefault(named.qualified, 0)
            if len(self._uses) > MAX_UNKNOWN_GLOBALS:
                raise UnsafeModelError(f"the pickle names more than {MAX_UNKNOWN_GLOBALS} unknown globals")
        return named

    def _count_use(self, named: GlobalName, times: int) -> None:
        # most pickles name nothing unknown, and recall what is known for every tensor
        if self._uses and named.qualified in self._uses:
            self._uses[named.qualified] += times

    def _is_first(self, spoken_for: tuple[object, ...]) -> bool:
        """Tell whether a class in this tuple, which may be recalled, accounts for its one use now."""
        is_first = id(spoken_for) not in self._spoken_for
        self._spoken_for[id(spoken_for)] = spoken_for
        return is_first

    def call(self, function: object, arguments: object) -> object:
        """Return what stands for ``function(*arguments)``; report the call unless it is known."""
        if not isinstance(arguments, tuple):
            raise ModelError("the pickle calls with something other than a tuple", hint=CUT_SHORT)
        if not isinstance(function, GlobalName) or function.qualified not in CALLABLE:
            self._report(function)
            return Stub(function, arguments, called=True)
        name = function.qualified
        self._report_instances(arguments)
        if name in TENSOR_FUNCTIONS:
            return self._seen(TENSOR_FUNCTIONS[name](arguments))
        if name == REBUILD_FROM_TYPE:
            return self._rebuilt_from_type(arguments)
        if name in {RECONSTRUCTOR, NEW_OBJECT}:
            return self._reconstructed(name, arguments)
        return self._plain(function, arguments)

    def _report(self, used: object) -> None:
        """Report a global that is called or changed, or whose instance is: its own code would run."""
        made_of = used.made_of if isinstance(used, Stub) else used
        # deeper there is nothing to add: whatever a stub was made from by a stub is reported already
        if isinstance(made_of, GlobalName):
            self._called.add(made_of.qualified)

    def _report_instances(self, arguments: tuple[object, ...]) -> None:
        """Report the classes of arguments: the known callables ask them for their length, parts or values."""
        for argument in arguments[:_MOST_ARGUMENTS] if self._uses else ():
            made_of = argument.made_of if isinstance(argument, Stub) else None
            if isinstance(made_of, GlobalName) and made_of.qualified in self._uses:
                self._report(made_of)

    def _seen(self, made: object) -> object:
        if isinstance(made, Tensor):
            self.tensors.append(made)
            figures = (made.quantizer.scale, made.quantizer.zero_point) if made.quantizer else ()
            self.spend(sum(len(copied) for copied in figures if isinstance(copied, tuple)))
        return made

    def _rebuilt_from_type(self, arguments: tuple[object, ...]) -> object:
        function, _, inner, state = (*arguments[:4], None, None, None, None)[:4]
        if not isinstance(function, GlobalName) or function.qualified not in CALLABLE:
            self._report(function)
        if isinstance(inner, tuple):
            self._report_instances(inner)
        return self._seen(from_type(function, inner, state))

    def _reconstructed(self, name: str, arguments: tuple[object, ...]) -> object:
        self.spend(len(arguments))
        if arguments and isinstance(arguments[0], GlobalName) and not self._is_first(arguments):
            self._count_use(arguments[0], 1)
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
        self._report_instances(arguments)
        if isinstance(cls, GlobalName):
            if cls.qualified in DICT_TYPES | SEQUENCE_TYPES | SET_TYPES | PASSED_THROUGH:
                return self._plain(cls, arguments)
            if arguments and not is_known(cls, script=self._script):
                self._report(cls)
        elif isinstance(cls, Stub):
            self._report(cls)
        return Stub(cls, arguments)

    def build(self, target: object, state: object) -> None:
        """Give ``target`` its state; making an instance with a module's state is an excused use."""
        self._report_instances(state if isinstance(state, tuple) else (state,))  # asked for its items
        if isinstance(target, GlobalName):
            self._report(target)  # would change the class or function itself
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
        self._excuse_module(target, state)
        target.built = True

    def _excuse_module(self, target: Stub, state: object) -> None:
        """Take back the use of a class that made this instance, if it is made as a module is."""
        cls = target.made_of
        if not isinstance(cls, GlobalName) or target.called or target.arguments:
            return
        if target.built:
            if cls.qualified in self._uses:
                self._report(cls)  # no pickler writes two states: what the first did is another matter
        elif is_module_state(state) and may_be_module_class(cls):
            self._count_use(cls, -1)

    def extend(self, target: object, values: list[object]) -> None:
        """Append ``values`` to a list, set or an instance that stands for one."""
        if isinstance(target, GlobalName | Stub):
            self._report(target)  # a method of its own would be called
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
            self._report(target)  # a method of its own would be called
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
                if self._is_first(identity):
                    self._count_use(cls, -1)  # it comes onto the stack again
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
