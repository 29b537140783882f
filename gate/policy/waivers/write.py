"""Adding a waiver to a file that people keep, without touching what stands there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.policy.waivers.interface import Waiver, moment_words
from gate.policy.waivers.load import parse_waivers
from gate.policy.waivers.payload import waiver_payload
from gate.text import printable

if TYPE_CHECKING:
    from datetime import datetime

_HEAD: Final = """\
# Waivers: each lets one rule pass for one model of one digest, until it expires.
version: 1
waivers:
"""
_KEYS: Final = ("id", "policy", "rule", "model", "digest", "reason", "approver", "expires", "signature")


def expiry(text: str, now: datetime) -> datetime:
    """Return when a waiver ends: a date, a moment with its zone, or a time from now such as ``30d``.

    Raises
    ------
    gate.errors.UsageError
        It is none of these, or not in the future.
    """
    from gate.policy.document import MistakeError, duration  # noqa: PLC0415 - pydantic, as in gate.policy.load
    from gate.policy.waivers.document import moment  # noqa: PLC0415 - likewise

    try:
        spans = text[-1:].isalpha() and text[-1:] not in "zZ"
        # Whole seconds, rounded up: what the file can say.
        ends = (now + duration(text) + timedelta(seconds=1)).replace(microsecond=0) if spans else moment(text)
    except MistakeError as error:
        raise UsageError(
            f"--expires: {printable(str(error))}", hint="Write 30d, 2026-12-31 or 2026-12-31T12:00:00Z."
        ) from error
    if ends <= now:
        raise UsageError(
            f"--expires: {moment_words(ends)} has passed", hint="A waiver ends in the future, e.g. 30d."
        )
    return ends


def new_waiver(waiver: Waiver) -> Waiver:
    """Return the waiver with an id made of all it says, so that two of them never share one."""
    digest = hashlib.sha256(waiver_payload(replace(waiver, id=""))).hexdigest()
    return replace(waiver, id=f"w-{digest[:12]}")


def appended(text: str | None, waiver: Waiver, file: str) -> str:
    """Return ``text`` with ``waiver`` at its end; ``text`` None makes a new file.

    What stands in the file stays as it is, comments too; the result is parsed again, and must hold
    the old waivers and the new one.

    Raises
    ------
    gate.errors.PolicyError
        The file is not valid, or the waiver is not.
    gate.errors.UsageError
        The same waiver stands there already, or the file's form leaves no place at its end.
    """
    if text is None:
        whole = _HEAD + _item(waiver, 2)
        parse_waivers(whole, file)
        return whole
    before = parse_waivers(text, file)
    if any(old.id == waiver.id for old in before):
        raise UsageError(f"{printable(file)} holds this waiver already ({waiver.id})")
    base = f"{text.rstrip()}\n"
    if not before:
        base = base.removesuffix("waivers: []\n") + ("waivers:\n" if base.endswith("waivers: []\n") else "")
    whole = base + _item(waiver, _indent(text, file) if before else 2)
    if [_content(item) for item in _parsed(whole, file)] != [*map(_content, before), _content(waiver)]:
        raise UsageError(
            f"{printable(file)} is written in a form that a waiver cannot be added to",
            hint="Make `waivers:` its last key, with one waiver an item after '- '.",
        )
    return whole


def _parsed(text: str, file: str) -> tuple[Waiver, ...]:
    """Return the waivers, or none where the item did not fit below what stood there."""
    from gate.policy.problems import InvalidPolicyError  # noqa: PLC0415 - only where it is raised

    try:
        return parse_waivers(text, file)
    except InvalidPolicyError:
        return ()


def _content(waiver: Waiver) -> tuple[bytes, str | None]:
    return waiver_payload(waiver), waiver.signature


def _indent(text: str, file: str) -> int:
    """Return how far the items of the file are indented."""
    from gate.policy.source import parse_yaml  # noqa: PLC0415 - YAML, as in gate.policy.load

    return (parse_yaml(text, file).at(("waivers",)).column or 1) - 1


def _item(waiver: Waiver, indent: int) -> str:
    """Return the waiver as one item of a list; JSON strings are YAML strings that need no care."""
    lines = []
    for key in _KEYS:
        value = getattr(waiver, key)
        if value is not None:
            text = moment_words(value) if key == "expires" else str(value)
            lines.append(f"{key}: {json.dumps(text, ensure_ascii=False)}")
    pad = " " * indent
    return f"{pad}- " + f"\n{pad}  ".join(lines) + "\n"
