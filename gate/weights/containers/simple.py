"""Containers that are told by their first bytes, or by their outermost structure."""

from __future__ import annotations

from itertools import islice
from typing import Final, cast

from gate.errors import ModelError

_LARGEST_SAFETENSORS_HEADER: Final = 100_000_000
_ORT_IDENTIFIER: Final = b"ORTM"  # a FlatBuffers file has its identifier after the offset of its root
_TAR_BLOCK, _TAR_CHECKSUM = 512, slice(148, 156)
_MOST_FIELDS: Final = 1_000


def begins_as_safetensors(data: memoryview) -> bool:
    """Tell whether ``data`` begins with a header length that fits, followed by ``{``."""
    length = int.from_bytes(data[:8], "little")
    return bytes(data[8:9]) == b"{" and length <= min(_LARGEST_SAFETENSORS_HEADER, len(data) - 8)


def begins_as_ort(data: memoryview) -> bool:
    """Tell whether ``data`` is what ONNX Runtime loads as its own format."""
    return bytes(data[4:8]) == _ORT_IDENTIFIER


def is_protobuf(data: memoryview) -> bool:
    """Tell whether ``data`` parses as a message to its end; fields that nobody knows are skipped by all."""
    from gate.weights.protobuf.wire import Span, fields  # noqa: PLC0415 - files of other formats come by here

    message = fields(cast("bytes", data), Span(0, len(data)))  # which only asks for single bytes
    try:  # a graph that stands by itself has a field for every node: a thousand are no chance
        return sum(1 for _ in islice(message, _MOST_FIELDS)) > 0
    except ModelError:
        return False


def begins_as_tar(data: memoryview) -> bool:
    """Tell whether ``data`` begins with a member of a tar archive, of whatever dialect."""
    block = bytes(data[:_TAR_BLOCK])
    written = block[_TAR_CHECKSUM].strip(b"\0 ")
    if len(block) < _TAR_BLOCK or not written.isdigit():
        return False
    spaces = 8 * ord(" ")  # the checksum is taken as if blank
    counted = sum(block) - sum(block[_TAR_CHECKSUM]) + spaces
    return written.lstrip(b"0") == b"%o" % counted


def holds_hdf5(data: memoryview) -> bool:
    """Tell whether an HDF5 file begins at one of the places where the library looks for one."""
    from gate.weights.hdf5 import is_hdf5  # noqa: PLC0415 - as above

    return is_hdf5(data)
