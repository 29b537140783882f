"""One collector that reads the fields of a message by a table of them.

Protocol buffers let the last of two values of a field win and merge two messages; readers differ in
it, so a file that gives a single field twice could show the gate other weights than it shows the
runtime.  It is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from gate.errors import ModelError, UnsafeModelError
from gate.weights.protobuf.wire import (
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

    from gate.weights.protobuf.wire import Buffer

Kind: TypeAlias = Literal["integer", "integers", "text", "texts", "span", "spans", "values", "ignored"]
"""``values`` are the packed numbers of a tensor; ``ignored`` is known, and of no use here."""

Table: TypeAlias = "Mapping[int, tuple[str, Kind]]"

_LONGEST_TEXT: Final = 1 << 16
MOST_ELEMENTS: Final = 2_000_000
"""What a file's structure may come to, unless its format is known to need more."""

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

    def __init__(self, data: Buffer, elements: int | None = None) -> None:
        self.data = data
        self.unknown_bytes = 0
        self._budget = Budget(MOST_ELEMENTS if elements is None else elements)

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
