"""SavedModels, checkpoints and graphs written byte by byte, from the descriptions of their formats.

Not with TensorFlow, which is too large for a test; and so that they can be wrong in every place.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC: Final = 0xDB4775248B80FB57
TYPES: Final = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bfloat16": 14, "float16": 19}
VALUE: Final = "/.ATTRIBUTES/VARIABLE_VALUE"


def weights(*shape: int) -> NDArray[np.float32]:
    """Return reproducible float32 weights."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def varint(value: int) -> bytes:
    """Return an unsigned integer, seven bits a byte."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def number(tag: int, value: int) -> bytes:
    """Return an integer field."""
    return varint(tag << 3) + varint(value)


def payload(tag: int, data: bytes | str) -> bytes:
    """Return a field that holds bytes, a text or a message."""
    data = data.encode() if isinstance(data, str) else data
    return varint(tag << 3 | 2) + varint(len(data)) + data


def crc32c(data: bytes) -> int:
    """Return the CRC-32C, bit by bit, as a check on the table of the product."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def trailed(block: bytes, compression: int = 0) -> bytes:
    """Return a block with its kind of compression and its masked checksum."""
    crc = crc32c(block + bytes([compression]))
    return (
        block + bytes([compression]) + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    )


def block(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return entries whose keys leave out what they share with the one before, and one restart point."""
    data, before = b"", b""
    for key, value in entries:
        shared = next(
            (at for at, (one, two) in enumerate(zip(before, key, strict=False)) if one != two),
            min(len(before), len(key)),
        )
        data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return data + struct.pack("<II", 0, 1)


def table(entries: Mapping[bytes, bytes], *, compression: int = 0, per_block: int = 3) -> bytes:
    """Return a table of the entries, sorted by key, some in each block."""
    items, data, handles = sorted(entries.items()), b"", []
    for at in range(0, len(items), per_block):
        part = block(items[at : at + per_block])
        handles.append((items[: at + per_block][-1][0] + b"\x00", varint(len(data)) + varint(len(part))))
        data += trailed(part, compression)
    meta, index = block([]), block(handles)
    places = varint(len(data)) + varint(len(meta)) + varint(len(data) + len(meta) + 5) + varint(len(index))
    return data + trailed(meta) + trailed(index) + places.ljust(40, b"\x00") + struct.pack("<Q", MAGIC)


def shape_proto(shape: Sequence[int]) -> bytes:
    """Return a TensorShapeProto."""
    return b"".join(payload(2, number(1, extent)) for extent in shape)


def entry(dtype: int, shape: Sequence[int], offset: int, size: int, *, shard: int = 0) -> bytes:
    """Return a BundleEntryProto."""
    place = number(3, shard) + number(4, offset) + number(5, size)
    return number(1, dtype) + payload(2, shape_proto(shape)) + place


@dataclass
class Checkpoint:
    """Tensors by key, and the names that variables were made with; ``entries`` replace what they yield."""

    tensors: dict[str, Any]
    full_names: dict[str, str] = field(default_factory=dict)
    entries: dict[bytes, bytes] = field(default_factory=dict)
    shards: int = 1
    compression: int = 0

    def write(self, folder: Path, stem: str = "variables") -> Path:
        """Write the index and the data files; return the index's path."""
        folder.mkdir(parents=True, exist_ok=True)
        data, entries = b"", {b"": number(1, self.shards)}
        for key, values in self.tensors.items():
            stored = np.ascontiguousarray(values)
            entries[key.encode()] = entry(TYPES[stored.dtype.name], stored.shape, len(data), stored.nbytes)
            data += stored.tobytes()
        if self.full_names:
            text = self.object_graph()
            stored_text = varint(len(text)) + struct.pack("<I", crc32c(varint(len(text)))) + text
            entries[b"_CHECKPOINTABLE_OBJECT_GRAPH"] = entry(7, (), len(data), len(stored_text))
            data += stored_text
        for shard in range(self.shards):
            name = f"{stem}.data-{shard:05d}-of-{self.shards:05d}"
            (folder / name).write_bytes(b"" if shard else data)
        index = folder / f"{stem}.index"
        index.write_bytes(table({**entries, **self.entries}, compression=self.compression))
        return index

    def object_graph(self) -> bytes:
        """Return a TrackableObjectGraph: a root whose children are the variables."""
        children, nodes = b"", b""
        for at, (key, name) in enumerate(self.full_names.items(), start=1):
            children += payload(1, number(1, at) + payload(2, key))
            value = payload(1, "VARIABLE_VALUE") + payload(2, name) + payload(3, key + VALUE)
            nodes += payload(1, payload(2, value))
        return payload(1, children) + nodes


def attribute(key: str, value: bytes) -> bytes:
    """Return an attribute of a node."""
    return payload(5, payload(1, key) + payload(2, value))


def node(name: str, operator: str, inputs: Sequence[str] = (), *attributes: bytes) -> bytes:
    """Return a NodeDef."""
    return (
        payload(1, name)
        + payload(2, operator)
        + b"".join(payload(3, item) for item in inputs)
        + b"".join(attributes)
    )


def tensor(values: Any) -> bytes:
    """Return a TensorProto that holds all of its values."""
    stored = np.ascontiguousarray(values)
    head = number(1, TYPES[stored.dtype.name]) + payload(2, shape_proto(stored.shape))
    return head + payload(4, stored.tobytes())


def const(name: str, values: Any) -> bytes:
    """Return a Const node."""
    return node(name, "Const", (), attribute("value", payload(8, tensor(values))))


def graph(nodes: Sequence[bytes], functions: Sequence[bytes] = ()) -> bytes:
    """Return a GraphDef."""
    library = payload(2, b"".join(payload(1, item) for item in functions)) if functions else b""
    return b"".join(payload(1, item) for item in nodes) + library


def function(
    name: str, arguments: Sequence[str], nodes: Sequence[bytes], results: Mapping[str, str] | None = None
) -> bytes:
    """Return a FunctionDef."""
    results = results or {}
    signature = payload(1, name) + b"".join(payload(2, payload(1, item)) for item in arguments)
    signature += b"".join(payload(3, payload(1, item)) for item in results)
    ret = b"".join(payload(4, payload(1, key) + payload(2, value)) for key, value in results.items())
    return payload(1, signature) + b"".join(payload(3, item) for item in nodes) + ret


def saved_model(graph_def: bytes, objects: bytes = b"") -> bytes:
    """Return a SavedModel with one graph, tagged ``serve``."""
    meta = payload(1, payload(4, "serve")) + payload(2, graph_def)
    return number(1, 1) + payload(2, meta + (payload(7, objects) if objects else b""))


def saved_objects(variables: Sequence[str], functions: Mapping[str, Sequence[int]]) -> bytes:
    """Return a SavedObjectGraph: a root with variables, and the functions bound to them by number."""
    root = b"".join(payload(1, number(1, at) + payload(2, key)) for at, key in enumerate(variables, start=1))
    nodes = payload(1, root) + b"".join(payload(1, payload(7, payload(6, key))) for key in variables)
    for name, bound in functions.items():
        inputs = payload(2, b"".join(varint(item) for item in bound))
        nodes += payload(2, payload(1, name) + payload(2, inputs))
    return nodes


def served(variables: Mapping[str, Any], nodes: Sequence[bytes], folder: Path) -> Path:
    """Write a SavedModel whose one signature takes ``x`` and the variables, by their names, as handles.

    Every variable is read into ``NAME_read`` before ``nodes``.
    """
    names = list(variables)
    reads = [node(f"{name}_read", "ReadVariableOp", [name]) for name in names]
    body = function("__inference_signature_wrapper_1", ["x", *names], [*reads, *nodes])
    objects = saved_objects(names, {"__inference_signature_wrapper_1": range(1, len(names) + 1)})
    tensors = {name + VALUE: values for name, values in variables.items()}
    Checkpoint(tensors, {name: name for name in names}).write(folder / "variables")
    (folder / "saved_model.pb").write_bytes(saved_model(graph([node("NoOp", "NoOp")], [body]), objects))
    return folder / "saved_model.pb"


def used(variable: str) -> str:
    """Return how a function's node names the values of ``variable``."""
    return f"{variable}_read:value:0"
