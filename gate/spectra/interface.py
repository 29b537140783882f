"""What the engine takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.layer import LayerKind
    from gate.plugins import Plugin

OMIT_EMPTY: Final[Mapping[str, bool]] = MappingProxyType({"omit_empty": True})
"""Metadata of a field that is left out of JSON where it holds nothing."""

Group = Literal["default", "randomness", "shuffle", "tails", "aspect"]
"""A set of metrics computed together: ``default`` always, the others when asked for."""

GROUPS: Final[tuple[Group, ...]] = ("default", "randomness", "shuffle", "tails", "aspect")

Phase = Literal["random-like", "bleeding-out", "bulk+spikes", "bulk-decay", "heavy-tailed", "rank-collapse"]
"""The "5+1" phases of training, arXiv:1810.01075."""

PHASES: Final[tuple[Phase, ...]] = (
    "random-like",
    "bleeding-out",
    "bulk+spikes",
    "bulk-decay",
    "heavy-tailed",
    "rank-collapse",
)


@dataclass(frozen=True, slots=True)
class Convention:
    """Every choice that changes a number; part of each result and of the policy digest.

    Attributes
    ----------
    name:
        Name of the preset.
    conv_scale:
        Factor on convolution eigenvalues: a number, or ``kernel/2`` for k²/2.
    pooled:
        Pool the eigenvalues of a convolution's slices (else one spectrum per slice).
    split:
        Split gates, fused projections and experts into layers of their own.
    zero:
        ``rounding``: zero is the rounding noise of the storage type; ``absolute``: zero is
        λ ≤ ``zero_threshold``.
    zero_threshold:
        The absolute threshold, where ``zero`` is ``absolute``.
    ks:
        ``untruncated`` or ``truncated`` (the fitted distribution divided by F(x_max)).
    small_sample:
        Below this many points the corrected estimator applies (and only tails of at least
        ``small_sample_tail`` count).
    outlier_alpha:
        Layers at or above it leave the model means, or None.
    failed_as:
        What a failed fit contributes to model means: None to leave it out, else the value.
    size_limits:
        ``(smallest M·kh·kw, largest M·kh·kw, largest N)`` of layers kept, or None for all.
    stored_whole:
        Take stored 2-D and 4-D tensors as they are and nothing else.
    per_n:
        Divide the correlation matrix by N.
    small_sample_fallback:
        Where no tail of ``small_sample_tail`` points exists, fit the whole spectrum instead of
        failing.
    rank:
        What counts towards the rank: eigenvalues above ``zero``, or singular values above
        numpy's s_max·N·eps (``machine``).
    entropy_epsilon:
        Added to every probability and to the rank in the entropy, as the reference tool does.
    marchenko_pastur:
        How the law is fitted to the bulk: by its quantiles (``bulk``), or as the reference tool
        does (``weightwatcher``).
    """

    name: str
    conv_scale: float | Literal["kernel/2"] = 1.0
    pooled: bool = True
    split: bool = True
    zero: Literal["rounding", "absolute"] = "rounding"
    zero_threshold: float = 0.0
    ks: Literal["untruncated", "truncated"] = "untruncated"
    small_sample: int = 20
    small_sample_tail: int = 8
    outlier_alpha: float | None = 8.0
    failed_as: float | None = None
    size_limits: tuple[int, int, int] | None = None
    stored_whole: bool = False
    per_n: bool = False
    small_sample_fallback: bool = False
    rank: Literal["zero", "machine"] = "zero"
    entropy_epsilon: float = 0.0
    marchenko_pastur: Literal["bulk", "weightwatcher"] = "bulk"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    ``groups`` names what to compute beside the default metrics; ``float32`` runs the linear
    algebra in single precision (flagged on every layer); ``jobs`` is the number of worker
    threads (None: one per core) and never changes a result.  ``plugins`` are metrics of third parties.
    """

    convention: Convention
    groups: frozenset[Group] = frozenset({"default"})
    seed: int = 0
    float32: bool = False
    jobs: int | None = None
    plugins: tuple[Plugin, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerMetrics:
    """One row: a layer, or a part or slice of one.

    Every figure is None where it does not exist or was not asked for; ``reason`` then says why
    the fit failed.  Eigenvalues are those of X = WᵀW (squared singular values); logarithms are
    to base 10.  The meaning of each field is the entry of the same name in ``gate.spectra.metrics``.
    """

    name: str
    kind: LayerKind
    shape: tuple[int, ...]
    dtype: str
    parameters: int
    rows: int
    columns: int
    matrices: int
    eigenvalues: int
    layer: str = ""
    """Name of the weight layer this row is of (differs from ``name`` for parts and slices)."""
    alpha: float | None = None
    alpha_sigma: float | None = None
    alpha_standard_error: float | None = None
    x_min: float | None = None
    x_max: float | None = None
    ks_distance: float | None = None
    tail_size: int | None = None
    log_spectral_norm: float | None = None
    log_frobenius_norm: float | None = None
    log_alpha_schatten_norm: float | None = None
    alpha_weighted: float | None = None
    stable_rank: float | None = None
    matrix_rank: int | None = None
    rank_loss: int | None = None
    smallest_singular_value: float | None = None
    largest_singular_value: float | None = None
    entropy: float | None = None
    spectral_gap: float | None = None
    participation_ratio: float | None = None
    scale_spread: float | None = None
    mp_sigma: float | None = None
    mp_edge: float | None = None
    mp_soft_rank: float | None = None
    mp_distance: float | None = None
    mp_p_value: float | None = None
    spikes: int | None = None
    correlation_traps: int | None = None
    shuffled_largest: float | None = None
    shuffle_distance: float | None = None
    largest_entry: float | None = None
    phase: Phase | None = None
    phase_evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)
    best_tail: str | None = None
    best_tail_p_value: float | None = None
    alpha_fixed_aspect: float | None = None
    erg_count: int | None = None
    erg_gap: int | None = None
    flags: tuple[str, ...] = ()
    reason: str | None = None
    extra: Mapping[str, float | None] = field(default_factory=dict, metadata=OMIT_EMPTY)
    """What the metrics of third parties said, by name (docs/how-to/plugins.md)."""


@dataclass(frozen=True, slots=True)
class LayerPlot:
    """What a report needs to draw one row; at most 256 numbers, all finite.

    ``edges`` are logarithmically spaced bin edges over the positive eigenvalues (len(counts) + 1
    of them); ``curve_x_min`` and ``curve_ks_distance`` sample D over x_min and hold the minimum
    itself.  ``shuffled`` are the counts of the shuffled matrix over the same edges, or empty.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    curve_x_min: tuple[float, ...] = ()
    curve_ks_distance: tuple[float, ...] = ()
    shuffled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerResult:
    """Everything measured on one weight layer: a row per part or slice, and its plot."""

    rows: tuple[LayerMetrics, ...]
    plots: Mapping[str, LayerPlot]


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """Means over layers, their uncertainty and what was left out."""

    layers: int
    excluded_layers: int
    alpha: float | None = None
    alpha_standard_error: float | None = None
    alpha_median: float | None = None
    alpha_weighted: float | None = None
    alpha_weighted_standard_error: float | None = None
    alpha_weighted_median: float | None = None
    alpha_by_parameters: float | None = None
    alpha_weighted_by_parameters: float | None = None
    ks_distance: float | None = None
    log_spectral_norm: float | None = None
    log_frobenius_norm: float | None = None
    log_alpha_schatten_norm: float | None = None
    stable_rank: float | None = None
    mp_soft_rank: float | None = None
    correlation_traps: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the table of metrics, from which rules, docs and explanations are made.

    ``level`` and ``field`` say where the value stands (``layer`` rows or the ``model`` summary);
    ``better`` is the direction in which quality rises, None where neither does; ``nature`` is
    the paper's distinction of shape and scale metrics (arXiv:2106.00734, section 3).
    """

    id: str
    level: Literal["layer", "model"]
    field: str
    title: str
    formula: str
    unit: str
    better: Literal["lower", "higher"] | None
    nature: Literal["shape", "scale", "mixed", "count", "label"]
    group: Group
    source: str

    @property
    def docs(self) -> str:
        """Where it is described, from the root of the repository; the anchor is the id."""
        return f"docs/metrics.md#{self.id}"
