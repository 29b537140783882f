"""What a pickle does with globals that are not known: each use counts, unless it makes a module.

Reported as unsafe is a global that is not known (``known.py``), unless every single use of it makes a
bare new instance that is given, once, a module's state (a plain dictionary with ``_parameters``,
``_buffers``, ``_modules``), as a user's own ``torch.nn.Module`` is.  So the same class called with
arguments, merely referenced, given any other state or a second one, or changed in place is reported,
and so is a call of its instance, or one with it; so is a known global that is not meant to be called
and is.  What remains is that loading imports the package which defines the class, and that the class
may have a ``__setstate__`` of its own: that is the model's own code, without which it cannot be loaded
at all.
"""

from __future__ import annotations

from typing import Final

from gate.errors import UnsafeModelError
from gate.weights.pytorch.known import is_known, may_be_module_class
from gate.weights.pytorch.limits import MAX_UNKNOWN_GLOBALS
from gate.weights.pytorch.values import GlobalName, Stub

_MODULE_STATE: Final = ("_parameters", "_buffers", "_modules")
_MOST_ARGUMENTS: Final = 8  # that a known callable looks at


def is_module_state(state: object) -> bool:
    """Tell whether ``state`` is the ``__dict__`` of a ``torch.nn.Module``."""
    return isinstance(state, dict) and all(isinstance(state.get(key), dict) for key in _MODULE_STATE)


class Uses:
    """The uses of globals by one pickle."""

    __slots__ = ("_called", "_script", "_spoken_for", "_times")

    def __init__(self, *, script: bool) -> None:
        self._script = script
        # unknown global -> how often it came onto the stack other than to make a module
        self._times: dict[str, int] = {}
        self._called: set[str] = set()
        self._spoken_for: dict[int, object] = {}

    def reported(self) -> frozenset[str]:
        """Return what loading the pickle would import or call, other than what is known."""
        return frozenset(self._called.union(name for name, times in self._times.items() if times))

    def name(self, named: GlobalName) -> None:
        """Take note of a global that is named.

        Raises
        ------
        gate.errors.UnsafeModelError
            There are more unknown ones than any model has.
        """
        if is_known(named, script=self._script):
            return
        self._times.setdefault(named.qualified, 0)
        if len(self._times) > MAX_UNKNOWN_GLOBALS:
            raise UnsafeModelError(f"the pickle names more than {MAX_UNKNOWN_GLOBALS} unknown globals")

    def count(self, named: GlobalName, times: int) -> None:
        """Count uses of a global; below 0 to take them back."""
        # most pickles name nothing unknown, and recall what is known for every tensor
        if self._times and named.qualified in self._times:
            self._times[named.qualified] += times

    def is_first(self, spoken_for: tuple[object, ...]) -> bool:
        """Tell whether a class in this tuple, which may be recalled, accounts for its one use now."""
        is_first = id(spoken_for) not in self._spoken_for
        self._spoken_for[id(spoken_for)] = spoken_for
        return is_first

    def count_repeated(self, arguments: tuple[object, ...]) -> None:
        """Count the class that these arguments make an instance of, but for the first time."""
        if arguments and isinstance(arguments[0], GlobalName) and not self.is_first(arguments):
            self.count(arguments[0], 1)

    def report(self, used: object) -> None:
        """Report a global that is called or changed, or whose instance is: its own code would run."""
        made_of = used.made_of if isinstance(used, Stub) else used
        # deeper there is nothing to add: whatever a stub was made from by a stub is reported already
        if isinstance(made_of, GlobalName):
            self._called.add(made_of.qualified)

    def report_unknown(self, cls: GlobalName) -> None:
        """Report a class that is called with arguments, unless it is known."""
        if not is_known(cls, script=self._script):
            self.report(cls)

    def report_instances(self, arguments: tuple[object, ...]) -> None:
        """Report the classes of arguments: the known callables ask them for their length, parts or values."""
        for argument in arguments[:_MOST_ARGUMENTS] if self._times else ():
            made_of = argument.made_of if isinstance(argument, Stub) else None
            if isinstance(made_of, GlobalName) and made_of.qualified in self._times:
                self.report(made_of)

    def excuse_module(self, target: Stub, state: object) -> None:
        """Take back the use of a class that made this instance, if it is made as a module is."""
        cls = target.made_of
        if not isinstance(cls, GlobalName) or target.called or target.arguments:
            return
        if target.built:
            if cls.qualified in self._times:
                self.report(cls)  # no pickler writes two states: what the first did is another matter
        elif is_module_state(state) and may_be_module_class(cls):
            self.count(cls, -1)
