"""What can be wrong with a policy file, where, and how to mend it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import Location, PolicyError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands, what is wrong, and the fix."""

    location: Location
    message: str
    fix: str | None = None

    def __str__(self) -> str:
        """Return ``file:line:column: what is wrong (fix)`` on one safe line."""
        text = f"{self.location}: {self.message}" + (f" ({self.fix})" if self.fix else "")
        return printable(text, None)


class InvalidPolicyError(PolicyError):
    """A file of policies, waivers or cases with one or more mistakes, in the order of their lines (exit 2).

    Its message tells the first; ``problems`` holds all, and the commands print them.

    Parameters
    ----------
    problems:
        Every mistake found; at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = in_order(problems)
        first, others = self.problems[0], len(self.problems) - 1
        more = f" (and {others} more mistake{'' if others == 1 else 's'})" if others else ""
        super().__init__(f"{first.message}{more}", hint=first.fix, location=first.location)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort by place, stably, and say nothing twice."""

    def place(problem: Problem) -> tuple[str, int, int]:
        where = problem.location
        return where.file, where.line or 0, where.column or 0

    return tuple(sorted(dict.fromkeys(problems), key=place))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean 'x'?`` for the closest known word, if one is close."""
    names = list(known)
    close = difflib.get_close_matches(word[:100].casefold(), names, n=1, cutoff=0.6)
    if not close:
        close = [name for name in names if name.rpartition(".")[2] == word][:1]
    return f"did you mean '{close[0]}'?" if close else None


def one_of(known: Iterable[str]) -> str:
    """Return ``one of a, b, c``."""
    return f"one of {', '.join(known)}"
