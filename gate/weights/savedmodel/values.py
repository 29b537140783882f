"""What an edge of the graph carries: a stored tensor under a view, something made of stored ones, or data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gate.layer import LayerKind
    from gate.weights.views import StoredReader


@dataclass(frozen=True, slots=True)
class Source:
    """A variable of the checkpoint or a constant of the graph.

    ``read`` is None for a constant whose values are not kept as such; ``integers`` are those of a
    small integer constant.
    """

    name: str
    is_variable: bool
    shape: tuple[int, ...]
    dtype: str
    read: StoredReader | None
    integers: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A source as it reaches a node: whole, under the view ``read``; ``is_handle`` until it is read.

    ``depth`` counts the views on the way: each is read through all the others.
    """

    source: Source
    read: StoredReader | None
    is_handle: bool = False
    depth: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what arrives."""
        return self.source.shape if self.read is None else self.read.shape

    def through(self, read: StoredReader) -> Flow:
        """Return the same source under another view."""
        return replace(self, read=read, depth=self.depth + 1)


@dataclass(frozen=True, slots=True)
class Changed:
    """A result that is computed from stored tensors alone."""

    sources: frozenset[Source]


Value: TypeAlias = "Flow | Changed | None"
"""None for what depends on the model's input, or is not followed."""


@dataclass(frozen=True, slots=True)
class Use:
    """How one node uses a source: as the weight of a layer, without multiplying by it, or unknown.

    ``kind`` is set for a weight, which ``read`` gives in the canonical order; ``matrix`` tells of the
    others whether the source may be a weight all the same.
    """

    node: str
    reason: str = ""
    matrix: bool = False
    kind: LayerKind | None = None
    read: StoredReader | None = None
    groups: int = 1

    @property
    def weight(self) -> int:
        """How much the use tells: 2 that it is a weight, 1 that it may be, 0 that it is none."""
        return 2 if self.kind is not None else int(self.matrix)
