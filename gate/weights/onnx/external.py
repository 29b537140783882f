"""Tensors kept in files beside the model: found, kept inside the root, and accounted for.

Source: https://onnx.ai/onnx/repo-docs/ExternalData.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gate.errors import ModelError, UnsafeModelError
from gate.weights.paths import inside

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.onnx.records import TensorRecord

_NUMBER = re.compile(r"[0-9]{1,19}")


class ExternalFiles:
    """The files that one model's tensors lie in, each looked up once."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root.resolve()
        self._sizes: dict[str, tuple[Path, int]] = {}
        self._used: dict[Path, list[tuple[int, int]]] = {}

    def locate(self, tensor: TensorRecord, length: int) -> tuple[str, int]:
        """Return the file and the offset of ``tensor``'s ``length`` bytes.

        Raises
        ------
        gate.errors.ModelError
            The file is not there or too short, or the length given is not the shape's.
        gate.errors.UnsafeModelError
            The location is absolute, leaves the root, or is no ordinary file.
        """
        entries = dict(tensor.external)
        if len(entries) != len(tensor.external):
            raise UnsafeModelError(f"tensor {tensor.name!r} tells twice where its values lie")
        path, size = self._file(entries.get("location", ""), tensor.name)
        offset = _integer(entries.get("offset", "0"), tensor.name)
        given = _integer(entries.get("length", str(length)), tensor.name)
        if given != length:
            raise ModelError(f"tensor {tensor.name!r} needs {length} bytes, its external data has {given}")
        if offset + length > size:
            raise ModelError(
                f"tensor {tensor.name!r} ends at byte {offset + length} of {path.name}, which holds {size}",
                hint="The external data file is cut short: fetch or export it again.",
            )
        self._used[path].append((offset, offset + length))
        return str(path), offset

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, resolved, in the order in which they were first needed."""
        return tuple(self._used)

    @property
    def root(self) -> Path:
        """The folder that no file may lie outside of, resolved."""
        return self._root

    def unreferenced_bytes(self) -> int:
        """Return how many bytes of the files belong to no tensor (padding between tensors included)."""
        sizes = dict(self._sizes.values())
        return sum(sizes[path] - _covered(ranges) for path, ranges in self._used.items())

    def _file(self, location: str, tensor: str) -> tuple[Path, int]:
        if location not in self._sizes:
            try:
                path = inside(self._root, self._folder, location, f"tensor {tensor!r}").resolve()
                self._sizes[location] = path, path.stat().st_size
            except OSError as error:
                raise ModelError(
                    f"the external data {location[:80]!r} of {tensor!r} cannot be read: {error.strerror}",
                    hint="Keep the model's .data files beside it.",
                ) from error
            self._used.setdefault(path, [])
        return self._sizes[location]


def _integer(text: str, tensor: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ModelError(f"tensor {tensor!r} gives {text[:40]!r} where its external data needs a number")
    return int(text)


def _covered(ranges: list[tuple[int, int]]) -> int:
    """Return how many bytes the ranges cover, overlaps once."""
    total = reached = 0
    for start, stop in sorted(ranges):
        total += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return total
