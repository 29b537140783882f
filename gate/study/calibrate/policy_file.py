"""A policy written as YAML, with a comment for each rule; what is written reads back as the same policy."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any, Final

from gate.policy.digest import canonical
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.policy.rules import Policy, Rule

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./()-]+)*")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"})
_WIDTH: Final = 100


def written(policy: Policy, head: Sequence[str], comments: Mapping[str, Sequence[str]]) -> str:
    """Return ``policy`` as a policy file.

    Parameters
    ----------
    policy:
        What to write; its ``file`` is not part of it.
    head:
        Comment lines of the whole file.
    comments:
        Comment lines of rules, by their id.
    """
    asked = canonical(policy, "")
    match = {key: list(value) for key in asked["match"] if (value := getattr(policy.match, key)) is not None}
    lines = [
        *_comment(head, ""),
        "version: 1",
        f"name: {_scalar(policy.name)}",
        *([f"match: {_flow(match)}"] if match else []),
        "baseline:",
        *(f"  {key}: {_flow(value)}" for key, value in asked["baseline"].items()),
        f"coverage: {_flow(asked['coverage'])}",
        *(f"{key}: {_scalar(asked[key])}" for key in ("on_error", "when_nothing_to_measure", "mode")),
        f"grace: {_duration(int(policy.grace.total_seconds()))}",
        "rules:",
    ]
    rules = ("\n".join([*_comment(comments.get(rule.id, ()), "  "), *_rule(rule)]) for rule in policy.rules)
    return "\n".join([*lines, "\n\n".join(rules)]) + "\n"


def _rule(rule: Rule) -> list[str]:
    where = {
        "kind": list(rule.where.kind),
        "name": rule.where.name,
        "min_eigenvalues": rule.where.min_eigenvalues,
        "min_tail": rule.where.min_tail,
    }
    kept = {key: value for key, value in where.items() if value}
    operator = {key: value for key, value in _argument(rule).items() if value is not None}
    entries: dict[str, Any] = {
        "id": rule.id,
        "description": rule.description,
        "metric": rule.metric.id,
        "where": kept or None,
        "against": rule.against,
        **operator,
        "allow": _allow(rule),
        "severity": rule.severity,
    }
    lines = [line for key, value in entries.items() if value is not None for line in _entry(key, value)]
    return [f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]


def _entry(key: str, value: Any) -> list[str]:
    """Return a key and its value, folded where one line would be too long."""
    line = f"{key}: {_flow(value)}"
    if len(line) <= _WIDTH:
        return [line]
    if key == "description":  # its words are put on one line again when it is read
        return [f"{key}: >-", *(f"  {part}" for part in _wrapped(value))]
    return [line] if '"' in line else _hanging(line)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _hanging(line: str) -> list[str]:
    first, *rest = _wrapped(line)
    return [first, *(f"  {part}" for part in rest)]


def _duration(seconds: int) -> str:
    """Return a number of seconds in the largest unit that leaves nothing over."""
    units = ((604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m"))
    size, unit = next(((size, unit) for size, unit in units if seconds and seconds % size == 0), (1, "s"))
    return f"{seconds // size}{unit}"


def _argument(rule: Rule) -> dict[str, Any]:
    return {rule.operator.key: rule.operator.canonical()}


def _allow(rule: Rule) -> dict[str, Any] | None:
    allow = rule.allow
    amount: dict[str, Any] = {}
    if allow.share is not None:
        amount["share"] = allow.share
    elif allow.count is not None:
        amount["count"] = allow.count
    elif allow.by == "layers":
        return None
    return {**amount, "by": allow.by} if allow.by != "layers" else amount


def _comment(lines: Sequence[str], indent: str) -> list[str]:
    """Return comment lines; whatever is in the words, it cannot end the line."""
    return [
        f"{indent}# {part}".rstrip()
        for line in lines
        for part in (textwrap.wrap(printable(line, None), _WIDTH - len(indent)) or [""])
    ]


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Return a scalar: plain where it can mean nothing else, else in JSON's quotes, which YAML reads."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """Return a number that reads back as itself."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)  # noqa: PLR2004
