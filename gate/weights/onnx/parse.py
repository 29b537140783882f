"""Bytes of a model file -> records; structure only, tensors stay where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.onnx import schema
from gate.weights.onnx.records import (
    Attribute,
    Function,
    Graph,
    ModelRecord,
    Node,
    SparseRecord,
    TensorRecord,
)
from gate.weights.protobuf.scanner import Scanner
from gate.weights.protobuf.wire import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.weights.protobuf.wire import Buffer

DEEPEST: Final = 24
"""Graphs within graphs; the deepest real model seen has 4."""

_EXTERNAL: Final = 1
_LONGEST_STRING: Final = 256
_WITH_OPSETS: Final = 3  # the first IR version that must name its operator sets


def parse_model(data: Buffer) -> ModelRecord:
    """Return what the model file mapped at ``data`` says.

    Raises
    ------
    gate.errors.ModelError
        The file is no ONNX model, or it is damaged.
    gate.errors.UnsafeModelError
        It is nested too deeply, ambiguous, or larger than a reader should believe.
    """
    return _Parser(Scanner(data)).model(Span(0, len(data)))


class _Parser:
    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner

    def model(self, span: Span) -> ModelRecord:
        message = self._scanner.collect(span, schema.MODEL)
        if "graph" not in message.span:
            raise ModelError("the file holds no graph", hint="Is it an ONNX model, and is it complete?")
        if not message.spans.get("opset_import") and message.integer.get("ir_version", 0) >= _WITH_OPSETS:
            raise ModelError("the file names no operator set: it is cut short after the graph")
        training = [
            self.graph(graph, DEEPEST)
            for info in message.spans.get("training_info", ())
            for graph in self._scanner.collect(info, schema.TRAINING).span.values()
        ]
        return ModelRecord(
            graph=self.graph(message.span["graph"], DEEPEST),
            functions=tuple(self.function(item) for item in message.spans.get("functions", ())),
            training=tuple(training),
            unknown_bytes=self._scanner.unknown_bytes,
        )

    def graph(self, span: Span, depth: int) -> Graph:
        if depth == 0:
            raise UnsafeModelError(f"graphs are nested more than {DEEPEST} deep")
        message = self._scanner.collect(span, schema.GRAPH)
        spans = message.spans
        return Graph(
            name=message.text.get("name", ""),
            nodes=tuple(self.node(item, depth) for item in spans.get("node", ())),
            initializers=tuple(self.tensor(item) for item in spans.get("initializer", ())),
            sparse=tuple(self.sparse(item) for item in spans.get("sparse_initializer", ())),
            inputs=self._names(spans.get("input", ())),
            outputs=self._names(spans.get("output", ())),
        )

    def function(self, span: Span) -> Function:
        message = self._scanner.collect(span, schema.FUNCTION)
        defaults = [self.attribute(item, DEEPEST) for item in message.spans.get("attribute_proto", ())]
        return Function(
            name=message.text.get("name", ""),
            domain=_domain(message.text.get("domain", "")),
            overload=message.text.get("overload", ""),
            inputs=tuple(message.texts.get("input", ())),
            outputs=tuple(message.texts.get("output", ())),
            nodes=tuple(self.node(item, DEEPEST) for item in message.spans.get("node", ())),
            defaults=_by_name(defaults),
        )

    def node(self, span: Span, depth: int) -> Node:
        message = self._scanner.collect(span, schema.NODE)
        attributes = [self.attribute(item, depth) for item in message.spans.get("attribute", ())]
        return Node(
            operator=message.text.get("op_type", ""),
            domain=_domain(message.text.get("domain", "")),
            overload=message.text.get("overload", ""),
            name=message.text.get("name", ""),
            inputs=tuple(message.texts.get("input", ())),
            outputs=tuple(message.texts.get("output", ())),
            attributes=_by_name(attributes),
        )

    def attribute(self, span: Span, depth: int) -> Attribute:
        message = self._scanner.collect(span, schema.ATTRIBUTE)
        graphs = [*_optional(message.span.get("g")), *message.spans.get("graphs", ())]
        tensor, sparse = message.span.get("t"), message.span.get("sparse_tensor")
        return Attribute(
            name=message.text.get("name", ""),
            integer=message.integer.get("i"),
            integers=tuple(message.integers.get("ints", ())),
            floats=_optional(message.values.get("floats")),
            text=self._short_text(message.span.get("s")),
            tensor=None if tensor is None else self.tensor(tensor),
            sparse=None if sparse is None else self.sparse(sparse),
            tensors=tuple(self.tensor(item) for item in message.spans.get("tensors", ())),
            graphs=tuple(self.graph(item, depth - 1) for item in graphs),
            reference=message.text.get("ref_attr_name", ""),
        )

    def tensor(self, span: Span) -> TensorRecord:
        message = self._scanner.collect(span, schema.TENSOR)
        name = message.text.get("name", "")
        if "segment" in message.span:
            raise ModelError(f"tensor {name!r} is stored in segments, which no runtime reads")
        packed = dict(message.values)
        if "raw_data" in message.span:
            packed["raw_data"] = message.span["raw_data"]
        return TensorRecord(
            name=name,
            shape=tuple(message.integers.get("dims", ())),
            data_type=message.integer.get("data_type", 0),
            packed=packed,
            scattered=message.scattered,
            is_external=message.integer.get("data_location", 0) == _EXTERNAL,
            external=tuple(self._entry(item) for item in message.spans.get("external_data", ())),
        )

    def sparse(self, span: Span) -> SparseRecord:
        message = self._scanner.collect(span, schema.SPARSE_TENSOR)
        if "values" not in message.span:
            raise ModelError(f"the sparse tensor before byte {span.end} has no values")
        return SparseRecord(tuple(message.integers.get("dims", ())), self.tensor(message.span["values"]))

    def _entry(self, span: Span) -> tuple[str, str]:
        message = self._scanner.collect(span, schema.ENTRY)
        return message.text.get("key", ""), message.text.get("value", "")

    def _short_text(self, span: Span | None) -> str:
        """Return a string attribute, or nothing when it is a payload (compiled contexts are)."""
        if span is None or span.length > _LONGEST_STRING:
            return ""
        return bytes(self._scanner.data[span.start : span.end]).decode(errors="replace")

    def _names(self, spans: Sequence[Span]) -> tuple[str, ...]:
        return tuple(self._scanner.collect(span, schema.VALUE_INFO).text.get("name", "") for span in spans)


def _by_name(attributes: list[Attribute]) -> dict[str, Attribute]:
    named = {attribute.name: attribute for attribute in attributes}
    if len(named) != len(attributes):
        raise UnsafeModelError("a node gives one attribute twice")
    return named


def _domain(name: str) -> str:
    """Return the operator set's domain; the default one has two spellings."""
    return "" if name == "ai.onnx" else name


def _optional(span: Span | None) -> tuple[Span, ...]:
    return () if span is None else (span,)
