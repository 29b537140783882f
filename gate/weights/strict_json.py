"""JSON out of model files: hostile until shown otherwise."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from gate.errors import ModelError

_MOST_COMMAS: Final = 2_000_000  # some 300,000 tensors; bounds what the parsed value can take in memory
_MOST_BYTES: Final = 100_000_000


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object that ``data`` holds.

    Parameters
    ----------
    data:
        UTF-8 text.
    what:
        What the text is, for the error message.

    Raises
    ------
    gate.errors.ModelError
        It is not one JSON object, names a key twice, holds a number JSON does not have or text that
        is not Unicode, or is too large or too deep to be what it claims.
    """
    if len(data) > _MOST_BYTES or data.count(b",") > _MOST_COMMAS:
        raise ModelError(f"{what} is too large ({len(data)} bytes) to be one")
    try:
        parsed = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise ModelError(f"{what} is nested too deep to be one") from error
    except ValueError as error:  # bad UTF-8, bad JSON, a lone surrogate, a number of too many digits
        raise ModelError(f"{what} is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ModelError(f"{what} is not a JSON object")
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice[:80]!r} stands twice")
    for key in made:
        key.encode("utf-8")  # a lone surrogate could not even be printed
    return made


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
