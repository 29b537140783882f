"""The difference of two models: schema ``gate/compare/1``.

Field names are the contract's (docs/reference/json.md); they may be added to, never changed within a
schema number.  ``a`` is the model that was named first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from gate.analysis.matching import How

COMPARE_SCHEMA: Final = "gate/compare/1"

Relation = Literal["identical", "re-exported", "quantised", "pruned", "fine-tuned", "different"]
Change = Literal["identical", "rescaled", "quantised", "pruned", "changed", "unrelated"]
"""What became of one layer; the model's relation follows from these."""


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One of the two models."""

    uri: str
    format: str
    digest: str
    architecture: str
    layout: str
    layers: int
    parameters: int


@dataclass(frozen=True, slots=True)
class LayerPair:
    """A layer of either model.

    ``how`` says what made them a pair; ``change`` what became of the layer.  ``relative_change`` is
    ‖B − A‖/‖A‖ (Frobenius), ``cosine`` the cosine of the angle between the two as vectors,
    ``largest_change`` the largest difference of an entry, and ``sparsity_a`` and ``sparsity_b`` the shares
    of exact zeros; all over the values, dequantised.  The metrics are means over the layer's parts.
    """

    a: str
    b: str
    how: How
    change: Change
    kind: str
    shape: tuple[int, ...]
    parameters: int
    dtype_a: str
    dtype_b: str
    relative_change: float | None
    cosine: float | None
    largest_change: float | None
    sparsity_a: float
    sparsity_b: float
    alpha_a: float | None = None
    alpha_b: float | None = None
    log_spectral_norm_a: float | None = None
    log_spectral_norm_b: float | None = None
    alpha_weighted_a: float | None = None
    alpha_weighted_b: float | None = None
    phase_a: str | None = None
    phase_b: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A model metric of both; ``difference`` is b − a, None where one is missing."""

    metric: str
    a: float | None
    b: float | None
    difference: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two models differ; ``why`` says in words what the relation follows from."""

    relation: Relation
    why: str
    a: ComparedModel
    b: ComparedModel
    model: tuple[ModelChange, ...]
    pairs: tuple[LayerPair, ...]
    unmatched_a: tuple[str, ...]
    unmatched_b: tuple[str, ...]
    schema: str = COMPARE_SCHEMA
