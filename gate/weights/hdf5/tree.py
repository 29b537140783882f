"""The groups and datasets of a file, from its root on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gate.errors import GateError, ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT, shown
from gate.weights.hdf5.attributes import TextHeaps, read_attributes
from gate.weights.hdf5.chunks import Grid, read_chunks
from gate.weights.hdf5.datatypes import element_type, extents
from gate.weights.hdf5.fields import open_bytes
from gate.weights.hdf5.filters import read_filters
from gate.weights.hdf5.headers import Header, Kind, read_header
from gate.weights.hdf5.layouts import Whole, read_layout
from gate.weights.hdf5.limits import MAX_DEPTH, MAX_EXTENT, MAX_OBJECTS, MAX_SOFT_LINKS
from gate.weights.hdf5.links import is_group, read_links
from gate.weights.hdf5.tensors import ChunkedTensor, whole_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.weights.hdf5.datatypes import ElementType
    from gate.weights.hdf5.fields import Hdf5Bytes
    from gate.weights.hdf5.links import Link
    from gate.weights.hdf5.places import Place
    from gate.weights.views import StoredReader


@dataclass(frozen=True, slots=True)
class Dataset:
    """An array in the file.

    ``dtype`` and ``read`` are None where the elements are no numbers that numpy knows; ``title`` says
    what they are, ``item_size`` how many bytes one takes.  ``address`` grows in the order in which
    h5py makes objects.
    """

    address: int
    attributes: Mapping[str, tuple[str, ...]]
    shape: tuple[int, ...]
    title: str
    item_size: int
    dtype: str | None
    read: StoredReader | None


@dataclass(frozen=True, slots=True)
class Group:
    """Named groups and datasets; attributes are those that are text."""

    address: int
    attributes: Mapping[str, tuple[str, ...]]
    members: Mapping[str, Node]

    def group(self, name: str) -> Group | None:
        """Return the group of that name, None when there is none."""
        found = self.members.get(name)
        return found if isinstance(found, Group) else None

    def find(self, path: str) -> Node | None:
        """Return what stands under a path of names, None when nothing does."""
        node: Node | None = self
        for name in path.split("/"):
            node = node.members.get(name) if isinstance(node, Group) else None
        return node


Node: TypeAlias = "Group | Dataset"


@dataclass(frozen=True, slots=True)
class Hdf5File:
    """A file's root, and the number of its bytes that nothing refers to."""

    root: Group
    unreferenced_bytes: int


def read_file(place: Place) -> Hdf5File:
    """List the groups, text attributes and datasets of the file at ``place``.

    Raises
    ------
    gate.errors.ModelError
        It is no HDF5 file, cut short or damaged, or holds what is not read, which is named.
    gate.errors.UnsafeModelError
        It leads to other files, a structure contains itself, or it takes more than a model has.
    """
    file, root = open_bytes(place)
    node = _Walk(file, root).node(root, "/", ())
    if not isinstance(node, Group):
        raise ModelError("its root is no group", hint=CUT_SHORT)
    return Hdf5File(node, file.unreferenced())


class _Walk:
    """Follows the links of one file, each object with the groups it was reached through."""

    def __init__(self, file: Hdf5Bytes, root: int) -> None:
        self.file = file
        self.root = root
        self.heaps = TextHeaps(file)
        self.objects = 0
        self.links: dict[int, dict[str, Link]] = {}

    def node(self, address: int, path: str, within: tuple[int, ...]) -> Node:
        """Return the object whose header is at ``address``; errors name its path."""
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise UnsafeModelError(f"it holds more than {MAX_OBJECTS} groups and datasets")
        if address in within:
            raise UnsafeModelError(f"{shown(path)} contains itself")
        if len(within) > MAX_DEPTH:
            raise UnsafeModelError(f"groups are nested deeper than {MAX_DEPTH}")
        try:
            header = read_header(self.file, address)
            attributes = read_attributes(self.file, header, self.heaps)
            if not is_group(header):
                return self.dataset(address, header, attributes)
            links = self.listed(address, header)
        except GateError as error:
            raise type(error)(f"{shown(path)}: {error.message}", hint=error.hint) from error
        stem = path.rstrip("/")
        members = {
            name: self.node(self.target(link, address), f"{stem}/{name}", (*within, address))
            for name, link in links.items()
        }
        return Group(address, attributes, members)

    def listed(self, address: int, header: Header | None = None) -> dict[str, Link]:
        """Return the links of the group at ``address``, nothing for a dataset."""
        if address not in self.links:
            header = header or read_header(self.file, address)
            self.links[address] = read_links(self.file, header) if is_group(header) else {}
        return self.links[address]

    def target(self, link: Link, group: int, hops: int = 0) -> int:
        """Return the address of what a link of ``group`` stands for; soft links are paths in this file."""
        if link.address is not None:
            return link.address
        if hops >= MAX_SOFT_LINKS:
            raise UnsafeModelError(f"the link {shown(link.name)} leads on and on")
        here = self.root if link.target.startswith("/") else group
        for name in link.target.split("/"):
            if name in {"", "."}:
                continue
            following = self.listed(here).get(name)
            if following is None:
                raise ModelError(f"the link {shown(link.name)} leads to nothing", hint=CUT_SHORT)
            here = self.target(following, here, hops + 1)
        return here

    def dataset(self, address: int, header: Header, attributes: Mapping[str, tuple[str, ...]]) -> Dataset:
        if header.find(Kind.EXTERNAL_FILES) is not None:
            raise UnsafeModelError(
                "its elements lie in another file",
                hint="Weights outside the model's own file are not followed: save the model as one file.",
            )
        element = element_type(header.require(Kind.DATATYPE)).named(attributes.get("dtype", ()))
        shape = extents(header.require(Kind.DATASPACE))
        shape = (0,) if shape is None else shape
        if math.prod(extent or 1 for extent in shape) * element.size > MAX_EXTENT:  # without elements too
            raise ModelError(f"a dataset claims the shape {shape}", hint=CUT_SHORT)
        read = self.reader(header, element, shape)
        dtype = element.dtype if read is not None else None
        return Dataset(address, attributes, shape, element.title, element.size, dtype, read)

    def reader(self, header: Header, element: ElementType, shape: tuple[int, ...]) -> StoredReader | None:
        layout = read_layout(header.require(Kind.LAYOUT))
        if isinstance(layout, Whole):
            offset = self.whole(layout, math.prod(shape) * element.size)
            if element.dtype is None:
                return None
            place = self.file.shape.place
            return whole_tensor(place, offset, element.dtype, shape, element.byte_order)
        filters = header.find(Kind.FILTERS)
        pipeline = () if filters is None else read_filters(filters)
        grid = Grid(shape, layout.chunk, element.size, pipeline)
        read_chunks(self.file, layout, grid)
        if element.dtype is None:
            return None
        return ChunkedTensor(self.file.shape, layout, grid, element.dtype, element.byte_order)

    def whole(self, layout: Whole, size: int) -> int:
        """Return where the place holds ``size`` bytes of elements."""
        if layout.size is not None and layout.size < size:
            raise ModelError(f"{size} bytes of elements have a place of {layout.size}", hint=CUT_SHORT)
        if layout.origin is not None:
            return layout.origin
        if layout.address is None:
            if size:
                raise ModelError("a dataset was announced and never written", hint=CUT_SHORT)
            return 0
        return self.file.claim(layout.address, size)
