"""The objects of a SavedModel: which variable of the checkpoint each argument of a function is.

The SavedModel's graph of objects and the checkpoint's are matched from their roots by the names of
children, as TensorFlow does when it restores one from the other.
Source: ``tensorflow/core/protobuf/saved_object_graph.proto``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.weights.protobuf.scanner import Scanner
from gate.weights.protobuf.wire import Span
from gate.weights.savedmodel import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE: Final = "signature_wrapper"


class SavedObjects:
    """The objects in ``span`` of a SavedModel, beside those of its checkpoint (``checkpoint``)."""

    def __init__(self, scanner: Scanner, span: Span, checkpoint: bytes) -> None:
        self._scanner = scanner
        self._message = scanner.collect(span, schema.SAVED_OBJECTS)
        self._nodes = self._message.spans.get("nodes", [])
        inner = Scanner(checkpoint)
        whole = inner.collect(Span(0, len(checkpoint)), schema.CHECKPOINT_OBJECTS)
        self._checkpoint, self._stored = inner, whole.spans.get("nodes", [])
        self._keys = dict(self._matched())

    def key(self, node: int) -> str | None:
        """Return the checkpoint's key of the variable that object ``node`` is."""
        return self._keys.get(node)

    def constant(self, node: int) -> str | None:
        """Return the node of the main graph that holds object ``node``, if it is a captured constant."""
        if not 0 <= node < len(self._nodes):
            return None
        span = self._scanner.collect(self._nodes[node], schema.SAVED_OBJECT).span.get("constant")
        if span is None:
            return None
        return self._scanner.collect(span, schema.SAVED_CONSTANT).text.get("operation")

    def descriptions(self) -> Iterator[bytes]:
        """Yield what Keras before TensorFlow 2.5 wrote of each layer."""
        for node in self._nodes:
            user = self._scanner.collect(node, schema.SAVED_OBJECT).span.get("user_object")
            spans = {} if user is None else self._scanner.collect(user, schema.USER_OBJECT).span
            for span in spans.values():
                yield bytes(self._scanner.data[span.start : span.end])

    def functions(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return the functions that can be called and the objects bound to them, signatures first."""
        found = []
        for entry in self._message.spans.get("functions", ()):
            pair = self._scanner.collect(entry, schema.MAP_ENTRY)
            if "value" in pair.span:
                bound = self._scanner.collect(pair.span["value"], schema.SAVED_FUNCTION).integers
                found.append((pair.text.get("key", ""), tuple(bound.get("bound_inputs", ()))))
        return sorted(found, key=lambda item: (not is_signature(item[0]), item[0]))

    def _matched(self) -> Iterator[tuple[int, str]]:
        """Yield each object that has a value in the checkpoint, with its key there."""
        pairs, seen = [(0, 0)], {0}
        for saved, stored in pairs:
            if not (0 <= saved < len(self._nodes) and 0 <= stored < len(self._stored)):
                continue
            message = self._checkpoint.collect(self._stored[stored], schema.CHECKPOINT_OBJECT)
            for attribute in message.spans.get("attributes", ())[:1]:
                text = self._checkpoint.collect(attribute, schema.CHECKPOINT_ATTRIBUTE).text
                yield saved, text.get("key", "")
            theirs = dict(_children(self._checkpoint, message.spans.get("children", [])))
            own = self._scanner.collect(self._nodes[saved], schema.SAVED_OBJECT)
            for name, child in _children(self._scanner, own.spans.get("children", [])):
                if child not in seen and name in theirs:
                    seen.add(child)
                    pairs.append((child, theirs[name]))


def is_signature(function: str) -> bool:
    """Tell whether the function is what TensorFlow Serving calls."""
    return _SIGNATURE in function


def _children(scanner: Scanner, spans: list[Span]) -> Iterator[tuple[str, int]]:
    for span in spans:
        message = scanner.collect(span, schema.CHILD)
        yield message.text.get("name", ""), message.integer.get("node", 0)
