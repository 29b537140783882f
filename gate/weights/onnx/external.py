"""Tensors kept in files beside the model: found, kept inside the root, and accounted for.

Source: https://onnx.ai/onnx/repo-docs/ExternalData.html.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from gate.errors import ModelError, UnsafeModelError

if TYPE_CHECKING:
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
            path = self._resolve(location, tensor)
            try:
                status = path.stat()
            except OSError as error:
                raise ModelError(
                    f"the external data {location!r} of tensor {tensor!r} cannot be read: {error.strerror}",
                    hint="Keep the model's .data files beside it.",
                ) from error
            if not stat.S_ISREG(status.st_mode):
                raise UnsafeModelError(f"the external data {location!r} of tensor {tensor!r} is no file")
            self._sizes[location] = path, status.st_size
            self._used.setdefault(path, [])
        return self._sizes[location]

    def _resolve(self, location: str, tensor: str) -> Path:
        windows = PureWindowsPath(location)
        if (
            not location.isprintable()
            or location in {"", "."}
            or PurePosixPath(location).is_absolute()
            or windows.drive
            or windows.root
        ):
            raise UnsafeModelError(f"tensor {tensor!r} names {location!r} as its file, not a relative path")
        try:
            path = (self._folder / location).resolve()
        except (OSError, RuntimeError) as error:  # too long a name; a loop of symbolic links
            raise UnsafeModelError(
                f"tensor {tensor!r} names a file that is none: {location[:80]!r}"
            ) from error
        if not path.is_relative_to(self._root):
            raise UnsafeModelError(
                f"tensor {tensor!r} names {location!r} as its file, which lies outside {self._root.name!r}",
                hint="External data must lie in the model's own folder.",
            )
        return path


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
