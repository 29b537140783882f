"""The kinds of change between two models, and which metrics may judge each: data with its source.

The contest study's finding (arXiv:2106.00734): *shape* metrics (alpha, the quality of its fit) follow
the test accuracy when hyperparameters vary at fixed depth, *scale* metrics (log norms) when depth
varies, and each can point the wrong way for the other kind of change (Simpson's paradox).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.analysis.interface import Analysis
    from gate.policy.metrics import RuleMetric
    from gate.policy.pairing import Pairing

Nature = Literal["shape", "scale", "mixed"]
ChangeName = Literal[
    "identical", "re-exported", "retrained", "partial", "folded", "quantised", "pruned", "architecture"
]

_CONTEST: Final = "arXiv:2106.00734, tables 1, 2, 5 and 6"


@dataclass(frozen=True, slots=True)
class KindOfChange:
    """One kind of change: what it is, the natures of metrics that are apt and those that are not, and why."""

    name: ChangeName
    means: str
    apt: tuple[Nature, ...]
    unfit: tuple[Nature, ...]
    why: str
    source: str


CHANGES: Final[tuple[KindOfChange, ...]] = (
    KindOfChange(
        "identical", "the same bytes", ("shape", "scale", "mixed"), (), "nothing differs", "by definition"
    ),
    KindOfChange(
        "re-exported",
        "the same weights in another container, order or under other names",
        ("shape", "scale", "mixed"),
        (),
        "a spectrum does not depend on how a matrix is stored",
        "by definition",
    ),
    KindOfChange(
        "retrained",
        "the same architecture with other data, seed or hyperparameters, or fine-tuned",
        ("shape", "mixed"),
        ("scale",),
        "at fixed depth scale metrics can fall as models get worse",
        _CONTEST,
    ),
    KindOfChange(
        "partial",
        "layers replaced or added; the common part is compared",
        ("shape", "mixed"),
        ("scale",),
        "the common part is that of a retrained model, at fixed depth",
        _CONTEST,
    ),
    KindOfChange(
        "folded",
        "batch norms folded into the weights, or unfolded",
        ("shape",),
        ("scale", "mixed"),
        "folding rescales weights and changes nothing in the function",
        "docs/metrics.md; a scaled layer has the same alpha and another norm",
    ),
    KindOfChange(
        "quantised",
        "the same weights, rounded to a coarser storage type",
        ("shape", "mixed"),
        (),
        "the tail survives rounding, the bulk is moved by its noise",
        "this project: gate compare on quantised copies",
    ),
    KindOfChange(
        "pruned",
        "weights set to zero",
        ("shape",),
        ("scale", "mixed"),
        "norms fall because weights are gone, not because the model is better",
        "the Frobenius norm is the sum of squared weights",
    ),
    KindOfChange(
        "architecture",
        "another depth, width or kind of layers",
        ("scale", "mixed"),
        ("shape",),
        "over several depths the trend of shape metrics can reverse",
        _CONTEST,
    ),
)
"""The decision table, from the least change to the largest."""

KINDS_OF_CHANGE: Final[Mapping[ChangeName, KindOfChange]] = {change.name: change for change in CHANGES}

_SPECTRUM: Final = ("log_spectral_norm", "log_frobenius_norm", "alpha", "stable_rank")


def change_between(candidate: Analysis, baseline: Analysis, pairing: Pairing) -> ChangeName:
    """Tell as far as spectra can what kind of change lies between two comparable analyses."""
    if pairing.same_digest:
        return "identical"
    if pairing.partial:
        return "partial"
    rows = zip(candidate.layers, pairing.partners, strict=True)
    same = all(
        then is not None and all(getattr(row, name) == getattr(then, name) for name in _SPECTRUM)
        for row, then in rows
    )
    return "re-exported" if same and len(candidate.layers) == len(baseline.layers) else "retrained"


def caution(metric: RuleMetric, change: ChangeName) -> str | None:
    """Return why ``metric`` is not apt to judge ``change``, None when it is."""
    kind = KINDS_OF_CHANGE[change]
    if metric.nature not in kind.unfit:
        return None
    return (
        f"{metric.id} is a {metric.nature} metric, which is not apt for what changed here ({kind.means}): "
        f"{kind.why} ({kind.source})"
    )
