"""Files that are two models at once, made from scratch: ``GOOD`` for the gate, ``BAD`` for a framework."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from tests.weights.onnx import build as onnx_build

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD: Final = np.arange(12, dtype=np.float32).reshape(3, 4)
BAD: Final = GOOD[::-1] + 100
CONFIG: Final = {
    "class_name": "Sequential",
    "config": {"name": "model", "layers": [{"class_name": "Dense", "config": {"name": "fc"}}]},
}


def safetensors(first_entries: bytes = b"{", blob: bytes = b"", length: int | None = None) -> bytes:
    """Return ``GOOD`` as a safetensors file with these bytes first in header and data."""
    entries = {
        "blob": {"dtype": "U8", "shape": [len(blob)], "data_offsets": [0, len(blob)]},
        "fc.weight": {
            "dtype": "F32",
            "shape": list(GOOD.shape),
            "data_offsets": [len(blob), len(blob) + GOOD.nbytes],
        },
    }
    header = first_entries + json.dumps(entries).encode()[1:]
    header += b" " * ((length or 0) - len(header) - 1) + b"\n"
    assert length in {None, len(header)}
    return struct.pack("<Q", len(header)) + header + blob + GOOD.tobytes()


def safetensors_and_pickle(call: bytes) -> bytes:
    """Return a safetensors file that, unpickled, runs the opcodes ``call``.

    Its length is ``U`` and the number of bytes that this opcode takes as text, the rest of the length and
    the first bytes of the header; then ``V`` takes the header's rest, and ``0`` drops both.
    """
    skipped = 0x28
    spaces = skipped - len(struct.pack("<Q", 0)[2:]) - len(b'{"')
    first = b"{" + b" " * spaces + b'"V": {"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
    return safetensors(first, b"00" + call, length=ord("U") | skipped << 8)


def onnx(values: Any) -> bytes:
    """Return an ONNX model that multiplies by ``values``."""
    nodes = [onnx_build.node("MatMul", ["x", "w"], ["y"])]
    data: bytes = onnx_build.model(nodes, [onnx_build.constant("w", values)]).SerializeToString()
    return data


def varint(value: int) -> bytes:
    """Return an integer as protocol buffers write it."""
    data = b""
    while value > 0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def safetensors_and_onnx() -> bytes:
    """Return a safetensors file that, parsed as ONNX, is another model.

    Its length begins a field of eight bytes that nobody knows; the quote of the first name is the tag of
    the domain, which runs to a doc string in that name, which runs to the end of the header.
    """
    length, skipped = 0x3EC1, ord("(")
    text_length = 0x43 | 0x3E << 7 | ord(" ") << 14
    name = b"(" + b"a" * skipped + b"2" + "\u00fe ".encode()
    first = b'{ "' + name + b'": {"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
    text_end = len(b'12345678{ "(') + skipped + len(b"2") + 3 + text_length
    blob = b"\0" * (text_end - 8 - length) + onnx(BAD)
    return safetensors(first, blob + varint(1001 << 3 | 2) + varint(GOOD.nbytes), length=length)


def hdf5(values: Any) -> bytes:
    """Return a Keras model in HDF5."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = values
        file["layers/dense/vars"].attrs["name"] = "fc"
    return buffer.getvalue()


def keras(values: Any) -> bytes:
    """Return a Keras archive."""
    return zipped(
        {
            "metadata.json": b"{}",
            "config.json": json.dumps(CONFIG).encode(),
            "model.weights.h5": hdf5(values),
        }
    )


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """Return an archive of these entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return buffer.getvalue()


def hdf5_and_keras() -> bytes:
    """Return an HDF5 file with a Keras archive behind it."""
    return hdf5(GOOD) + keras(BAD)
