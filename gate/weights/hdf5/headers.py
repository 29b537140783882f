"""Object headers: the messages that say what a group or a dataset is.

"HDF5 File Format Specification Version 3.0", section IV.A.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT
from gate.weights.hdf5.fields import CHECKSUM_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gate.weights.hdf5.fields import Fields, Hdf5Bytes

_SIGNATURE: Final = b"OHDR"
_CONTINUED: Final = b"OCHK"
_OLD_PREFIX: Final = 16
_OLD_MESSAGE, _NEW_MESSAGE = 8, 4
_SHARED: Final = 1 << 1
_REFUSE_UNKNOWN: Final = 1 << 7
_HAS_TIMES: Final = 1 << 5
_HAS_ATTRIBUTE_LIMITS: Final = 1 << 4
_HAS_ORDER: Final = 1 << 2
_WIDTH_OF_SIZE: Final = 0b11


class Kind(IntEnum):
    """Kinds of message."""

    NOTHING = 0x00
    DATASPACE = 0x01
    LINK_INFO = 0x02
    DATATYPE = 0x03
    OLD_FILL_VALUE = 0x04
    FILL_VALUE = 0x05
    LINK = 0x06
    EXTERNAL_FILES = 0x07
    LAYOUT = 0x08
    GROUP_INFO = 0x0A
    FILTERS = 0x0B
    ATTRIBUTE = 0x0C
    COMMENT = 0x0D
    OLD_TIME = 0x0E
    SHARED_TABLE = 0x0F
    CONTINUATION = 0x10
    SYMBOL_TABLE = 0x11
    TIME = 0x12
    ATTRIBUTE_INFO = 0x15
    REFERENCES = 0x16


_KNOWN: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``shared`` says that it stands elsewhere and ``fields`` only tell where."""

    kind: int
    shared: bool
    fields: Fields


class Header:
    """The messages of one object."""

    __slots__ = ("messages",)

    def __init__(self, messages: Iterable[Message]) -> None:
        self.messages = tuple(messages)

    def every(self, kind: Kind) -> list[Message]:
        """Return the messages of one kind, in their order."""
        return [message for message in self.messages if message.kind == kind]

    def find(self, kind: Kind) -> Fields | None:
        """Return the first message of a kind, None when there is none.

        Raises
        ------
        gate.errors.ModelError
            It is shared with other objects: neither Keras nor h5py writes that for what a model needs.
        """
        found = next((message for message in self.messages if message.kind == kind), None)
        if found is None:
            return None
        if found.shared:
            raise ModelError(f"a {kind.name.lower()} message is shared between objects, which is not read")
        return found.fields

    def require(self, kind: Kind) -> Fields:
        """Return the first message of a kind; its lack is an error as in :meth:`find`."""
        found = self.find(kind)
        if found is None:
            raise ModelError(f"an object has no {kind.name.lower()} message", hint=CUT_SHORT)
        return found


def read_header(file: Hdf5Bytes, address: int) -> Header:
    """Return the messages of the object whose header is at ``address``.

    Raises
    ------
    gate.errors.ModelError
        There is no header, it is damaged, or holds a message that readers must know.
    gate.errors.UnsafeModelError
        It continues in itself.
    """
    is_new = bytes(file.block(address, len(_SIGNATURE)).data) == _SIGNATURE
    return Header(_new_messages(file, address) if is_new else _old_messages(file, address))


def _old_messages(file: Hdf5Bytes, address: int) -> Iterator[Message]:
    prefix = file.block(address, _OLD_PREFIX)
    prefix.version((1,), "an object header")
    prefix.skip(7)
    size = prefix.unsigned(4)
    yield from _followed(file.block(address + _OLD_PREFIX, size), _old_message, file.block)


def _old_message(block: Fields) -> Message | None:
    if block.remaining < _OLD_MESSAGE:
        return None
    kind, size, flags = block.unsigned(2), block.unsigned(2), block.byte()
    block.skip(3)
    return _known(kind, flags, block.inner(size))


def _new_messages(file: Hdf5Bytes, address: int) -> Iterator[Message]:
    start = file.block(address, len(_SIGNATURE) + 2)
    start.skip(len(_SIGNATURE))
    start.version((2,), "an object header")
    flags = start.byte()
    before = 16 * bool(flags & _HAS_TIMES) + 4 * bool(flags & _HAS_ATTRIBUTE_LIMITS)
    width = 1 << (flags & _WIDTH_OF_SIZE)
    prefix = file.block(address + 6, before + width)
    prefix.skip(before)
    size = prefix.unsigned(width)
    block = file.checked_block(address, 6 + before + width + size)
    block.skip(6 + before + width)

    def message(fields: Fields) -> Message | None:
        return _new_message(fields, ordered=bool(flags & _HAS_ORDER))

    def more(address: int, size: int) -> Fields:
        if size < len(_CONTINUED) + CHECKSUM_SIZE:
            raise ModelError("an object header continues in no bytes", hint=CUT_SHORT)
        fields = file.checked_block(address, size - CHECKSUM_SIZE)
        fields.expect(_CONTINUED, "continuation of an object header")
        return fields

    yield from _followed(block, message, more)


def _new_message(block: Fields, *, ordered: bool) -> Message | None:
    if block.remaining < _NEW_MESSAGE + 2 * ordered:
        return None  # a gap, too small for a message
    kind, size, flags = block.byte(), block.unsigned(2), block.byte()
    block.skip(2 * ordered)
    return _known(kind, flags, block.inner(size))


def _known(kind: int, flags: int, fields: Fields) -> Message:
    if kind not in _KNOWN and flags & _REFUSE_UNKNOWN:
        raise ModelError(
            f"an object holds a message of kind {kind}, which its writer says must be understood"
        )
    return Message(kind, bool(flags & _SHARED), fields)


def _followed(
    block: Fields,
    take: Callable[[Fields], Message | None],
    more: Callable[[int, int], Fields],
) -> Iterator[Message]:
    """Yield the messages of a block and of those it continues in."""
    seen = {block.origin}
    blocks = [block]
    for current in blocks:
        while (message := take(current)) is not None:
            if message.kind == Kind.CONTINUATION:
                following = more(
                    message.fields.required_address("the rest of an object header"), message.fields.length()
                )
                if following.origin in seen:
                    raise UnsafeModelError("an object header continues in itself")
                seen.add(following.origin)
                blocks.append(following)
            elif message.kind != Kind.NOTHING:
                yield message
