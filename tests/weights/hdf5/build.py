"""HDF5 files that h5py writes, in every way it can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSIONS: Final = ("earliest", "v108", "v110", "v112", "latest")
MATRIX: Final = np.random.default_rng(0).normal(size=(37, 53)).astype(np.float32)
TYPES: Final = ("f2", "f4", "f8", ">f2", ">f4", ">f8", "i1", "u1", "i2", ">i4", "u4", "i8", ">u8", "?")


def numbers(file: Any) -> None:
    for kind in TYPES:
        file[f"type {kind.replace('>', 'big ')}"] = (MATRIX[:3, :4] * 10).astype(kind)
    file["scalar"] = np.float32(3)
    file["empty"] = np.zeros((0, 4), np.float32)
    _low_level(file, b"compact", (5, 6), lambda settings: settings.set_layout(h5py.h5d.COMPACT))


def texts(file: Any) -> None:
    file.attrs["any length"] = "täxt"
    file.attrs["fixed"] = np.bytes_(b"fixed")
    file.attrs["several fixed"] = np.array([b"a", b"bcd"], "S")
    file.attrs["several"] = ["x", "", "ÿ" * 300]
    file.attrs["long"] = "0123456789" * 5_000
    file.attrs["a number"] = 3
    file.attrs["numbers"] = np.arange(4.0)
    file.attrs["nothing"] = h5py.Empty("f4")


def chunks(file: Any) -> None:
    for name, settings in CHUNKED.items():
        file.create_dataset(name, data=MATRIX, **settings)
    file.create_dataset("many", data=np.arange(2_500.0).reshape(50, 50), chunks=(1, 2))
    file.create_dataset("three", data=np.arange(210.0).reshape(5, 6, 7), chunks=(2, 4, 7), compression="gzip")
    file.create_dataset("odd", data=np.arange(31, dtype=np.uint8), chunks=(7,), fletcher32=True)
    file.create_dataset("big", data=MATRIX.astype(">f8"), chunks=(10, 20), shuffle=True)
    _low_level(file, b"early", (37, 53), _early)


CHUNKED: Final[dict[str, dict[str, Any]]] = {
    "plain": {"chunks": (10, 20)},
    "deflated": {"chunks": (10, 20), "compression": "gzip"},
    "every filter": {"chunks": (7, 7), "compression": "gzip", "shuffle": True, "fletcher32": True},
    "checked": {"chunks": (10, 20), "fletcher32": True},
    "shuffled": {"chunks": (10, 20), "shuffle": True},
    "whole": {"chunks": (37, 53)},
    "whole deflated": {"chunks": (37, 53), "compression": "gzip"},
    "small pages": {"chunks": (1, 1)},
    "small pages deflated": {"chunks": (1, 1), "compression": "gzip"},
}


def _early(settings: Any) -> None:
    settings.set_chunk((10, 20))
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)


def _low_level(file: Any, name: bytes, shape: tuple[int, ...], configure: Callable[[Any], None]) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    configure(settings)
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(file.id, name, h5py.h5t.IEEE_F32LE, space, settings)
    values = np.ascontiguousarray(MATRIX[: shape[0], : shape[1]])
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def groups(file: Any) -> None:
    for index in range(300):
        file[f"many/{index}"] = np.float32(index)
    ordered = file.create_group("ordered", track_order=True)
    for index in range(40):
        ordered[f"x{index}"] = np.arange(index + 1.0)
    for index in range(40):
        ordered.attrs[f"attribute {index}"] = f"value {index}"
    wide = file.create_group("wide")
    for index in range(1_500):
        wide.create_group(f"{index} {'long' * 40}")
    file["soft"] = h5py.SoftLink("/many/5")
    file["to soft"] = h5py.SoftLink("soft")
    file["few/relative"] = h5py.SoftLink("3")
    file["few/3"] = np.arange(3.0)
    file["to group"] = h5py.SoftLink("/few")
    file["hard"] = file["few/3"]
    file["/".join(["deep"] * 30)] = 1.5


CONTENTS: Final = {"numbers": numbers, "texts": texts, "chunks": chunks, "groups": groups}


def write(path: Path, content: str, version: str = "earliest", **settings: Any) -> Path:
    with h5py.File(path, "w", libver=version, **settings) as file:
        CONTENTS[content](file)
    return path
