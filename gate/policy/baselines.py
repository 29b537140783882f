"""Baseline specifications: ``alias:NAME``, ``previous``, ``version:N``, ``none``, or any source."""

from __future__ import annotations

import re
from typing import Final

from gate.policy.problems import did_you_mean

_ALIAS: Final = re.compile(r"alias:[A-Za-z0-9_.-]{1,255}")
_VERSION: Final = re.compile(r"version:[1-9][0-9]{0,9}")
_WORDS: Final = ("previous", "none")
_FORMS: Final = "alias:NAME, previous, version:N, none, models:/…, runs:/… or a path"
_LONGEST: Final = 2048


def spec_mistake(spec: str) -> tuple[str, str] | None:
    """Return what is wrong with ``spec`` and the fix, or None when it can be looked up."""
    if not spec.isprintable() or spec != spec.strip() or len(spec) > _LONGEST:
        return "a baseline with invisible characters, outer blanks or without an end", f"write {_FORMS}"
    if spec in _WORDS or _ALIAS.fullmatch(spec) or _VERSION.fullmatch(spec):
        return None
    scheme, colon, rest = spec.partition(":")
    if colon and "/" not in scheme and "." not in scheme:
        return _scheme_mistake(spec, scheme, rest)
    if "/" in spec or "." in spec:
        return None
    guess = did_you_mean(spec, _WORDS) or (f"did you mean 'alias:{spec}'?" if spec else f"write {_FORMS}")
    return f"'{spec}' is no baseline", guess


def _scheme_mistake(spec: str, scheme: str, rest: str) -> tuple[str, str] | None:
    if scheme in {"models", "runs"}:
        return None if rest.strip("/") else (f"'{spec}' names nothing", f"write {scheme}:/NAME/…")
    if scheme == "version":
        return f"'{spec}' is no version", "write version:N with N a whole number from 1, e.g. version:1"
    if scheme == "alias":
        return f"'{spec}' is no alias", "write alias:NAME, e.g. alias:champion"
    close = did_you_mean(scheme, ("alias", "version", "models", "runs"))
    return f"'{spec}' is no baseline", close or f"write {_FORMS}"
