"""The files in which a bundle's values lie: found, kept inside the root, and accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.paths import inside, relative_name

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.protobuf.wire import Span

MOST_SHARDS: Final = 4096


class Shards:
    """``STEM.data-00000-of-0000N`` beside the index ``STEM.index``."""

    def __init__(self, index: Path, root: Path, count: int) -> None:
        if not 0 < count <= MOST_SHARDS:
            raise UnsafeModelError(f"its index speaks of {count} data files, not of 1 to {MOST_SHARDS}")
        self._root = root
        self._paths = [
            inside(root, index.parent, f"{index.stem}.data-{number:05d}-of-{count:05d}", index.name)
            for number in range(count)
        ]
        self._sizes = [path.stat().st_size for path in self._paths]
        self._used: list[list[tuple[int, int, str]]] = [[] for _ in self._paths]

    @property
    def names(self) -> tuple[str, ...]:
        """The files, relative to the root."""
        return tuple(relative_name(self._root, path) for path in self._paths)

    def locate(self, name: str, shard: int, values: Span) -> tuple[str, int]:
        """Return the file that holds ``values`` of the tensor ``name``, and its size.

        Raises
        ------
        gate.errors.ModelError
            There is no such file, or it ends before the values do.
        """
        if not 0 <= shard < len(self._paths):
            raise ModelError(f"tensor {name!r} lies in data file {shard} of {len(self._paths)}")
        path, size = self._paths[shard], self._sizes[shard]
        if values.start < 0 or values.end > size:
            raise ModelError(
                f"tensor {name!r} ends at byte {values.end} of {path.name}, which holds {size}",
                hint="The data file is cut short: fetch or export it again.",
            )
        if values.length:
            self._used[shard].append((*values, name))
        return str(path), size

    def unreferenced_bytes(self) -> int:
        """Return how many bytes of the files belong to no tensor.

        Raises
        ------
        gate.errors.UnsafeModelError
            Two tensors share bytes, which TensorFlow never writes.
        """
        left = sum(self._sizes)
        for used in self._used:
            reached, before = 0, ""
            for start, end, name in sorted(used):
                if start < reached:
                    raise UnsafeModelError(f"tensors {before!r} and {name!r} overlap in the data file")
                left -= end - start
                reached, before = end, name
        return left
