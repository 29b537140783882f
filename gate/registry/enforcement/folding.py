"""One spelling for names that people, or databases, take for the same."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """Fold case and write composed letters one way, as policies' globs are matched."""
    return unicodedata.normalize("NFC", text.casefold())
