"""What a name of the graph stands for: a constant that can still be read from the file, or not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

Path: TypeAlias = "tuple[tuple[str, str], ...]"

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.weights.onnx.storage import ElementType
    from gate.weights.views import StoredReader

_DEEPEST: Final = 40
_LARGEST: Final = 1024
_UNPACKING: Final = 4  # two-bit elements in a byte


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A tensor stored in the model, at the place where the graph defines it.

    ``path`` names the nodes and their branches that lead to its graph, outermost first.
    """

    name: str
    path: Path
    element: ElementType
    read: StoredReader

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as stored."""
        return self.read.shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Value:
    """A constant: how to read it, and the stored tensors whose elements it shows.

    Attributes
    ----------
    read:
        Reads it, through every operator between the stored tensors and here.
    leaves:
        The tensors it shows; scales and zero points are none of them.
    whole:
        Whether it shows every element of its leaves.
    step:
        Root mean square quantisation step, once dequantised.
    is_quantised:
        Whether a QuantizeLinear was passed and its DequantizeLinear is yet to come.
    depth, size:
        Operators between leaf and here: the longest chain, and all of them.
    """

    read: StoredReader
    leaves: tuple[Leaf, ...]
    whole: bool = True
    step: float | None = None
    is_quantised: bool = False
    depth: int = 1
    size: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        return self.read.shape

    def through(self, read: StoredReader, *, step: float | None = None) -> Value:
        """Return the value that one more operator makes of all of this one."""
        return replace(
            self,
            read=read,
            step=self.step if step is None else step,
            depth=self.depth + 1,
            size=self.size + 1,
        )

    def cut(self, read: StoredReader) -> Value:
        """Return what ``read`` shows of this value; leaves that it leaves out are dropped."""
        if read == self.read:
            return self
        shown = _stored_in(read)
        leaves = tuple(leaf for leaf in self.leaves if leaf.read in shown)
        complete = math.prod(read.shape) == sum(leaf.size for leaf in leaves)
        return replace(self.through(read), leaves=leaves, whole=self.whole and complete)


def _stored_in(read: object) -> set[object]:
    """Return every reader within ``read``, itself included."""
    found, waiting = set(), [read]
    while waiting:
        reader = waiting.pop()
        found.add(reader)
        waiting += getattr(reader, "sources", ())
        for name in ("source", "left", "right"):
            waiting += [inner] if (inner := getattr(reader, name, None)) is not None else []
    return found


def joined(values: Sequence[Value], read: StoredReader) -> Value:
    """Return the value that an operator makes of several."""
    leaves = tuple(dict.fromkeys(leaf for value in values for leaf in value.leaves))
    complete = all(value.whole for value in values)
    pieces_of_one = len(leaves) == 1 and math.prod(read.shape) == leaves[0].size
    return Value(
        read=read,
        leaves=leaves,
        whole=complete or pieces_of_one,
        step=max((value.step for value in values if value.step is not None), default=None),
        depth=1 + max(value.depth for value in values),
        size=1 + sum(value.size for value in values),
    )


def is_believable(value: Value) -> bool:
    """Tell whether reading ``value`` stays in proportion to the bytes its leaves hold.

    Operators on constants can double a tensor at each step; a few bytes could then claim terabytes,
    of memory or of work.
    """
    return (
        value.depth <= _DEEPEST
        and value.size <= _LARGEST
        and math.prod(value.shape) <= _UNPACKING * sum(leaf.size for leaf in value.leaves)
    )


class Unknown(Enum):
    """Names without a value that can be read."""

    DYNAMIC = "known only when the model runs"
    COMPUTED = "computed from constants by operators that are not followed"
    ABSENT = "an optional operand left out"


Operand: TypeAlias = "Value | Unknown"
