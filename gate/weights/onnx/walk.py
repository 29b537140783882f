"""The walk along the nodes, in order: every stored tensor, and every operator that holds weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.errors import UnsafeModelError
from gate.weights.interface import Skipped
from gate.weights.onnx.folding import FOLDS, split
from gate.weights.onnx.operators import HARMLESS, OPERATORS, Refusal, Weight
from gate.weights.onnx.parse import DEEPEST
from gate.weights.onnx.scope import Call, Scope
from gate.weights.onnx.storage import ELEMENT_TYPES, STRING, Inline
from gate.weights.onnx.values import Leaf, Operand, Unknown, Value, is_believable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gate.weights.onnx.records import Attribute, Graph, ModelRecord, Node, SparseRecord, TensorRecord
    from gate.weights.onnx.storage import Storage
    from gate.weights.onnx.values import Path
    from gate.weights.views import StoredReader

_WORK: Final = 500_000
_MOST_REASONS: Final = 3
_MOST_FLOATS: Final = 4096
_INVARIANTS: Final[Mapping[str, tuple[int, int]]] = {"Loop": (2, 1), "Scan": (0, 0)}
_BIASES: Final = ("bias", "BiasAdd/ReadVariableOp:0")
_FIRST: Final = {0: "first", 1: "second", 2: "third"}


@dataclass(frozen=True, slots=True)
class Found:
    """A weight, the node that uses it, where that node stands, and the bias beside it."""

    weight: Weight
    node: Node
    path: Path
    bias: str


@dataclass(slots=True)
class Inventory:
    """All that a walk has seen.

    ``reasons`` tells, for tensors that some operator uses other than as a weight, how, and whether
    that was a weight matrix which could not be listed.
    """

    leaves: list[Leaf] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    reasons: dict[Leaf, dict[str, bool]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    batch_norms: int = 0

    def note(self, operand: Operand, reason: str, *, matrix: bool) -> None:
        """Remember why the tensors behind ``operand`` are not weights there."""
        if isinstance(operand, Value):
            for leaf in operand.leaves:
                reasons = self.reasons.setdefault(leaf, {})
                if len(reasons) < _MOST_REASONS or reason in reasons:
                    reasons[reason] = reasons.get(reason, False) or matrix


def walk(model: ModelRecord, storage: Storage) -> Inventory:
    """Return every tensor of the model and every weight, in the order of the nodes.

    Raises
    ------
    gate.errors.ModelError
        A tensor's values are not where, or not as many as, the file says.
    gate.errors.UnsafeModelError
        The graph unfolds into more nodes than a reader should follow.
    """
    walker = _Walker(model, storage)
    walker.graph(model.graph, Scope())
    for graph in model.training:
        walker.training(graph)
    return walker.inventory


class _Walker:
    def __init__(self, model: ModelRecord, storage: Storage) -> None:
        self.inventory = Inventory()
        self._storage = storage
        self._functions = {(item.domain, item.name, item.overload): item for item in model.functions}
        self._known: dict[StoredReader, Leaf] = {}
        self._work = _WORK

    def graph(self, graph: Graph, scope: Scope) -> None:
        for tensor in graph.initializers:
            scope.names[tensor.name] = self._tensor(tensor, tensor.name, scope.path)
        for sparse in graph.sparse:
            scope.names[sparse.values.name] = self._sparse(sparse, sparse.values.name)
        self._nodes(graph.nodes, scope)

    def training(self, graph: Graph) -> None:
        for tensor in graph.initializers:
            leaf = self._tensor(tensor, tensor.name, ())
            self.inventory.note(leaf, "used only while training", matrix=False)

    def _nodes(self, nodes: Sequence[Node], scope: Scope) -> None:
        """Bind the constants first: what follows a weight may tell how it is to be read."""
        if len(scope.path) > DEEPEST:
            raise UnsafeModelError(f"graphs and functions are nested more than {DEEPEST} deep")
        scope.index(nodes)
        constants = {id(node) for node in nodes if node.operator == "Constant" and not node.domain}
        for node in nodes:
            if id(node) in constants:
                self._spend(1)
                self._constant(node, scope)
        for node in nodes:
            if id(node) not in constants:
                self._node(node, scope)

    def _spend(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            raise UnsafeModelError(
                f"the graph unfolds into more than {_WORK:,} nodes",
                hint="No known exporter writes so many; the file may be built to keep its reader busy.",
            )

    def _constant(self, node: Node, scope: Scope) -> None:
        attributes = scope.attributes(node)
        for name in node.outputs[:1]:
            scope.names[name] = self._constant_value(name, attributes, scope.path)

    def _constant_value(self, name: str, attributes: Mapping[str, Attribute], path: Path) -> Operand:
        for attribute in attributes.values():
            if attribute.tensor is not None:
                return self._tensor(attribute.tensor, name, path)
            if attribute.sparse is not None:
                return self._sparse(attribute.sparse, name)
            if attribute.name == "value_int" and attribute.integer is not None:
                return self._inline(name, (attribute.integer,), (), path)
            if attribute.name == "value_ints" and len(attribute.integers) <= _MOST_FLOATS:
                return self._inline(name, attribute.integers, (len(attribute.integers),), path)
        return Unknown.COMPUTED

    def _inline(self, name: str, numbers: tuple[int, ...], shape: tuple[int, ...], path: Path) -> Operand:
        return Value(
            Inline(numbers, "int64", shape),
            (Leaf(name, path, ELEMENT_TYPES[7], Inline(numbers, "int64", shape)),),
        )

    def _tensor(self, tensor: TensorRecord, name: str, path: Path) -> Operand:
        """Return the stored tensor; the same bytes are one leaf, however often they are defined."""
        if tensor.data_type == STRING:
            if len(tensor.shape) > 1:
                self.inventory.skipped.append(Skipped(name, "text", matrix=False))
            return Unknown.COMPUTED
        read = self._storage.reader(tensor)
        leaf = self._known.get(read)
        if leaf is None:
            leaf = Leaf(name, path, ELEMENT_TYPES[tensor.data_type], read)
            self._known[read] = leaf
            self.inventory.leaves.append(leaf)
        return Value(read, (leaf,))

    def _sparse(self, sparse: SparseRecord, name: str) -> Operand:
        stored = self._storage.reader(sparse.values).shape
        matrix = len(sparse.shape) > 1
        if matrix:
            self.inventory.skipped.append(
                Skipped(name, "stored as a sparse tensor", parameters=stored[0] if stored else 0)
            )
        return Unknown.COMPUTED

    def _node(self, node: Node, scope: Scope) -> None:
        operands = tuple(scope.find(name) for name in node.inputs)
        call = Call(node, scope, scope.attributes(node), operands)
        read = sum(operand.size for operand in operands if isinstance(operand, Value))
        self._spend(1 + read * max(1, len(node.outputs)))
        function = (node.domain, node.operator, node.overload)
        if function in self._functions:
            self._call_function(call, function)
            return
        self.inventory.batch_norms += node.operator == "BatchNormalization"
        for attribute in node.attributes.values():
            for graph in attribute.graphs:
                self._branch(call, graph, attribute.name)
        if not self._fold(call):
            self._use(call)
            unknown = Unknown.COMPUTED if call.is_constant and not _has_graphs(node) else Unknown.DYNAMIC
            scope.names.update(dict.fromkeys(node.outputs, unknown))

    def _call_function(self, call: Call, key: tuple[str, str, str]) -> None:
        """Walk a model-local function's body, which sees its own names only."""
        function, node = self._functions[key], call.node
        inner = Scope(
            path=(*call.scope.path, (node.name or node.operator, "")),
            references={**function.defaults, **call.attributes},
            names={name: call.operand(index) for index, name in enumerate(function.inputs)},
        )
        self._nodes(function.nodes, inner)
        for name, result in zip(node.outputs, function.outputs, strict=False):
            call.scope.names[name] = inner.find(result)

    def _branch(self, call: Call, graph: Graph, attribute: str) -> None:
        """Walk a branch or loop body, which sees the names around it."""
        node, outer = call.node, call.scope
        label = node.name or f"{node.operator}_{next(iter(node.outputs), '')}"
        path = (*outer.path, (label, attribute))
        inner = Scope(path=path, parent=outer, references=outer.references)
        inner.names.update(dict.fromkeys(graph.inputs, Unknown.DYNAMIC))
        inner.names.update(_invariants(call, graph))
        self.graph(graph, inner)

    def _fold(self, call: Call) -> bool:
        """Bind the node's outputs where it only rearranges a constant."""
        value, outputs = call.value(0), call.node.outputs
        if value is None or call.node.domain not in {"", "com.microsoft"}:
            return False
        results: tuple[Value, ...] | None = None
        if call.node.operator == "Split":
            results = split(call)
        elif call.node.operator in FOLDS:
            result = FOLDS[call.node.operator](call, value)
            results = None if result is None else (result,)
        if not results or not all(is_believable(result) for result in results):
            return False
        call.scope.names.update(zip(outputs, results, strict=False))
        for name in outputs[len(results) :]:
            call.scope.names[name] = Unknown.DYNAMIC
        for operand in call.operands[1:]:
            if isinstance(operand, Value) and not any(
                leaf in result.leaves for result in results for leaf in operand.leaves
            ):
                self.inventory.note(operand, f"scale, shape or bounds of {call.node.operator}", matrix=False)
        return True

    def _use(self, call: Call) -> None:
        """Note the weights of the node, and how it uses its other constants."""
        node, taken = call.node, set()
        operator = OPERATORS.get((node.domain, node.operator))
        for found in operator(call) if operator else ():
            taken.add(found.operand)
            if isinstance(found, Refusal):
                self.inventory.note(
                    call.operand(found.operand), f"{node.operator}: {found.reason}", matrix=True
                )
            elif not all(leaf.element.is_floating or leaf.element.is_integer for leaf in found.value.leaves):
                reason = f"{node.operator}: no real numbers but {found.value.leaves[0].element.name}"
                self.inventory.note(found.value, reason, matrix=True)
            elif is_believable(found.value):
                self.inventory.found.append(Found(found, node, call.scope.path, _bias(call)))
        changed = call.is_constant and node.operator not in {"Shape", "Size"}
        matrix = changed or (operator is None and node.operator not in HARMLESS)
        for index, operand in enumerate(call.operands):
            if index not in taken:
                place = _FIRST.get(index, f"{index + 1}th")
                reason = f"{place} operand of {node.operator}"
                self.inventory.note(
                    operand, reason, matrix=matrix or (node.operator == "Gather" and index == 0)
                )


def _has_graphs(node: Node) -> bool:
    return any(attribute.graphs for attribute in node.attributes.values())


def _invariants(call: Call, graph: Graph) -> Iterator[tuple[str, Operand]]:
    """Yield the inputs of a loop's body that stay what the node was given."""
    if call.node.operator not in _INVARIANTS:
        return
    first, result = _INVARIANTS[call.node.operator]
    copies = {node.outputs[0]: node.inputs[0] for node in graph.nodes if _is_identity(node)}
    for name, given in zip(graph.inputs[first:], call.operands[first:], strict=False):
        if result < len(graph.outputs) and name in {graph.outputs[result], copies.get(graph.outputs[result])}:
            yield name, given
        result += 1


def _is_identity(node: Node) -> bool:
    return node.operator == "Identity" and bool(node.inputs) and bool(node.outputs)


def _bias(call: Call) -> str:
    """Return the name of the bias beside a weight: an operand, or added to the result."""
    names = list(call.node.inputs[1:])
    for output in call.node.outputs[:1]:
        for user in call.scope.consumers.get(output, ()):
            names += user.inputs if user.operator == "Add" else ()
    constants = (name for name in names if isinstance(call.scope.find(name), Value))
    return next((name for name in constants if name.endswith(_BIASES)), "")
