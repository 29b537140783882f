"""When the files of judged versions are compared with those that were judged."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Container

    from gate.workflow.watch.agenda import Key

LISTINGS_PER_REHASH: Final = 24
"""Names and sizes, which cost a listing, are compared so many times as often as contents."""


@dataclass
class FilesSchedule:
    """Times at which each version's files are due, every ``rehash_every`` seconds.

    When that was last done is not kept anywhere: a watcher that starts spreads the first times over
    the interval, so that all come up within it and not all at once.
    """

    rehash_every: float
    _due: dict[Key, tuple[float, float]] = field(default_factory=dict)

    def due(self, key: Key) -> Literal["shallow", "deep"] | None:
        """Return which comparison is due now, and count it as done."""
        now, listing = time.monotonic(), self.rehash_every / LISTINGS_PER_REHASH
        if key not in self._due:
            chance = random.random()  # noqa: S311 - no secret
            self._due[key] = (now + chance * listing, now + chance * self.rehash_every)
        listed, hashed = self._due[key]
        if now < listed and now < hashed:
            return None
        deep = now >= hashed
        self._due[key] = (now + listing, now + self.rehash_every if deep else hashed)
        return "deep" if deep else "shallow"

    def hasten(self, key: Key) -> None:
        """Have the contents compared now."""
        self._due[key] = (0.0, 0.0)

    def keep_only(self, present: Container[Key]) -> None:
        """Forget versions that are gone."""
        self._due = {key: due for key, due in self._due.items() if key in present}
