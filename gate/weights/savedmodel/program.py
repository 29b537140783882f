"""What the graphs of a model file say of its tensors: how each is used, and what would run beside it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError
from gate.weights.protobuf.scanner import Scanner
from gate.weights.protobuf.wire import Span
from gate.weights.savedmodel import schema
from gate.weights.savedmodel.danger import unsafe_operators
from gate.weights.savedmodel.graph import MOST_ELEMENTS, GraphFile
from gate.weights.savedmodel.keras_metadata import code_in_texts
from gate.weights.savedmodel.naming import path_of
from gate.weights.savedmodel.objects import SavedObjects, is_signature
from gate.weights.savedmodel.trace import VARIABLES, Trace
from gate.weights.savedmodel.values import Flow, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gate.weights.savedmodel.bundle import Bundle
    from gate.weights.savedmodel.values import Use

_SERVED: Final = "serve"
_MATRIX: Final = 2


@dataclass(frozen=True, slots=True)
class Program:
    """How variables and constants are used, in the order of the data, and what else the graphs do."""

    uses: Sequence[tuple[Source, Use]]
    unsafe: frozenset[str]
    unknown_bytes: int


def read_saved_model(path: Path, bundle: Bundle | None) -> Program:
    """Return what the SavedModel at ``path`` does with the variables of ``bundle``, if it has any.

    Of several graphs the one that TensorFlow serves tells, tagged ``serve`` alone, else the first;
    operators of all are looked at.

    Raises
    ------
    gate.errors.ModelError
        The file is no SavedModel, or it is damaged.
    gate.errors.UnsafeModelError
        It is built to keep its reader busy.
    """
    with _mapped(path) as data:
        scanner = Scanner(data, MOST_ELEMENTS)
        spans = scanner.collect(Span(0, len(data)), schema.SAVED_MODEL).spans.get("meta_graphs", [])
        metas = [scanner.collect(span, schema.META_GRAPH).span for span in spans]
        metas = [meta for meta in metas if "graph" in meta]
        if not metas:
            raise ModelError("the file holds no graph", hint="Is it a SavedModel, and is it complete?")
        graphs = [GraphFile(data, meta["graph"], scanner) for meta in metas]
        tags = [_tags(scanner, meta) for meta in metas]
        chosen = tags.index([_SERVED]) if [_SERVED] in tags else 0
        meta = metas[chosen]
        if bundle is None:
            _require_no_variables(graphs)
        trace = _Traced(str(path), graphs[chosen], scanner, bundle)
        if "objects" in meta:
            objects = SavedObjects(scanner, meta["objects"], bundle.objects if bundle else b"")
            trace.by_objects(objects)
            trace.code = code_in_texts(objects.descriptions())
        else:
            trace.by_names()
        return trace.program(graphs)


def read_frozen_graph(path: Path) -> Program:
    """Return what the ``GraphDef`` at ``path`` does with its constants; errors as above."""
    with _mapped(path) as data:
        scanner = Scanner(data, MOST_ELEMENTS)
        graph = GraphFile(data, Span(0, len(data)), scanner)
        _require_no_variables([graph])
        trace = _Traced(str(path), graph, scanner, None)
        trace.by_names()
        return trace.program([graph])


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if not file.seek(0, 2):
                raise ModelError("the file is empty")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from error


def _require_no_variables(graphs: Iterable[GraphFile]) -> None:
    """Refuse a graph whose weights are not here: to list none would pass as a model without any."""
    if any(operator in VARIABLES for graph in graphs for operator, _ in graph.operators()):
        raise ModelError(
            "its graph holds variables, and no checkpoint with their values is there",
            hint="Fetch or copy the whole SavedModel, with its folder `variables`, or freeze the graph.",
        )


def _tags(scanner: Scanner, meta: Mapping[str, Span]) -> list[str]:
    return scanner.collect(meta["info"], schema.META_INFO).texts.get("tags", []) if "info" in meta else []


class _Traced:
    """One graph followed from wherever its tensors come in."""

    def __init__(self, path: str, graph: GraphFile, scanner: Scanner, bundle: Bundle | None) -> None:
        self.code: frozenset[str] = frozenset()
        variables = bundle.variables if bundle else ()
        self._sources = {
            item.key: Source(item.key, is_variable=True, shape=item.shape, dtype=item.dtype, read=item.read)
            for item in variables
        }
        self._graph = graph
        self._scanner = scanner
        by_name = {path_of(key): source for key, source in self._sources.items()}
        self._trace = Trace(path, graph, scanner, by_name)

    def by_names(self) -> None:
        """Follow the main graph, whose nodes name the variables: TensorFlow 1, and frozen graphs."""
        self._trace.main()

    def by_objects(self, objects: SavedObjects) -> None:
        """Follow the functions that serve; the others only where a matrix is not known as a weight.

        Layers stand in a SavedModel once for each way to call them, with copies of their constants.
        What is no weight where the model is served may be one where it is called.
        """
        functions = objects.functions()
        if not functions:  # a graph of TensorFlow 1 that TensorFlow 2 has listed objects of
            self.by_names()
        served = [item for item in functions if is_signature(item[0])]
        others = [item for item in functions if not is_signature(item[0])]
        constants = self._captured(objects, functions)
        for name, bound in served or others:
            self._call(name, self._arguments(bound, objects, constants))
        met = set(self._trace.uses)
        for name, bound in others if served else ():
            arguments = self._arguments(bound, objects, constants)
            if any(isinstance(item, Flow) and self._is_open(item.source) for item in arguments):
                self._call(name, arguments)
        for source in [*self._trace.uses]:
            if not source.is_variable and source not in met and served and source not in constants.values():
                del self._trace.uses[source]

    def _is_open(self, source: Source) -> bool:
        """Tell whether nothing says yet how a matrix is used, or only that it is no weight."""
        use = self._trace.uses.get(source)
        return len(source.shape) >= _MATRIX and (use is None or not use.weight)

    def program(self, graphs: Sequence[GraphFile]) -> Program:
        """Return what was found, and the operators of ``graphs`` that would run something."""
        return Program(
            uses=tuple(self._trace.uses.items()),
            unsafe=frozenset({*unsafe_operators(graphs, self._trace.operators), *self.code}),
            unknown_bytes=self._scanner.unknown_bytes,
        )

    def _call(self, name: str, bound: list[Flow | None]) -> None:
        function = self._graph.function(name)
        if function is not None and len(bound) <= len(function.arguments):
            free = len(function.arguments) - len(bound)
            self._trace.call(name, (*[None] * free, *bound))

    def _arguments(
        self, bound: Sequence[int], objects: SavedObjects, constants: Mapping[int, Source]
    ) -> list[Flow | None]:
        found: list[Flow | None] = []
        for node in bound:
            source = self._sources.get(objects.key(node) or "") or constants.get(node)
            flow = None if source is None else Flow(source, source.read, is_handle=source.is_variable)
            found.append(flow)
        return found

    def _captured(
        self, objects: SavedObjects, functions: Sequence[tuple[str, tuple[int, ...]]]
    ) -> dict[int, Source]:
        """Return the constants of the main graph that are bound to functions, by their objects."""
        wanted = {node for _, bound in functions for node in bound}
        named = {node: name for node in wanted if (name := objects.constant(node)) is not None}
        if not named:
            return {}
        holders = {node.name: node for node in self._graph.nodes() if node.operator == "Const"}
        found = {
            number: self._trace.constant(holders[name]) for number, name in named.items() if name in holders
        }
        return {number: source for number, source in found.items() if source is not None}
