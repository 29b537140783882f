"""What a pickle is turned into: plain values, tensors by reference, and inert stand-ins.

Nothing here can be called.  Identity, never content, decides equality of the stand-ins: comparing
structures that share parts could take exponential time.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class GlobalName:
    """A global the pickle names; never looked up."""

    module: str
    name: str

    @property
    def qualified(self) -> str:
        """Return ``module.name``."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Stub:
    """An object the pickle would have made by calling or instantiating ``made_of``.

    Attributes
    ----------
    made_of:
        The class or function, usually a :class:`GlobalName`.
    arguments:
        What it would have been called with.
    called:
        True when the pickle calls it with arguments, False for a bare new instance.
    built:
        True once the pickle has given it a state.
    attributes:
        Its ``__dict__`` as the pickle sets it.
    state:
        A state that is no dictionary, as given.
    items, entries:
        What the pickle appends to it and sets in it, for subclasses of list and dict.
    """

    made_of: object
    arguments: tuple[object, ...] = ()
    called: bool = False
    built: bool = False
    attributes: dict[object, object] = field(default_factory=dict)
    state: object = None
    items: list[object] = field(default_factory=list)
    entries: dict[object, object] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Items:
    """A set, frozen set or deque: only what is in it matters."""

    items: list[object]


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A string or byte string left in the file, for its length."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class OpaqueKey:
    """A dictionary key that is neither text nor number."""

    key: object


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A run of elements that tensors view.

    ``key`` names it in its container; ``elements`` of ``dtype`` are what the pickle claims.
    ``start`` is not 0 for the windows into other storages that the legacy container knows.
    """

    key: str
    dtype: str
    elements: int
    location: str
    start: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """How integers stand for values: ``(stored - zero_point) * scale``.

    ``axis`` is None for one scale and zero point, given as numbers; else they are tensors or
    tuples of numbers along that axis.
    """

    scale: float | Tensor | tuple[float, ...]
    zero_point: float | Tensor | tuple[float, ...]
    axis: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor as the pickle describes it: a view of a storage, counted in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    quantizer: Quantizer | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OpaqueTensor:
    """A tensor whose values cannot be viewed, with the reason; ``shape`` is None where unknown."""

    reason: str
    shape: tuple[int, ...] | None = None
