"""LSTM, GRU and plain recurrent layers, split into their gates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gate.layer import Part
from gate.weights.state_dict.stage import Claim, Weight, merged
from gate.weights.state_dict.tables import GATES, KERAS_GATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.layer import LayerKind

_PYTORCH: Final = re.compile(r"weight_(ih|hh|hr)((?:_l[0-9]+)?(?:_reverse)?)$")
_KERAS: Final = re.compile(r"(recurrent_kernel)((?::0)?)$")


def claim_recurrent(weights: Mapping[str, Weight]) -> Claim:
    """Take the input and hidden matrices of recurrent layers, told apart by rows per hidden unit."""
    claims = [_pytorch(weight, weights) for weight in weights.values()]
    claims += [_keras(weight, weights) for weight in weights.values()]
    return merged(claim for claim in claims if claim is not None)


def _pytorch(hidden: Weight, weights: Mapping[str, Weight]) -> Claim | None:
    """Read ``weight_hh`` with its neighbours; a projection ``weight_hr`` narrows the hidden state."""
    match = _PYTORCH.search(hidden.name)
    if match is None or match[1] != "hh" or not hidden.is_matrix:
        return None
    stem, suffix = hidden.name[: match.start()], match[2]
    inputs = weights.get(f"{stem}weight_ih{suffix}")
    projection = weights.get(f"{stem}weight_hr{suffix}")
    if projection is not None and not projection.is_matrix:
        return None
    units = hidden.shape[1] if projection is None else projection.shape[1]
    gates = _gates(hidden.shape[0], units, GATES)
    if gates is None or inputs is None or not inputs.is_matrix or inputs.shape[0] != hidden.shape[0]:
        return None
    kind, parts = gates
    layers = (inputs.layer(kind, parts), hidden.layer(kind, parts))
    if projection is None:
        return Claim(frozenset({inputs.name, hidden.name}), layers)
    taken = frozenset({inputs.name, hidden.name, projection.name})
    return Claim(taken, (*layers, projection.layer("dense")))


def _keras(hidden: Weight, weights: Mapping[str, Weight]) -> Claim | None:
    """Read ``recurrent_kernel``, stored (hidden, gates * hidden), with its ``kernel``."""
    match = _KERAS.search(hidden.name)
    if match is None or not hidden.is_matrix:
        return None
    inputs = weights.get(f"{hidden.name[: match.start()]}kernel{match[2]}")
    gates = _gates(hidden.shape[1], hidden.shape[0], KERAS_GATES)
    if gates is None or inputs is None or not inputs.is_matrix or inputs.shape[1] != hidden.shape[1]:
        return None
    kind, parts = gates
    layers = tuple(weight.permuted((1, 0)).layer(kind, parts) for weight in (inputs, hidden))
    return Claim(frozenset({inputs.name, hidden.name}), layers)


def _gates(
    rows: int, units: int, table: Mapping[int, tuple[LayerKind, tuple[str, ...]]]
) -> tuple[LayerKind, tuple[Part, ...]] | None:
    if rows % units or rows // units not in table:
        return None
    kind, labels = table[rows // units]
    return kind, tuple(
        Part(label, 0, index * units, (index + 1) * units) for index, label in enumerate(labels)
    )
