"""Names as one graph sees them, and a node with its operands looked up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.weights.onnx.values import Operand, Unknown, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.weights.onnx.records import Attribute, Node
    from gate.weights.onnx.values import Path

_MOST_INTEGERS: Final = 4096


@dataclass(slots=True)
class Scope:
    """One graph or function body: what its names stand for, and who makes and uses them."""

    path: Path = ()
    parent: Scope | None = None
    references: Mapping[str, Attribute] = field(default_factory=dict)
    names: dict[str, Operand] = field(default_factory=dict)
    producers: dict[str, Node] = field(default_factory=dict)
    consumers: dict[str, list[Node]] = field(default_factory=dict)

    def find(self, name: str) -> Operand:
        """Return what ``name`` stands for, here or in an enclosing graph."""
        if not name:
            return Unknown.ABSENT
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return Unknown.DYNAMIC

    def index(self, nodes: Sequence[Node]) -> None:
        """Note who makes and who uses each name."""
        for node in nodes:
            for name in node.outputs:
                self.producers[name] = node
            for name in dict.fromkeys(node.inputs):
                self.consumers.setdefault(name, []).append(node)

    def attributes(self, node: Node) -> Mapping[str, Attribute]:
        """Return the node's attributes, those that a function's caller gives filled in."""
        if not any(attribute.reference for attribute in node.attributes.values()):
            return node.attributes
        return {
            name: self.references.get(attribute.reference, attribute) if attribute.reference else attribute
            for name, attribute in node.attributes.items()
        }


@dataclass(frozen=True, slots=True)
class Call:
    """A node, its attributes and what its operands stand for."""

    node: Node
    scope: Scope
    attributes: Mapping[str, Attribute]
    operands: tuple[Operand, ...]

    def operand(self, index: int) -> Operand:
        """Return operand ``index``; an absent one past the end."""
        return self.operands[index] if index < len(self.operands) else Unknown.ABSENT

    def value(self, index: int) -> Value | None:
        """Return operand ``index`` where it is a readable constant."""
        operand = self.operand(index)
        return operand if isinstance(operand, Value) else None

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer attribute."""
        attribute = self.attributes.get(name)
        return default if attribute is None or attribute.integer is None else attribute.integer

    def text(self, name: str) -> str:
        """Return a string attribute."""
        attribute = self.attributes.get(name)
        return "" if attribute is None else attribute.text

    def integers(self, name: str, index: int) -> tuple[int, ...] | None:
        """Return a list that newer operator sets take as operand ``index``, older as attribute.

        None where it is left out or not known.
        """
        attribute = self.attributes.get(name)
        return attribute.integers if attribute is not None else small_integers(self.operand(index))

    def gives(self, name: str, index: int) -> bool:
        """Tell whether that list is given at all."""
        return name in self.attributes or self.operand(index) is not Unknown.ABSENT

    @property
    def is_constant(self) -> bool:
        """Whether every operand is known before the model runs."""
        given = [operand for operand in self.operands if operand is not Unknown.ABSENT]
        return bool(given) and Unknown.DYNAMIC not in given


def small_integers(operand: Operand) -> tuple[int, ...] | None:
    """Return the elements of a small integer constant: a shape, axes, bounds."""
    if not isinstance(operand, Value) or not operand.leaves[0].element.is_integer:
        return None
    size = math.prod(operand.shape)
    if size == 0:
        return ()
    if size > _MOST_INTEGERS:
        return None
    elements = operand.read.stored()
    return tuple(elements.ravel().tolist()) if elements.dtype.kind in "iu" else None
