"""The fields of ``onnx.proto`` as tables (version 1.23), and one collector that reads by them.

Protocol buffers let the last of two values of a field win and merge two messages; readers differ in
it, so a file that gives a single field twice could show the gate other weights than it shows the
runtime.  It is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from gate.errors import ModelError, UnsafeModelError
from gate.weights.onnx.wire import (
    FIXED32,
    FIXED64,
    LENGTH_DELIMITED,
    VARINT,
    Budget,
    Field,
    Span,
    fields,
    signed,
    varint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.weights.onnx.wire import Buffer

Kind: TypeAlias = Literal["integer", "integers", "text", "texts", "span", "spans", "values", "ignored"]
"""``values`` are the packed numbers of a tensor; ``ignored`` is known, and of no use here."""

Table: TypeAlias = "Mapping[int, tuple[str, Kind]]"

_LONGEST_TEXT: Final = 1 << 16
_ELEMENTS: Final = 2_000_000

MODEL: Final[Table] = {
    1: ("ir_version", "integer"),
    2: ("producer_name", "ignored"),
    3: ("producer_version", "ignored"),
    4: ("domain", "ignored"),
    5: ("model_version", "ignored"),
    6: ("doc_string", "ignored"),
    7: ("graph", "span"),
    8: ("opset_import", "spans"),
    14: ("metadata_props", "ignored"),
    20: ("training_info", "spans"),
    25: ("functions", "spans"),
    26: ("configuration", "ignored"),
}
TRAINING: Final[Table] = {
    1: ("initialization", "span"),
    2: ("algorithm", "span"),
    3: ("initialization_binding", "ignored"),
    4: ("update_binding", "ignored"),
}
GRAPH: Final[Table] = {
    1: ("node", "spans"),
    2: ("name", "text"),
    5: ("initializer", "spans"),
    10: ("doc_string", "ignored"),
    11: ("input", "spans"),
    12: ("output", "spans"),
    13: ("value_info", "ignored"),
    14: ("quantization_annotation", "ignored"),
    15: ("sparse_initializer", "spans"),
    16: ("metadata_props", "ignored"),
}
FUNCTION: Final[Table] = {
    1: ("name", "text"),
    4: ("input", "texts"),
    5: ("output", "texts"),
    6: ("attribute", "ignored"),
    7: ("node", "spans"),
    8: ("doc_string", "ignored"),
    9: ("opset_import", "ignored"),
    10: ("domain", "text"),
    11: ("attribute_proto", "spans"),
    12: ("value_info", "ignored"),
    13: ("overload", "text"),
    14: ("metadata_props", "ignored"),
}
VALUE_INFO: Final[Table] = {
    1: ("name", "text"),
    2: ("type", "ignored"),
    3: ("doc_string", "ignored"),
    4: ("metadata_props", "ignored"),
}
NODE: Final[Table] = {
    1: ("input", "texts"),
    2: ("output", "texts"),
    3: ("name", "text"),
    4: ("op_type", "text"),
    5: ("attribute", "spans"),
    6: ("doc_string", "ignored"),
    7: ("domain", "text"),
    8: ("overload", "text"),
    9: ("metadata_props", "ignored"),
    10: ("device_configurations", "ignored"),
}
ATTRIBUTE: Final[Table] = {
    1: ("name", "text"),
    2: ("f", "ignored"),
    3: ("i", "integer"),
    4: ("s", "span"),
    5: ("t", "span"),
    6: ("g", "span"),
    7: ("floats", "values"),
    8: ("ints", "integers"),
    9: ("strings", "ignored"),
    10: ("tensors", "spans"),
    11: ("graphs", "spans"),
    13: ("doc_string", "ignored"),
    14: ("tp", "ignored"),
    15: ("type_protos", "ignored"),
    20: ("type", "integer"),
    21: ("ref_attr_name", "text"),
    22: ("sparse_tensor", "span"),
    23: ("sparse_tensors", "spans"),
}
TENSOR: Final[Table] = {
    1: ("dims", "integers"),
    2: ("data_type", "integer"),
    3: ("segment", "span"),
    4: ("float_data", "values"),
    5: ("int32_data", "values"),
    6: ("string_data", "ignored"),
    7: ("int64_data", "values"),
    8: ("name", "text"),
    9: ("raw_data", "span"),
    10: ("double_data", "values"),
    11: ("uint64_data", "values"),
    12: ("doc_string", "ignored"),
    13: ("external_data", "spans"),
    14: ("data_location", "integer"),
    16: ("metadata_props", "ignored"),
}
SPARSE_TENSOR: Final[Table] = {1: ("values", "span"), 2: ("indices", "span"), 3: ("dims", "integers")}
ENTRY: Final[Table] = {1: ("key", "text"), 2: ("value", "text")}

_WIRE_TYPES: Final[Mapping[Kind, frozenset[int]]] = {
    "integer": frozenset({VARINT}),
    "integers": frozenset({VARINT, LENGTH_DELIMITED}),
    "text": frozenset({LENGTH_DELIMITED}),
    "texts": frozenset({LENGTH_DELIMITED}),
    "span": frozenset({LENGTH_DELIMITED}),
    "spans": frozenset({LENGTH_DELIMITED}),
    "values": frozenset({VARINT, FIXED32, FIXED64, LENGTH_DELIMITED}),
}
_REPEATED: Final = frozenset({"integers", "texts", "spans", "values", "ignored"})


@dataclass(slots=True)
class Message:
    """The fields of one message, sorted by kind; absent ones are empty."""

    integer: dict[str, int] = field(default_factory=dict)
    integers: dict[str, list[int]] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    span: dict[str, Span] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)
    values: dict[str, Span] = field(default_factory=dict)
    scattered: bool = False


class Scanner:
    """Collects messages of one file, within one budget."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.unknown_bytes = 0
        self._budget = Budget(_ELEMENTS)

    def collect(self, span: Span, table: Table) -> Message:
        """Return the fields of the message in ``span`` that ``table`` names.

        Raises
        ------
        gate.errors.ModelError
            The bytes are no such message.
        gate.errors.UnsafeModelError
            A single field is given twice, or the file holds more than it may.
        """
        message = Message()
        seen = set()
        for entry in fields(self.data, span):
            if entry.number not in table:
                self.unknown_bytes += entry.span.length
                continue
            name, kind = table[entry.number]
            if kind == "ignored":
                continue
            if entry.wire_type not in _WIRE_TYPES[kind]:
                raise ModelError(f"field {name!r} before byte {entry.span.end} has the wrong type")
            if kind not in _REPEATED:
                if name in seen:
                    raise UnsafeModelError(f"field {name!r} is given twice before byte {entry.span.end}")
                seen.add(name)
            self._store(message, name, kind, entry)
        return message

    def _store(self, message: Message, name: str, kind: Kind, entry: Field) -> None:
        if kind == "integer":
            message.integer[name] = signed(entry.value)
        elif kind == "integers":
            message.integers.setdefault(name, []).extend(self._integers(entry))
        elif kind == "text":
            message.text[name] = self.text(entry.span)
        elif kind == "texts":
            message.texts.setdefault(name, []).append(self.text(entry.span))
        elif kind == "span":
            message.span[name] = entry.span
        elif kind == "spans":
            self._budget.spend()
            message.spans.setdefault(name, []).append(entry.span)
        elif entry.wire_type != LENGTH_DELIMITED or name in message.values:
            message.scattered = True
        else:
            message.values[name] = entry.span

    def text(self, span: Span) -> str:
        """Return the string in ``span``."""
        self._budget.spend(span.length)
        if span.length > _LONGEST_TEXT:
            raise UnsafeModelError(f"a name of {span.length:,} bytes before byte {span.end}")
        try:
            return bytes(self.data[span.start : span.end]).decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"a name before byte {span.end} is not valid UTF-8") from error

    def _integers(self, entry: Field) -> list[int]:
        """Return repeated integers, packed into one field (proto 3) or given one by one (proto 2)."""
        if entry.wire_type == VARINT:
            self._budget.spend()
            return [signed(entry.value)]
        values = []
        position, end = entry.span
        while position < end:
            self._budget.spend()
            value, position = varint(self.data, position, end)
            values.append(signed(value))
        return values
