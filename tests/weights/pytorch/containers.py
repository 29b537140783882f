"""PyTorch files made by hand, without torch: pickles from opcodes, zips byte by byte."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.weights.pytorch.legacy_reader import MAGIC_NUMBER
from gate.weights.pytorch.pickle_machine import interpret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gate.weights.pytorch.pickle_machine import Pickle

PROTO = b"\x80\x02"
STORAGE_CLASSES = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}


def text(value: str) -> bytes:
    """Push text."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    """Push an integer."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_of(*parts: bytes) -> bytes:
    """Push a tuple."""
    return b"(" + b"".join(parts) + b"t"


def dict_of(items: Mapping[str, bytes]) -> bytes:
    """Push a dictionary."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def named(module: str, name: str) -> bytes:
    """Push a global."""
    return f"c{module}\n{name}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """Push the result of a call."""
    return function + tuple_of(*arguments) + b"R"


def storage(key: str, dtype: str, elements: int, *more: bytes) -> bytes:
    """Push a storage by its persistent id."""
    cls = named("torch", STORAGE_CLASSES[dtype])
    return tuple_of(text("storage"), cls, text(key), text("cpu"), integer(elements), *more) + b"Q"


def tensor(
    key: str,
    shape: Sequence[int],
    *view: bytes,
    strides: Sequence[int] = (),
    dtype: str = "float32",
    offset: int = 0,
    elements: int = -1,
) -> bytes:
    """Push a tensor that views a storage, all of it unless told otherwise; ``view`` is the legacy window."""
    steps = strides or [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    count = int(np.prod(shape)) if elements < 0 else elements
    return call(
        named("torch._utils", "_rebuild_tensor_v2"),
        storage(key, dtype, count, *view),
        integer(offset),
        tuple_of(*map(integer, shape)),
        tuple_of(*map(integer, steps)),
        b"\x89",
        call(named("collections", "OrderedDict")),
    )


def module(
    cls: bytes, parameters: Mapping[str, bytes], modules: Mapping[str, bytes] | None = None, **more: bytes
) -> bytes:
    """Push a module as ``torch.save(module)`` writes it."""
    state = {"_parameters": dict_of(parameters), "_buffers": dict_of({}), "_modules": dict_of(modules or {})}
    return cls + b")\x81" + dict_of({**state, **more}) + b"b"


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """Return an uncompressed archive of these entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, contents in entries.items():
            archive.writestr(name, contents)
    return buffer.getvalue()


def zip_file(structure: bytes, storages: Mapping[str, NDArray[Any]], **more: bytes) -> bytes:
    """Return a zip container of ``torch.save`` around the opcodes ``structure``."""
    entries = {"m/data.pkl": PROTO + structure + b".", "m/byteorder": b"little"}
    entries |= {f"m/data/{key}": values.tobytes() for key, values in storages.items()}
    return zipped(
        {**entries, "m/version": b"3\n", **{f"m/{name}": contents for name, contents in more.items()}}
    )


def script_file(structure: bytes, storages: Mapping[str, NDArray[Any]], **more: bytes) -> bytes:
    """Return a TorchScript archive around the opcodes ``structure``."""
    entries = {f"m/data/{key}": values.tobytes() for key, values in storages.items()}
    entries |= {"m/data.pkl": PROTO + structure + b".", "m/constants.pkl": PROTO + b")."}
    entries |= {f"m/{name}": contents for name, contents in more.items()}
    return zipped({**entries, "m/version": b"3\n", "m/byteorder": b"little"})


def legacy_file(structure: bytes, storages: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a legacy container of ``torch.save`` around the opcodes ``structure``."""
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    pickles = [pickle.dumps(value, 2) for value in (MAGIC_NUMBER, 1001, facts)]
    pickles += [PROTO + structure + b".", pickle.dumps(list(storages), 2)]
    data = [struct.pack("<q", values.size) + values.tobytes() for values in storages.values()]
    return b"".join(pickles + data)


def write(folder: Path, contents: bytes, name: str = "model.pt") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(contents)
    return path


def run(opcodes: bytes) -> Pickle:
    """Interpret a pickle of these opcodes."""
    return interpret(memoryview(PROTO + opcodes + b"."))


def unsafe(opcodes: bytes) -> set[str]:
    """Return what a pickle of these opcodes is reported for."""
    return set(run(opcodes).unsafe_globals)


LINEAR = named("torch.nn.modules.linear", "Linear")
USER_CLASS = named("shop.nets", "Net")
