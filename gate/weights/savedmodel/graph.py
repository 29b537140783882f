"""Graphs and functions of a model file: nodes with their attributes unread, functions found by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import UnsafeModelError
from gate.weights.protobuf.scanner import Message
from gate.weights.protobuf.wire import LENGTH_DELIMITED, Span, fields
from gate.weights.savedmodel import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gate.weights.protobuf.scanner import Scanner
    from gate.weights.protobuf.wire import Buffer

MOST_ELEMENTS: Final = 4_000_000
"""Twice what other files may hold; the functions that serve EfficientNetB0 come to 77,000."""

_LONGEST_TEXT: Final = 1024
_NODES, _LIBRARY = 1, 2
_FUNCTIONS = 1
_SIGNATURE, _FUNCTION_NODES = 1, 3
_NAME, _OPERATOR = 1, 2


@dataclass(frozen=True, slots=True)
class Node:
    """A ``NodeDef``; its attributes are spans of the file until one is asked for."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Span]


@dataclass(frozen=True, slots=True)
class Function:
    """A ``FunctionDef``: names of its arguments, and for each result the value that it is."""

    name: str
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    nodes: tuple[Node, ...]


class GraphFile:
    """One ``GraphDef`` of the file mapped at ``data``."""

    def __init__(self, data: Buffer, graph: Span, scanner: Scanner) -> None:
        self._scanner = scanner
        self._data = data
        self._graph = graph
        functions = list(self._function_spans())
        self._functions = dict(functions)
        if len(self._functions) != len(functions):
            raise UnsafeModelError("two functions have the same name")

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes of the main graph."""
        spans = self._scanner.collect(self._graph, schema.GRAPH).spans
        return tuple(self._node(span) for span in spans.get("nodes", ()))

    def function(self, name: str) -> Function | None:
        """Return the function called ``name``; None where the library has none."""
        if name not in self._functions:
            return None
        message = self._scanner.collect(self._functions[name], schema.FUNCTION)
        signature = message.span.get("signature")
        spans = {} if signature is None else self._scanner.collect(signature, schema.SIGNATURE).spans
        values = dict(self._text_entry(span) for span in message.spans.get("results", ()))
        return Function(
            name,
            self._names(spans.get("inputs", ())),
            tuple(values.get(result, "") for result in self._names(spans.get("outputs", ()))),
            tuple(self._node(span) for span in message.spans.get("nodes", ())),
        )

    def operators(self) -> Iterator[tuple[str, Span]]:
        """Yield the operator and the place of every node, of the functions' too, called or not."""
        for node in self._every_node():
            for name in self._payloads(node, _OPERATOR):
                shown = Span(name.start, min(name.end, name.start + _LONGEST_TEXT))
                yield self.bytes_of(shown).decode(errors="replace"), node

    def _every_node(self) -> Iterator[Span]:
        yield from self._payloads(self._graph, _NODES)
        for library in self._payloads(self._graph, _LIBRARY):
            for function in self._payloads(library, _FUNCTIONS):
                yield from self._payloads(function, _FUNCTION_NODES)

    def bytes_of(self, span: Span) -> bytes:
        """Return the bytes of the file in ``span``."""
        return bytes(self._data[span.start : span.end])

    def integer(self, node: Node, name: str, default: int = 0) -> int:
        """Return a number or truth value among the node's attributes."""
        values = self._attribute(node, name).integer
        return values.get("integer", values.get("truth", default))

    def integers(self, node: Node, name: str) -> tuple[int, ...]:
        """Return a list of numbers among the node's attributes."""
        span = self._attribute(node, name).span.get("list")
        found = {} if span is None else self._scanner.collect(span, schema.LIST).integers
        return tuple(found.get("integers", ()))

    def text(self, node: Node, name: str) -> str:
        """Return a short text among the node's attributes."""
        span = self._attribute(node, name).span.get("bytes")
        if span is None or span.length > _LONGEST_TEXT:
            return ""
        return self.bytes_of(span).decode(errors="replace")

    def called(self, node: Node, name: str) -> str:
        """Return the name of a function among the node's attributes."""
        span = self._attribute(node, name).span.get("function")
        return "" if span is None else self._scanner.collect(span, schema.FUNCTION_NAME).text.get("name", "")

    def tensor(self, node: Node, name: str) -> Span | None:
        """Return where a tensor among the node's attributes lies."""
        return self._attribute(node, name).span.get("tensor")

    def _attribute(self, node: Node, name: str) -> Message:
        span = node.attributes.get(name)
        return Message() if span is None else self._scanner.collect(span, schema.ATTRIBUTE)

    def _node(self, span: Span) -> Node:
        message = self._scanner.collect(span, schema.NODE)
        attributes = {}
        for entry in message.spans.get("attributes", ()):
            pair = self._scanner.collect(entry, schema.MAP_ENTRY)
            if "value" in pair.span:
                attributes[pair.text.get("key", "")] = pair.span["value"]
        return Node(
            message.text.get("name", ""),
            message.text.get("operator", ""),
            tuple(name for name in message.texts.get("inputs", ()) if not name.startswith("^")),
            attributes,
        )

    def _function_spans(self) -> Iterator[tuple[str, Span]]:
        for library in self._payloads(self._graph, _LIBRARY):
            for function in self._payloads(library, _FUNCTIONS):
                for signature in self._payloads(function, _SIGNATURE):
                    for name in self._payloads_bytes(signature, _NAME):
                        yield name.decode(errors="replace"), function

    def _payloads(self, span: Span, number: int) -> Iterator[Span]:
        for field in fields(self._data, span):
            if field.number == number and field.wire_type == LENGTH_DELIMITED:
                yield field.span

    def _payloads_bytes(self, span: Span, number: int) -> Iterator[bytes]:
        for payload in self._payloads(span, number):
            yield self.bytes_of(payload)

    def _names(self, spans: Sequence[Span]) -> tuple[str, ...]:
        return tuple(self._scanner.collect(span, schema.ARGUMENT).text.get("name", "") for span in spans)

    def _text_entry(self, span: Span) -> tuple[str, str]:
        text = self._scanner.collect(span, schema.TEXT_ENTRY).text
        return text.get("key", ""), text.get("value", "")
