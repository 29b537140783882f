"""Waiver files to typed waivers, or every mistake in them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.policy.problems import InvalidPolicyError, Problem
from gate.policy.waivers.interface import Waiver

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.source import Document
    from gate.policy.waivers.document import WaiverDocument


def load_waivers(path: Path) -> tuple[Waiver, ...]:
    """Return the waivers in the file at ``path``.

    Raises
    ------
    gate.errors.PolicyError
        The file cannot be read or is not valid; ``problems`` lists every mistake with its place.
    """
    from gate.policy.source import read_text  # noqa: PLC0415 - YAML, as in gate.policy.load

    return parse_waivers(read_text(path), str(path))


def parse_waivers(text: str, file: str = "<waivers>") -> tuple[Waiver, ...]:
    """Return the waivers in ``text``; ``file`` is the name that mistakes are reported under.

    Raises
    ------
    gate.errors.PolicyError
        It is not valid; ``problems`` lists every mistake.
    """
    from gate.policy.mistakes import Vocabulary, validated  # noqa: PLC0415 - pydantic
    from gate.policy.source import parse_yaml  # noqa: PLC0415 - as above
    from gate.policy.waivers.document import WaiverDocument, WaiversDocument  # noqa: PLC0415 - pydantic

    tree = parse_yaml(text, file)
    vocabulary = Vocabulary(
        {"": WaiversDocument, "waivers": WaiverDocument}, {"": "a waivers file", "waivers": "a waiver"}
    )
    document = validated(tree, WaiversDocument, vocabulary)
    twins = _duplicate_ids(document.waivers, tree)
    if twins:
        raise InvalidPolicyError(twins)
    return tuple(_waiver(item, tree, index) for index, item in enumerate(document.waivers))


def _duplicate_ids(waivers: list[WaiverDocument], tree: Document) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for index, waiver in enumerate(waivers):
        if waiver.id in first:
            line = tree.at(("waivers", first[waiver.id], "id")).line
            place = tree.at(("waivers", index, "id"))
            message = f"the waiver id '{waiver.id}' stands twice"
            problems.append(Problem(place, message, f"the first is on line {line}"))
        first.setdefault(waiver.id, index)
    return problems


def _waiver(document: WaiverDocument, tree: Document, index: int) -> Waiver:
    from gate.policy.waivers.document import moment  # noqa: PLC0415 - pydantic

    return Waiver(
        id=document.id,
        rule=document.rule,
        digest=document.digest,
        reason=document.reason,
        approver=document.approver,
        expires=moment(document.expires),
        model=document.model,
        policy=document.policy,
        signature=document.signature,
        line=tree.at(("waivers", index)).line,
    )
