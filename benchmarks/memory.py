"""Peak memory on a sharded model that is larger than the limit many times over."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.common import ROOT, Options, Section, at_most, say, seconds
from benchmarks.tensors import SEED

if TYPE_CHECKING:
    from numpy.typing import NDArray

TITLE: Final = "Memory"
SHAPE: Final = (8192, 2048)
_MEGABYTE: Final = 1 << 20
_CONSTANT: Final = 150 * _MEGABYTE
_SPARE: Final = 5 << 30
"""Bytes that must stay free on the disk beside the model."""
_TEXT: Final = """
`gate analyze FOLDER` on a sharded safetensors model made on the spot: float32 matrices of {shape}, {size}
in {shards} files. The limit is three float64 copies of the largest matrix plus 150 MB. *Resident* is all
of the process's memory, mapped file pages included; *anonymous* leaves those out, which the system can
drop at any time. Sampled every 20 ms, and the kernel's own high-water mark.
"""


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes at their highest: all resident memory (sampled, and by the kernel), and the anonymous part."""

    resident: int
    high_water: int
    anonymous: int
    wall: float


def run(options: Options) -> Section:
    """Make the model, analyze it in a process of its own, and remove it.

    Raises
    ------
    RuntimeError
        There is not enough room on the disk, or the analysis failed.
    """
    layers, shards = (4, 2) if options.quick else (68, 4)
    shape = (512, 128) if options.quick else SHAPE
    size = layers * shape[0] * shape[1] * 4
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        if shutil.disk_usage(folder).free < size + _SPARE:
            raise RuntimeError(f"{folder} has no room for a model of {size >> 20} MB")
        say(f"  writing {size >> 20} MB")
        write_model(Path(folder), layers, shards, shape)
        say("  analyzing")
        peak = watch(
            [
                *(sys.executable, "-c", "from gate.cli import main; main()", "analyze", folder),
                *("--format", "csv", "--no-cache", "--quiet"),
            ]
        )
    limit = 3 * 8 * shape[0] * shape[1] + _CONSTANT
    return Section(
        title=TITLE,
        text=_TEXT.format(shape=f"{shape[0]}×{shape[1]}", size=_text(size), shards=shards),
        header=("model", "largest matrix in float64", "limit", "peak resident", "peak anonymous", "wall"),
        rows=(
            (
                _text(size),
                _text(8 * shape[0] * shape[1]),
                _text(limit),
                _text(max(peak.resident, peak.high_water)),
                _text(peak.anonymous),
                seconds(peak.wall),
            ),
        ),
        targets=(
            at_most(
                "resident memory, file pages included, within the limit",
                max(peak.resident, peak.high_water) / limit,
                1,
                f"{_text(max(peak.resident, peak.high_water))} of {_text(limit)}",
            ),
        ),
    )


def write_model(folder: Path, layers: int, shards: int, shape: tuple[int, int]) -> None:
    """Write a model in shards with an index, as large models are published; one layer in memory at a time.

    Every layer is a seeded Gaussian matrix, shifted and scaled by its number.
    """
    generator = np.random.default_rng(SEED)
    base = generator.standard_normal(shape, np.float32).ravel()
    index: dict[str, str] = {}
    for shard in range(shards):
        names = [f"model.layers.{number}.mlp.weight" for number in range(shard, layers, shards)]
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        index |= dict.fromkeys(names, file)
        _write_shard(folder / file, names, shape, base)
    total = layers * base.nbytes
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")


def _write_shard(path: Path, names: list[str], shape: tuple[int, int], base: NDArray[np.float32]) -> None:
    """Write a safetensors file tensor by tensor; its own library wants all of them in memory."""
    header: dict[str, Any] = {}
    for position, name in enumerate(names):
        offsets = [position * base.nbytes, (position + 1) * base.nbytes]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": offsets}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as out:
        out.write(len(encoded).to_bytes(8, "little") + encoded)
        for name in names:
            number = int(name.split(".")[2])
            shifted = np.roll(base, number * 7919) * np.float32(0.02 * (1 + number % 7))
            out.write(shifted.astype("<f4").tobytes())


def watch(command: list[str]) -> Peak:
    """Run a command and return the peaks of its memory.

    Raises
    ------
    RuntimeError
        It failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    devnull = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    child = os.posix_spawn(command[0], command, environment, file_actions=[devnull])
    peaks = {"Rss": 0, "Anonymous": 0}
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(child, peaks, ended), daemon=True)
    sampler.start()
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - started
    ended.set()
    sampler.join()
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    high_water = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Peak(peaks["Rss"], high_water, peaks["Anonymous"], wall)


def _sample(child: int, peaks: dict[str, int], ended: threading.Event) -> None:
    """Keep the highest figures of ``/proc/PID/smaps_rollup``; other systems have no such file."""
    while not ended.wait(0.02):
        try:
            text = Path(f"/proc/{child}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        for line in text.splitlines():
            key, _, value = line.partition(":")
            if key in peaks:
                peaks[key] = max(peaks[key], int(value.split()[0]) * 1024)


def _text(size: int) -> str:
    return f"{size / (1 << 30):.2f} GB" if size >= 1 << 30 else f"{size / _MEGABYTE:.0f} MB"
