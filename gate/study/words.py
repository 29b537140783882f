"""How sub-groups are called before people; the JSON has the whole name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.report.figures import digest
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST: Final = 12
_FINGERPRINT: Final = "sha256:"
_LONGEST: Final = 60


def group_word(group: str) -> str:
    """Return a sub-group's name fit to be shown: a fingerprint by its first digits."""
    return digest(group) if group.startswith(_FINGERPRINT) else printable(group, _LONGEST)


def listed(names: Iterable[str]) -> str:
    """Return names on one line, not too many of them."""
    shown = [printable(name) for name in names]
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(shown[:_MOST]) + more
