"""A word that somebody typed, as one of those that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

Word = TypeVar("Word", bound=str)


def one_of(known: Sequence[Word], typed: str, otherwise: str) -> Word:
    """Return the one of ``known`` that ``typed`` is.

    Raises
    ------
    gate.errors.UsageError
        It is none of them: ``otherwise`` is the message, and the hint lists them.
    """
    for word in known:
        if typed == word:
            return word
    raise UsageError(otherwise, hint=f"use one of: {', '.join(known)}")
