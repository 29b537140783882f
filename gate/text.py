"""Making hostile text safe to show.

Layer names, tags, policy descriptions and file paths come from files that strangers wrote.  Every
place that shows one to a person passes it through :func:`printable` first; escaping for the
medium (HTML, XML, markdown, CSV) comes after that and is the medium's own business.
"""

from __future__ import annotations

from typing import Final

SHOWN: Final = 200
"""How many characters of one name a person is shown."""


def printable(text: str, limit: int | None = SHOWN) -> str:
    r"""Return ``text`` on one line, with everything invisible spelled out.

    Control characters, line separators, bidirectional overrides, zero-width characters, lone
    surrogates and unassigned code points become ``\n``-like or ``\u202e``-like escapes, so that a
    name can neither break a line, move a cursor, reorder what stands beside it nor hide.

    Parameters
    ----------
    text:
        Anything.
    limit:
        Longest result, in characters; the middle of a longer one becomes ``…``.  None for no limit.
    """
    shown = text
    if not shown.isprintable():
        shown = "".join(character if character.isprintable() else _escape(character) for character in text)
    return shown if limit is None else _shorten(shown, limit)


def _escape(character: str) -> str:
    """Return the escape that Python's own ``repr`` would write."""
    return character.encode("unicode_escape").decode("ascii")


def _shorten(text: str, limit: int) -> str:
    """Cut the middle out: names of layers differ at either end."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"
