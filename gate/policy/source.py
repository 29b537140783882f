"""YAML to plain values that remember where they stood; hostile files end here.

The parser's events are walked, never its constructors: no tag, anchor, alias or directive has any
effect, a file holds one document, and size, depth and number of nodes are bounded before anything
is built.  Plain scalars are resolved by the YAML 1.2 core schema (``yes`` and ``1:30`` are text).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.errors import Location
from gate.policy.problems import InvalidPolicyError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_BYTES: Final = 128 * 1024
MAX_DEPTH: Final = 12
MAX_NODES: Final = 20_000

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,5})?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column of a node, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf."""

    value: Plain
    place: Place


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping with distinct text keys, in order."""

    items: dict[str, tuple[Place, Node]]
    place: Place


Node = Leaf | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its tree, and what was wrong with its YAML."""

    file: str
    root: Node
    problems: tuple[Problem, ...]

    def plain(self) -> Any:
        """Return the tree as dicts, lists and scalars."""
        return _plain(self.root)

    def at(self, path: Sequence[str | int], *, key: bool = False) -> Location:
        """Return where ``path`` stands: its value, or its key; the nearest parent if it is absent."""
        node, place = self.root, self.root.place
        for step in path:
            if isinstance(node, MapNode) and step in node.items:
                key_place, node = node.items[str(step)]
                place = key_place if key else node.place
            elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                place = node.place
            else:
                break
        return Location(self.file, place.line, place.column)


def _plain(node: Node) -> Any:
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    return {key: _plain(value) for key, (_, value) in node.items.items()}


def read_text(path: Path) -> str:
    """Return the text of a policy file.

    Raises
    ------
    gate.errors.PolicyError
        It is missing, no regular file, too large, or no UTF-8.
    """
    where = Location(str(path))
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise InvalidPolicyError([Problem(where, f"the file {what}", "name a YAML file")])
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidPolicyError([Problem(where, f"cannot read the file: {reason}")]) from error
    return decode(raw, str(path))


def decode(raw: bytes, file: str) -> str:
    """Return ``raw`` as text, within the bounds of a policy file."""
    if len(raw) > MAX_BYTES:
        message = f"such a file holds at most {MAX_BYTES // 1024} KiB"
        raise InvalidPolicyError([Problem(Location(file, 1, 1), message, "split it into several files")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        place = Location(file, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise InvalidPolicyError(
            [Problem(place, "this byte is not UTF-8", "save the file as UTF-8")]
        ) from error


def parse_yaml(text: str, file: str) -> Document:
    """Return the document in ``text``, with every structural mistake that can be stepped over.

    Raises
    ------
    gate.errors.PolicyError
        It is no YAML, too large, too deep, or holds no or several documents.
    """
    if len(text) > MAX_BYTES:
        decode(text.encode("utf-8", "surrogatepass"), file)
    builder = _Builder(file, _events(text, file))
    root = builder.document()
    return Document(file, root, tuple(builder.problems))


def _events(text: str, file: str) -> Iterator[Any]:
    """Yield the parser's events; whatever the parser raises becomes a problem with a place."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow to import, and only policy files need it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except (YAMLError, ValueError, TypeError, AttributeError, IndexError, AssertionError) as error:
        # Beside its own errors ruamel lets a few of Python's through, e.g. chr() of "\U00110000".
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise InvalidPolicyError(
            [Problem(_place_of(error, text, file), f"not valid YAML: {what}")]
        ) from error


def _place_of(error: Exception, text: str, file: str) -> Location:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return Location(file, mark.line + 1, mark.column + 1)
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return Location(file, 1, 1)
    before = text[:position]
    return Location(file, before.count("\n") + 1, position - before.rfind("\n"))


class _Builder:
    """Builds the tree from events; recursion is bounded by ``MAX_DEPTH``."""

    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self.file = file
        self.events = events
        self.problems: list[Problem] = []
        self.nodes = 0

    def document(self) -> Node:
        """Return the root of the one document."""
        next(self.events)  # the start of the stream
        if not _is(next(self.events), "DocumentStart"):
            raise self._fatal(Place(1, 1), "the file is empty", "start with `version: 1`")
        root = self._node(next(self.events), 1)
        next(self.events)  # the end of the document
        after = next(self.events)
        if _is(after, "DocumentStart"):
            raise self._fatal(_start(after), "a second document", "give each document a file of its own")
        return root

    def _node(self, event: Any, depth: int) -> Node:
        place = _start(event)
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise self._fatal(place, f"nested deeper than {MAX_DEPTH} levels")
        if self.nodes > MAX_NODES:
            raise self._fatal(place, f"more than {MAX_NODES} values")
        self._refuse_indirection(event, place)
        if _is(event, "MappingStart"):
            return self._mapping(place, depth)
        if _is(event, "SequenceStart"):
            return self._sequence(place, depth)
        return Leaf(self._scalar(event, place), place)

    def _refuse_indirection(self, event: Any, place: Place) -> None:
        """Anchors, aliases and tags make a file say what it does not show."""
        if _is(event, "Alias"):
            self._note(place, f"an alias (*{event.anchor})", "write the value out")
        elif event.anchor is not None:
            self._note(place, f"an anchor (&{event.anchor})", "remove it and write the value out")
        if getattr(event, "tag", None) is not None:
            self._note(place, f"a tag ({event.tag})", "remove it; these files hold plain values only")

    def _mapping(self, place: Place, depth: int) -> MapNode:
        items: dict[str, tuple[Place, Node]] = {}
        while not _is(event := next(self.events), "MappingEnd"):
            key = self._node(event, depth + 1)
            value = self._node(next(self.events), depth + 1)
            if not isinstance(key, Leaf) or not isinstance(key.value, str):
                self._note(key.place, "a key that is not text", "keys are the words of the reference")
            elif key.value in items:
                line = items[key.value][0].line
                self._note(key.place, f"the key '{key.value}' stands twice", f"the first is on line {line}")
            else:
                items[key.value] = (key.place, value)
        return MapNode(items, place)

    def _sequence(self, place: Place, depth: int) -> ListNode:
        items = []
        while not _is(event := next(self.events), "SequenceEnd"):
            items.append(self._node(event, depth + 1))
        return ListNode(tuple(items), place)

    def _scalar(self, event: Any, place: Place) -> Plain:
        if _is(event, "Alias"):
            return None
        text = str(event.value)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._note(place, "text with half a surrogate pair, which is no character", "remove the escape")
            return text.encode("utf-8", "replace").decode()
        return _resolve(text) if event.style is None else text

    def _note(self, place: Place, message: str, fix: str) -> None:
        self.problems.append(Problem(Location(self.file, place.line, place.column), message, fix))

    def _fatal(self, place: Place, message: str, fix: str | None = None) -> InvalidPolicyError:
        problem = Problem(Location(self.file, place.line, place.column), message, fix)
        return InvalidPolicyError([*self.problems, problem])


def _is(event: Any, kind: str) -> bool:
    return type(event).__name__ == f"{kind}Event"


def _start(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _resolve(text: str) -> Plain:
    """Return what a plain scalar means in the YAML 1.2 core schema, hexadecimal and octal apart."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text
