"""The nodes of a graph in the order of the data, through functions: which operator uses which tensor.

Names alone cannot tell a transposed convolution from a plain one, nor a constant that is a weight from
one that is not.  What is told here goes before names; what is not followed is left to them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.errors import UnsafeModelError
from gate.weights.savedmodel.constants import constant
from gate.weights.savedmodel.folding import FOLDS
from gate.weights.savedmodel.operators import HARMLESS, OPERATORS, PASSED_ON, TRAINING
from gate.weights.savedmodel.values import Changed, Flow, Source, Use

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gate.weights.protobuf.scanner import Scanner
    from gate.weights.savedmodel.constants import Constant
    from gate.weights.savedmodel.graph import GraphFile, Node
    from gate.weights.savedmodel.values import Value

_MOST_NODES: Final = 2_000_000
_DEEPEST: Final = 64
_MOST_SOURCES: Final = 64
_MOST_VIEWS: Final = 16
_CALLS: Final = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_LOOPS: Final = frozenset({"While", "StatelessWhile"})
_BRANCHES: Final = frozenset({"If", "StatelessIf"})
VARIABLES: Final = frozenset({"VarHandleOp", "VariableV2", "Variable"})
"""Nodes that stand for a variable, whose values lie in a checkpoint."""
_SHAPES: Final = frozenset({"Shape", "ShapeN", "Size", "Rank", "VarIsInitializedOp"})
_ORDINALS: Final = ("first", "second", "third")


class Trace:
    """Follows the stored tensors through one graph.

    ``uses`` is what it found, of each source the use that tells most, in the order of the data;
    ``operators`` are those within the functions that were walked.

    Parameters
    ----------
    path:
        The model file, in which constants lie.
    graph, scanner:
        Its graph, and what reads its messages.
    variables:
        The variables that nodes of the main graph name, for graphs of TensorFlow 1.
    """

    def __init__(
        self, path: str, graph: GraphFile, scanner: Scanner, variables: Mapping[str, Source]
    ) -> None:
        self.uses: dict[Source, Use] = {}
        self.operators: set[str] = set()
        self._path = path
        self._graph = graph
        self._scanner = scanner
        self._variables = variables
        self._constants: dict[int, Source | None] = {}
        self._called: dict[tuple[str, tuple[Value, ...]], tuple[Value, ...]] = {}
        self._work = _MOST_NODES

    def main(self) -> None:
        """Walk the main graph."""
        self._walk(self._graph.nodes(), {}, 0)

    def constant(self, node: Node) -> Source | None:
        """Return the tensor that a ``Const`` node holds."""
        span = self._graph.tensor(node, "value")
        if span is None:
            return None
        if span.start not in self._constants:
            found = constant(self._path, self._scanner, span)
            self._constants[span.start] = None if found is None else _source(node, found)
        return self._constants[span.start]

    def call(self, name: str, arguments: tuple[Value, ...], depth: int = 1) -> tuple[Value, ...]:
        """Walk the function called ``name``; the same one with the same arguments only once.

        Raises
        ------
        gate.errors.UnsafeModelError
            Functions are nested too deep, or unfold into more nodes than any exporter writes.
        """
        if depth > _DEEPEST:
            raise UnsafeModelError(f"functions are nested more than {_DEEPEST} deep")
        key = name, arguments
        if key not in self._called:
            self._called[key] = ()  # one that calls itself gives nothing that is followed
            function = self._graph.function(name)
            if function is not None:
                bound = dict(zip(function.arguments, arguments, strict=False))
                values = self._walk(function.nodes, bound, depth)
                self._called[key] = tuple(_value(result, values, bound) for result in function.results)
        return self._called[key]

    def _walk(
        self, nodes: Sequence[Node], bound: Mapping[str, Value], depth: int
    ) -> dict[str, tuple[Value, ...]]:
        values: dict[str, tuple[Value, ...]] = {}
        for node in _ordered(nodes):
            self._work -= 1
            if self._work < 0:
                raise UnsafeModelError(
                    f"the graph unfolds into more than {_MOST_NODES:,} nodes",
                    hint="No known exporter writes so many; the file may be built to keep its reader busy.",
                )
            operands = tuple(_value(name, values, bound) for name in node.inputs)
            if depth:
                self.operators.add(node.operator)
            values[node.name] = self._results(node, operands, depth)
        return values

    def _results(self, node: Node, operands: tuple[Value, ...], depth: int) -> tuple[Value, ...]:
        """Return the node's outputs; the last one stands for those after it."""
        if node.operator in _CALLS:
            return self.call(self._graph.called(node, "f"), operands, depth + 1)
        for attribute, arguments in _inner_calls(node, operands):
            self.call(self._graph.called(node, attribute), arguments, depth + 1)
        return (self._stored(node) or self._computed(node, operands),)

    def _stored(self, node: Node) -> Value:
        if node.operator == "Const":
            source = self.constant(node)
            return None if source is None else Flow(source, source.read)
        if node.operator in VARIABLES:
            found = self._variables.get(self._graph.text(node, "shared_name") or node.name)
            handle = node.operator == "VarHandleOp"
            return None if found is None else Flow(found, found.read, is_handle=handle)
        return None

    def _computed(self, node: Node, operands: tuple[Value, ...]) -> Value:
        if node.operator in PASSED_ON and operands:
            return _read(operands[0]) if node.operator == "ReadVariableOp" else operands[0]
        fold = FOLDS.get(node.operator)
        folded = fold(self._graph, node, operands) if fold else None
        if folded is not None and folded.depth <= _MOST_VIEWS:
            return folded
        if node.operator not in _SHAPES and operands and all(item is not None for item in operands):
            sources = frozenset(source for item in operands for source in _sources(item))
            if len(sources) <= _MOST_SOURCES:
                return Changed(sources)
            for source in sources:
                self._keep(source, Use(node.name, "joined with many others", matrix=True))
            return None
        self._note(node, operands)
        return None

    def _note(self, node: Node, operands: tuple[Value, ...]) -> None:
        """Write down how a node that also takes data uses its stored operands."""
        if node.operator.startswith(TRAINING):
            return
        operator = OPERATORS.get(node.operator)
        found = operator(self._graph, node, operands) if operator else {}
        for index, operand in enumerate(operands):
            for source in _sources(operand):
                use = found.get(index) if isinstance(operand, Flow) else None
                self._keep(source, use or _other_use(node, index, operand))

    def _keep(self, source: Source, use: Use) -> None:
        """Keep of all uses the one that tells most: as a weight, else one that may be, else the first."""
        if source not in self.uses or use.weight > self.uses[source].weight:
            self.uses[source] = use


def _source(node: Node, found: Constant) -> Source:
    return Source(
        node.name,
        is_variable=False,
        shape=found.shape,
        dtype=found.dtype,
        read=found.read,
        integers=found.integers,
    )


def _inner_calls(node: Node, operands: tuple[Value, ...]) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """Yield the attributes that name a loop's or branch's functions, and their arguments."""
    if node.operator in _LOOPS:  # a tensor may be another one in the next round, a variable may not
        kept = tuple(item if isinstance(item, Flow) and item.is_handle else None for item in operands)
        yield "cond", kept
        yield "body", kept
    elif node.operator in _BRANCHES:
        yield "then_branch", operands[1:]
        yield "else_branch", operands[1:]


def _read(value: Value) -> Value:
    """Return the values of a variable's handle; anything else is passed on as it is."""
    return replace(value, is_handle=False) if isinstance(value, Flow) and value.is_handle else value


def _other_use(node: Node, index: int, operand: Value) -> Use:
    place = _ORDINALS[index] if index < len(_ORDINALS) else f"{index + 1}th"
    before = "changed before it is the " if isinstance(operand, Changed) else ""
    return Use(node.name, f"{before}{place} operand of {node.operator}", matrix=node.operator not in HARMLESS)


def _sources(value: Value) -> Iterator[Source]:
    if isinstance(value, Flow):
        yield value.source
    elif isinstance(value, Changed):
        yield from value.sources


def _value(name: str, values: Mapping[str, tuple[Value, ...]], bound: Mapping[str, Value]) -> Value:
    """Return what ``node``, ``node:1`` or, within functions, ``node:output:1`` names."""
    node, _, output = name.partition(":")
    found = values.get(node)
    if found is None:
        return bound.get(node)
    number = output.rpartition(":")[2]
    index = int(number) if number.isdecimal() and len(number) < 6 else 0  # noqa: PLR2004
    return found[min(index, len(found) - 1)] if found else None


def _ordered(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes after those they take from; the loops of TensorFlow 1 come last."""
    by_name = {node.name: node for node in nodes}
    if len(by_name) != len(nodes):
        raise UnsafeModelError("two nodes of one graph have the same name")
    needs = {
        name: {item.partition(":")[0] for item in node.inputs} & by_name.keys()
        for name, node in by_name.items()
    }
    waiting = {name: len(needed) for name, needed in needs.items()}
    users: dict[str, list[str]] = defaultdict(list)
    for name, needed in needs.items():
        for item in needed:
            users[item].append(name)
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    left = by_name.keys() - set(ready)
    return [by_name[name] for name in [*ready, *(name for name in by_name if name in left)]]
