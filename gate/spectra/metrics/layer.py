"""What each figure of a layer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from gate.spectra.interface import Metric

if TYPE_CHECKING:
    from gate.spectra.interface import Group

    Better = Literal["lower", "higher"] | None
    Nature = Literal["shape", "scale", "mixed", "count", "label"]

_POST_MORTEM: Final = "arXiv:2106.00734"
_TRENDS: Final = "arXiv:2002.06716"
_PHASES: Final = "arXiv:1810.01075"
_NLP: Final = "arXiv:2202.02842"
_GROKKING: Final = "arXiv:2506.04434"
_FARMS: Final = "arXiv:2506.06280"
_SETOL: Final = "arXiv:2507.17912"
_CLAUSET: Final = "Clauset, Shalizi & Newman 2009"
_OWN: Final = "this project"


def _layer(
    field: str,
    title: str,
    formula: str,
    unit: str = "",
    *,
    better: Better = None,
    nature: Nature = "shape",
    group: Group = "default",
    source: str = _OWN,
) -> Metric:
    return Metric(f"layer.{field}", "layer", field, title, formula, unit, better, nature, group, source)


_WHAT_IT_IS: Final = (
    _layer("kind", "Kind of layer", "", nature="label"),
    _layer("dtype", "Storage type", "", nature="label"),
    _layer(
        "parameters", "Weights of the layer, part or slice", "product of the shape", "weights", nature="count"
    ),
    _layer("rows", "Rows N of a matrix", "the larger side", "rows", nature="count"),
    _layer("columns", "Columns M of a matrix", "the smaller side", "columns", nature="count"),
    _layer("matrices", "Matrices pooled", "groups × kernel positions", "matrices", nature="count"),
    _layer(
        "eigenvalues",
        "Eigenvalues, before the zero threshold",
        "M × matrices",
        "eigenvalues",
        nature="count",
    ),
)

_FIT: Final = (
    _layer(
        "alpha",
        "Power-law exponent of the tail",
        "1 + n / Σ ln(λ/x_min) over the n eigenvalues from x_min on",
        better="lower",
        source=f"{_POST_MORTEM} eq. 1",
    ),
    _layer(
        "alpha_sigma",
        "Plain standard error of alpha",
        "(alpha - 1)/√n",
        "alpha",
        source=f"{_CLAUSET} eq. 3.2",
    ),
    _layer(
        "alpha_standard_error",
        "Standard error of alpha, the choice of x_min included",
        "alpha_sigma × inflation(eigenvalues, share in the tail), simulated",
        "alpha",
    ),
    _layer(
        "x_min",
        "Start of the tail",
        "the candidate with the smallest D",
        "λ",
        nature="scale",
        source=_CLAUSET,
    ),
    _layer("x_max", "End of the tail", "λ_max", "λ", nature="scale", source=_CLAUSET),
    _layer(
        "ks_distance",
        "KS distance of the fit",
        "D = max |F(λ) - E(λ)|, E the empirical distribution's left limit",
        better="lower",
        source=f"{_POST_MORTEM} section 3",
    ),
    _layer(
        "tail_size",
        "Eigenvalues in the tail",
        "n from x_min on",
        "eigenvalues",
        nature="count",
        source=_CLAUSET,
    ),
)

_NORMS: Final = (
    _layer(
        "log_spectral_norm",
        "Log spectral norm",
        "log10 λ_max = log10 ‖W‖²_∞",
        "decades",
        better="lower",
        nature="scale",
        source=f"{_POST_MORTEM} table 3",
    ),
    _layer(
        "log_frobenius_norm",
        "Log Frobenius norm",
        "log10 Σλ = log10 ‖W‖²_F",
        "decades",
        better="lower",
        nature="scale",
        source=f"{_POST_MORTEM} table 3",
    ),
    _layer(
        "log_alpha_schatten_norm",
        "Log alpha-Schatten norm",
        "log10 Σ λ^alpha",
        "decades",
        better="lower",
        nature="mixed",
        source=f"{_TRENDS} table 1",
    ),
    _layer(
        "alpha_weighted",
        "Alpha weighted by scale (AlphaHat's term)",
        "alpha · log10 λ_max",
        "decades",
        better="lower",
        nature="mixed",
        source=f"{_TRENDS} eq. 5",
    ),
    _layer("stable_rank", "Stable rank", "Σλ / λ_max", source=f"{_TRENDS} table 1"),
    _layer(
        "matrix_rank",
        "Rank",
        "eigenvalues above the zero threshold",
        "dimensions",
        better="higher",
        nature="count",
    ),
    _layer("rank_loss", "Rank lost", "eigenvalues - rank", "dimensions", better="lower", nature="count"),
    _layer("smallest_singular_value", "Smallest singular value", "√λ_min", nature="scale"),
    _layer("largest_singular_value", "Largest singular value", "√λ_max", nature="scale"),
    _layer(
        "entropy",
        "Matrix entropy",
        "-Σ p ln p / ln rank, p = λ/Σλ",
        "0 to 1",
        source=f"{_PHASES} section 3.2",
    ),
    _layer("spectral_gap", "Spectral gap", "λ_1 / λ_2"),
    _layer("participation_ratio", "Participation ratio of the spectrum", "(Σλ)² / Σλ²", "dimensions"),
    _layer(
        "scale_spread",
        "Spread of scales among pooled slices",
        "standard deviation of log10 ‖W_k‖²_F over the slices",
        "decades",
        nature="scale",
    ),
)

_RANDOMNESS: Final = (
    _layer(
        "mp_sigma",
        "Marchenko-Pastur sigma of the bulk",
        "standard deviation of an entry, fitted to the bulk",
        nature="scale",
        group="randomness",
        source=_PHASES,
    ),
    _layer(
        "mp_edge",
        "Marchenko-Pastur edge",
        "N·σ²·(1 + Q^-½)²",
        "λ",
        nature="scale",
        group="randomness",
        source=_PHASES,
    ),
    _layer(
        "mp_soft_rank",
        "Marchenko-Pastur soft rank",
        "edge / λ_max",
        better="lower",
        group="randomness",
        source=f"{_PHASES} eq. 11",
    ),
    _layer(
        "mp_distance",
        "Distance of the spectrum from Marchenko-Pastur",
        "KS distance to the fitted distribution",
        group="randomness",
    ),
    _layer(
        "mp_p_value",
        "Probability that a random matrix lies as far from Marchenko-Pastur",
        "share of seeded Gaussian matrices of the shape with a larger distance",
        "0 to 1",
        better="lower",
        group="randomness",
    ),
    _layer(
        "spikes",
        "Spikes",
        "eigenvalues beyond the edge by a Tracy-Widom margin",
        "eigenvalues",
        nature="count",
        group="randomness",
        source=_PHASES,
    ),
    _layer(
        "largest_entry",
        "Largest entry",
        "max |w| / standard deviation of the entries",
        "standard deviations",
        nature="scale",
        group="shuffle",
    ),
    _layer(
        "phase",
        "Phase of training (5+1)",
        "first row that holds of the table of conditions",
        nature="label",
        group="randomness",
        source=_PHASES,
    ),
)

_SHUFFLE: Final = (
    _layer(
        "correlation_traps",
        "Correlation traps",
        "eigenvalues of the shuffled matrix beyond its edge by the Tracy-Widom margin",
        "eigenvalues",
        better="lower",
        nature="count",
        group="shuffle",
        source=_GROKKING,
    ),
    _layer(
        "shuffled_largest",
        "Largest eigenvalue of the shuffled matrix",
        "λ_max after shuffling the entries",
        "λ",
        nature="scale",
        group="shuffle",
        source=_GROKKING,
    ),
    _layer(
        "shuffle_distance",
        "Distance of the spectrum from the shuffled one",
        "Jensen-Shannon distance",
        "0 to 1",
        better="higher",
        group="shuffle",
    ),
)

_TAILS: Final = (
    _layer(
        "best_tail",
        "Best tail distribution",
        "power law, truncated power law, exponential or log-normal, by likelihood ratio",
        nature="label",
        group="tails",
        source=_NLP,
    ),
    _layer(
        "best_tail_p_value",
        "p-value of the best tail",
        "half-χ² or Vuong",
        "0 to 1",
        group="tails",
        source=_NLP,
    ),
)

_ASPECT: Final = (
    _layer(
        "alpha_fixed_aspect",
        "Alpha at fixed aspect ratio",
        "alpha of the pooled spectra of submatrices of one aspect ratio",
        better="lower",
        group="aspect",
        source=_FARMS,
    ),
    _layer(
        "erg_count",
        "Trace-log count",
        "largest k with Σ ln λ ≥ 0 over the k largest, λ scaled to mean 1",
        "eigenvalues",
        nature="count",
        group="aspect",
        source=_SETOL,
    ),
    _layer("erg_gap", "Trace-log gap", "erg_count - tail_size", "eigenvalues", group="aspect", source=_SETOL),
)

LAYER_METRICS: Final[tuple[Metric, ...]] = (
    *_WHAT_IT_IS,
    *_FIT,
    *_NORMS,
    *_RANDOMNESS,
    *_SHUFFLE,
    *_TAILS,
    *_ASPECT,
)
