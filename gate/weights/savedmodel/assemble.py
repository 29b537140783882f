"""From a checkpoint's variables, a graph's constants and the uses of both to a model's weights."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gate.weights.interface import ModelWeights, Skipped, StoredTensor, Told
from gate.weights.names import unique_names
from gate.weights.savedmodel.copies import copies, digest
from gate.weights.savedmodel.naming import TrainingState, display_names, full_names, in_depth_order, path_of
from gate.weights.state_dict import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.weights.savedmodel.bundle import Bundle, Variable
    from gate.weights.savedmodel.program import Program
    from gate.weights.savedmodel.values import Source, Use

_MATRIX: Final = 2
_NUMBERS: Final = ("float", "bfloat", "int8", "uint8")
_UNNAMED: Final = re.compile(r"Const(_[0-9]+)?")
_READ: Final = re.compile(r"(/Cast(_[0-9]+)?)?(/ReadVariableOp(_[0-9]+)?)?(/resource|/read)?$")


@dataclass(frozen=True, slots=True)
class Listed:
    """Tensors to be described, each with its place in the order, and those known to be no weights."""

    tensors: list[tuple[float, StoredTensor]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def assemble(
    format_: str, files: tuple[str, ...], bundle: Bundle | None, program: Program | None
) -> ModelWeights:
    """Return the weights of one model, of which a checkpoint, a graph or both are at hand."""
    uses = dict(program.uses) if program else {}
    order = {source: place for place, source in enumerate(uses)}
    variables = _variables(bundle, uses, order) if bundle else Listed()
    constants = _constants(uses, order)
    placed = sorted([*variables.tensors, *constants.tensors], key=lambda item: item[0])
    tensors = [tensor for _, tensor in placed]
    names = unique_names((tensor.name, tensor.name) for tensor in tensors)
    described = describe([replace(tensor, name=name) for tensor, name in zip(tensors, names, strict=True)])
    return ModelWeights(
        format=format_,
        files=files,
        layers=described.layers,
        skipped=(*described.skipped, *variables.skipped, *constants.skipped),
        vectors=described.vectors,
        vector_parameters=described.vector_parameters,
        batch_norms=described.batch_norms,
        unsafe_globals=tuple(sorted(program.unsafe)) if program else (),
        unreferenced_bytes=(bundle.unreferenced_bytes if bundle else 0)
        + (program.unknown_bytes if program else 0),
    )


def _variables(bundle: Bundle, uses: Mapping[Source, Use], order: Mapping[Source, int]) -> Listed:
    """List the model's own variables, those that the graph does not reach last and in depth order.

    What the graph multiplies by is the model's, whatever its name says: a name is easily given.
    """
    full = full_names(bundle.objects)
    state = TrainingState(bundle.variables)
    weights = {source.name for source, use in uses.items() if source.is_variable and use.weight}
    reasons = {
        variable.key: None if variable.key in weights else state.reason(variable.key)
        for variable in bundle.variables
    }
    own = in_depth_order(variable for variable in bundle.variables if reasons[variable.key] is None)
    repeated = copies(own, full)
    kept = [variable for variable in own if variable.key not in repeated]
    names = display_names([variable.key for variable in kept], full)
    used = _best_used(uses, repeated)
    left = {variable: reason for variable in bundle.variables if (reason := reasons[variable.key])}
    left |= {
        variable: f"the same stored values as {names[repeated[variable.key]]}"
        for variable in own
        if variable.key in repeated
    }
    listed = Listed(skipped=[*bundle.skipped, *_skipped(left)])
    for variable in kept:
        user = used.get(variable.key)
        told = None if user is None else _told(uses[user])
        tensor = StoredTensor(names[variable.key], variable.shape, variable.dtype, variable.read, told=told)
        listed.tensors.append((math.inf if user is None else order[user], tensor))
    return listed


def _best_used(uses: Mapping[Source, Use], repeated: Mapping[str, str]) -> dict[str, Source]:
    """Return, by key, the source that is a variable or a copy of it, whose use tells most."""
    used: dict[str, Source] = {}
    for source, use in uses.items():
        key = repeated.get(source.name, source.name)
        if source.is_variable and (key not in used or use.weight > uses[used[key]].weight):
            used[key] = source
    return used


def _skipped(left: Mapping[Variable, str]) -> list[Skipped]:
    return [
        Skipped(path_of(variable.key), reason, math.prod(variable.shape), matrix=False)
        for variable, reason in left.items()
        if len(variable.shape) >= _MATRIX
    ]


def _told(use: Use | None) -> Told | None:
    """Return what a use tells for certain; what is not followed is left to names."""
    if use is None or (use.kind is None and use.matrix):
        return None
    if use.kind is None or use.read is None:
        return Told(None, reason=use.reason)
    return Told(use.kind, use.read.shape, use.read, use.groups)


def _constants(uses: Mapping[Source, Use], order: Mapping[Source, int]) -> Listed:
    """List the constants of the graph that are weights, each content once, and name the others."""
    listed = Listed()
    alike = Counter((source.shape, source.dtype) for source in uses)
    seen: set[tuple[tuple[int, ...], str, bytes]] = set()
    for source, use in uses.items():
        if source.is_variable or not source.dtype.startswith(_NUMBERS):
            continue
        name, told = _constant_name(source, use), _told(use)
        if source.read is not None and (len(source.shape) == 1 or (told and told.kind)):
            several = alike[source.shape, source.dtype] > 1
            content = source.shape, source.dtype, digest(source.read) if several else b""
            if content not in seen:
                seen.add(content)
                tensor = StoredTensor(name, source.shape, source.dtype, source.read, told=told)
                listed.tensors.append((order[source], tensor))
        elif sum(extent > 1 for extent in source.shape) >= _MATRIX:
            listed.skipped.append(Skipped(name, use.reason, math.prod(source.shape), use.matrix))
    return listed


def _constant_name(source: Source, use: Use) -> str:
    """Return the constant's name, or that of the node that uses it where it has none of its own."""
    return use.node if _UNNAMED.fullmatch(source.name) else _READ.sub("", source.name)
