"""What a model file says, without the tensors' values: plain records, names not yet resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.weights.protobuf.wire import Span


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A ``TensorProto``: its header and where its values lie.

    ``packed`` maps the name of each value field present (``raw_data``, ``float_data``, ...) to its
    bytes; ``scattered`` tells that values are stored one field each, or a field more than once.
    """

    name: str
    shape: tuple[int, ...]
    data_type: int
    packed: Mapping[str, Span]
    scattered: bool = False
    is_external: bool = False
    external: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SparseRecord:
    """A ``SparseTensorProto``: the shape it stands for and its stored values."""

    shape: tuple[int, ...]
    values: TensorRecord


@dataclass(frozen=True, slots=True)
class Attribute:
    """An ``AttributeProto``; which member counts follows from the operator's schema."""

    name: str
    integer: int | None = None
    integers: tuple[int, ...] = ()
    floats: tuple[Span, ...] = ()
    text: str = ""
    tensor: TensorRecord | None = None
    sparse: SparseRecord | None = None
    tensors: tuple[TensorRecord, ...] = ()
    graphs: tuple[Graph, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A ``NodeProto``; the default domain is written as the empty string."""

    operator: str
    domain: str
    overload: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class Graph:
    """A ``GraphProto``."""

    name: str
    nodes: tuple[Node, ...] = ()
    initializers: tuple[TensorRecord, ...] = ()
    sparse: tuple[SparseRecord, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A ``FunctionProto``: a sub-graph that nodes call by domain, name and overload."""

    name: str
    domain: str
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    defaults: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A ``ModelProto``; ``unknown_bytes`` is the payload of fields that ONNX does not define."""

    graph: Graph
    functions: tuple[Function, ...]
    training: tuple[Graph, ...]
    unknown_bytes: int
