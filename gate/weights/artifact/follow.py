"""What a file would call if it were unpickled, as far as it can be followed; most files cannot at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, UnsafeModelError
from gate.weights.budget import Budget, OverBudgetError
from gate.weights.bytes_in_file import Cursor, map_file
from gate.weights.pytorch.pickle_machine import Machine
from gate.weights.pytorch.values import GlobalName, Stub

if TYPE_CHECKING:
    from pathlib import Path

_MOST_STEPS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Followed:
    """What unpickling would do, up to where the bytes are no pickle any more.

    Attributes
    ----------
    imported:
        Globals that it would import, other than those known to be safe.
    called:
        Those that it would call, or instances of which it would change.
    ended:
        The pickle comes to its own end.
    endless:
        It was followed for more steps than any other file can be, or nobody knows how far it goes.
    """

    imported: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    ended: bool = False
    endless: bool = False

    @property
    def certain(self) -> frozenset[str]:
        """What only a pickle would name."""
        return self.imported | self.called if self.ended else self.called


class _Follower(Machine):
    """Stops after a bounded number of steps, and writes down what is called."""

    __slots__ = ("calls", "steps")

    def __init__(self, cursor: Cursor) -> None:
        super().__init__(cursor, script=False, lenient=True)
        self.calls: set[str] = set()
        self.steps = 0

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > _MOST_STEPS:
            raise UnsafeModelError("the pickle takes many steps")
        super().spend(steps)

    def call(self, function: object, arguments: object) -> object:
        self._used(function)
        return super().call(function, arguments)

    def instantiate(self, cls: object, arguments: object) -> object:
        self._used(cls)
        return super().instantiate(cls, arguments)

    def build(self, target: object, state: object) -> None:
        self._used(target)
        super().build(target, state)

    def _used(self, used: object) -> None:
        made_of = used.made_of if isinstance(used, Stub) else used
        if isinstance(made_of, GlobalName):
            self.calls.add(made_of.qualified)


def follow(path: Path) -> Followed:
    """Follow the file at ``path`` as a pickle, from its first byte, unless the artifact's budget is spent."""
    try:
        machine = _Follower(Cursor(map_file(path)))
    except GateError:
        return Followed()  # empty, or not readable
    budget = Budget()
    if budget.left() < 0:
        return Followed(endless=True)
    try:
        machine.run()
    except GateError:
        ended = False
    else:
        ended = True
    with suppress(OverBudgetError):  # the next file will find it spent
        budget.spend(machine.steps)
    reported = machine.unsafe_globals()
    called = frozenset(machine.calls) & reported
    return Followed(reported, called, ended, machine.steps > _MOST_STEPS)
