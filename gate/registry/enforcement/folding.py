"""One spelling for names that people, or databases, take for the same."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LATIN: Final = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER (?:DOTLESS )?([A-Z]{1,2})(?: WITH .*)?\Z")


def fold(text: str) -> str:
    """Fold case and write composed letters one way, as policies' globs are matched."""
    return unicodedata.normalize("NFC", text.casefold())


def bare(text: str) -> str:
    """Return what MySQL's collations leave of a name: no case, accent, width, stroke, or invisible character.

    They differ in the details; where they do this takes more for the same than some of them.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    seen = (_base(letter) for letter in decomposed if unicodedata.category(letter)[0] not in "MC")
    return "".join(seen).strip().casefold()


def _base(letter: str) -> str:
    """Return a Latin letter without its stroke or hook, which do not decompose; æ as ae."""
    found = None if letter.isascii() else _LATIN.match(unicodedata.name(letter, ""))
    return letter if found is None else found[1]
