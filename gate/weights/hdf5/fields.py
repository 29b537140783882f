"""The bytes of an HDF5 file, and its superblock: how wide its addresses are and where its root lies.

"HDF5 File Format Specification Version 3.0", sections II.A and III.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT, Cursor
from gate.weights.hdf5.checksums import lookup3
from gate.weights.hdf5.limits import MAX_STRUCTURE_BYTES

if TYPE_CHECKING:
    from gate.weights.hdf5.places import Place

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_FIRST_USER_BLOCK: Final = 512
_WIDTHS: Final = frozenset({2, 4, 8})
_SYMBOL_TABLE_VERSIONS: Final = (0, 1)
_CHECKED_VERSIONS: Final = (2, 3)
CHECKSUM_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class FileShape:
    """What the superblock says of every other structure.

    ``base`` is the byte of the place that addresses count from; ``offsets`` and ``lengths`` are the
    bytes that an address and a length take.  The others are half of what a node of an old index has
    room for: that of a group's leaf, of a group's tree, of a tree of chunks.
    """

    place: Place
    base: int
    offsets: int
    lengths: int
    group_leaf: int = 4
    group_tree: int = 16
    chunk_tree: int = 32


class Fields(Cursor):
    """Reads the fields of one structure; ``origin`` is where the place holds its first byte."""

    __slots__ = ("origin", "shape")

    def __init__(self, data: memoryview, origin: int, shape: FileShape) -> None:
        super().__init__(data)
        self.origin = origin
        self.shape = shape

    def address(self) -> int | None:
        """Return the next address; None where it says that there is nothing."""
        value = self.unsigned(self.shape.offsets)
        return None if value == (1 << 8 * self.shape.offsets) - 1 else value

    def required_address(self, what: str) -> int:
        """Return the next address, which must be one.

        Raises
        ------
        gate.errors.ModelError
            It says that there is nothing.
        """
        address = self.address()
        if address is None:
            raise ModelError(f"{what} is nowhere in the file", hint=CUT_SHORT)
        return address

    def length(self) -> int:
        """Return the next length."""
        return self.unsigned(self.shape.lengths)

    def inner(self, size: int) -> Fields:
        """Return the next ``size`` bytes as fields of their own."""
        start = self.skip(size)
        return Fields(self.data[start : start + size], self.origin + start, self.shape)

    def rest(self) -> Fields:
        """Return all bytes that follow as fields of their own."""
        return self.inner(self.remaining)

    def expect(self, signature: bytes, what: str) -> None:
        """Take the signature that a structure begins with.

        Raises
        ------
        gate.errors.ModelError
            Something else stands there.
        """
        if self.take(len(signature)) != signature:
            raise ModelError(f"there is no {what} at byte {self.origin}", hint=CUT_SHORT)

    def version(self, known: tuple[int, ...], what: str) -> int:
        """Take the version of a structure.

        Raises
        ------
        gate.errors.ModelError
            It is none of those known.
        """
        version = self.byte()
        if version not in known:
            raise ModelError(f"version {version} of {what} is not one that can be read")
        return version


class Hdf5Bytes:
    """The bytes of one file, what has been looked at, and how much more may be."""

    __slots__ = ("claims", "data", "left", "shape")

    def __init__(self, shape: FileShape) -> None:
        self.shape = shape
        self.data = shape.place.bytes()
        self.claims: list[tuple[int, int]] = []
        self.left = MAX_STRUCTURE_BYTES

    def claim(self, address: int, size: int) -> int:
        """Note that ``size`` bytes at ``address`` belong to something; return where the place holds them.

        Raises
        ------
        gate.errors.ModelError
            They are not all in the file.
        """
        start = self.shape.base + address
        if start + size > len(self.data):
            raise ModelError(
                f"{size} bytes are wanted at byte {start} of {len(self.data)}, past the end", hint=CUT_SHORT
            )
        self.claims.append((start, start + size))
        return start

    def claim_room(self, address: int, size: int) -> None:
        """Note that a structure has room for ``size`` bytes, as far as the file goes."""
        start = self.shape.base + address
        self.claims.append((start, min(start + size, len(self.data))))

    def block(self, address: int, size: int) -> Fields:
        """Return ``size`` bytes of structure at ``address``.

        Raises
        ------
        gate.errors.ModelError
            They are not all in the file.
        gate.errors.UnsafeModelError
            More has been looked at than a model has.
        """
        start = self.claim(address, size)
        self.charge(size)
        return Fields(self.data[start : start + size], start, self.shape)

    def checked_block(self, address: int, size: int) -> Fields:
        """Return ``size`` bytes of structure that a checksum follows; see :meth:`block`.

        Raises
        ------
        gate.errors.ModelError
            The checksum is that of other bytes.
        """
        whole = self.block(address, size + CHECKSUM_SIZE)
        fields = whole.inner(size)
        if whole.unsigned(CHECKSUM_SIZE) != lookup3(fields.data):
            raise ModelError(f"the structure at byte {whole.origin} fails its checksum", hint=CUT_SHORT)
        return fields

    def charge(self, size: int) -> None:
        """Count ``size`` bytes as looked at.

        Raises
        ------
        gate.errors.UnsafeModelError
            That is more than a model has.
        """
        self.left -= size
        if self.left < 0:
            raise UnsafeModelError(f"its structure takes more than {MAX_STRUCTURE_BYTES} bytes to read")

    def unreferenced(self) -> int:
        """Return the number of bytes that nothing looked at refers to."""
        covered = end = 0
        for start, stop in sorted(self.claims):
            covered += max(stop, end) - max(start, end)
            end = max(stop, end)
        return len(self.data) - covered


def superblock_at(data: memoryview) -> int | None:
    """Return where the superblock of the HDF5 file ``data`` begins, None when it is none.

    It stands at byte 0, 512, 1024, 2048 and so on: what is before it belongs to somebody else.
    """
    start = 0
    while start < len(data):
        if bytes(data[start : start + len(SIGNATURE)]) == SIGNATURE:
            return start
        start = 2 * start or _FIRST_USER_BLOCK
    return None


def is_hdf5(data: memoryview) -> bool:
    """Tell whether ``data`` is an HDF5 file."""
    return superblock_at(data) is not None


def open_bytes(place: Place) -> tuple[Hdf5Bytes, int]:
    """Return the bytes of the file at ``place``, and the address of its root group's header.

    Raises
    ------
    gate.errors.ModelError
        It is no HDF5 file, cut short, or of a version that is not read.
    """
    data = place.bytes()
    start = superblock_at(data)
    if start is None:
        raise ModelError("it is no HDF5 file", hint=CUT_SHORT)
    version = Cursor(data, start + len(SIGNATURE)).byte()
    if version in _SYMBOL_TABLE_VERSIONS:
        return _old_superblock(place, data, start, version)
    if version in _CHECKED_VERSIONS:
        return _new_superblock(place, data, start)
    raise ModelError(f"version {version} of the HDF5 superblock is not one that can be read")


def _old_superblock(place: Place, data: memoryview, start: int, version: int) -> tuple[Hdf5Bytes, int]:
    """Read version 0 or 1, at whose end the root's symbol table entry stands."""
    cursor = Cursor(data, start + 13)
    widths = _widths(cursor)
    cursor.skip(1)
    rooms = [cursor.unsigned(2), cursor.unsigned(2)]
    cursor.skip(4)
    if version:
        rooms.append(cursor.unsigned(2))
        cursor.skip(2)
    fields = _placed(data, cursor.position, FileShape(place, 0, *widths, *rooms))
    opened = _opened(fields)
    fields.address()  # of driver information, which only files in several pieces have
    fields.skip(widths[0])
    root = fields.required_address("the root group")
    opened.claims.append((start, fields.skip(24) + 24))
    return opened, root


def _new_superblock(place: Place, data: memoryview, start: int) -> tuple[Hdf5Bytes, int]:
    cursor = Cursor(data, start + 9)
    widths = _widths(cursor)
    cursor.skip(1)
    fields = _placed(data, cursor.position, FileShape(place, 0, *widths))
    opened = _opened(fields)
    root = fields.required_address("the root group")
    if lookup3(data[start : fields.position]) != fields.unsigned(CHECKSUM_SIZE):
        raise ModelError("the superblock fails its checksum", hint=CUT_SHORT)
    opened.claims.append((start, fields.position))
    return opened, root


def _widths(cursor: Cursor) -> tuple[int, int]:
    offsets, lengths = cursor.byte(), cursor.byte()
    if offsets not in _WIDTHS or lengths not in _WIDTHS:
        raise ModelError(f"its addresses take {offsets} bytes and its lengths {lengths}", hint=CUT_SHORT)
    return offsets, lengths


def _placed(data: memoryview, position: int, shape: FileShape) -> Fields:
    fields = Fields(data, 0, shape)
    fields.position = position
    return fields


def _opened(fields: Fields) -> Hdf5Bytes:
    """Read base address, the address of an extension, and where the file says it ends."""
    base = fields.required_address("the file's beginning")
    fields.address()  # free space, or a superblock extension: neither says where the model is
    end = fields.required_address("the file's end")
    if end > len(fields.data):
        raise ModelError(
            f"it holds {len(fields.data)} bytes of the {end} that its superblock tells", hint=CUT_SHORT
        )
    return Hdf5Bytes(replace(fields.shape, base=base))
