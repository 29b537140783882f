"""What a reader of one row ought to know before trusting it: the flags and when they are raised."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.spectra.power_law import Curve, PowerLawFit

FLAGS: Final[Mapping[str, str]] = {
    "not-finite": "The weights hold NaN or infinity; nothing was computed.",
    "all-zero": "Every weight is zero.",
    "constant": "Every weight has the same value.",
    "no-scale": "The largest eigenvalue is so small (below 1e-30) that decay alone is left of the layer; "
    "it stays out of the model's means.",
    "dead-slice": "At least one slice of the kernel is zero or has no scale; its eigenvalues count as zeros.",
    "near-singular": "The smallest singular values are lost in the Gram matrix; those that do not count as "
    "zero come from a singular value decomposition where the layer is not too large.",
    "not-a-matrix": "The tensor's shape has no matrix to measure.",
    "outside-convention": "The convention does not measure layers of this kind or size.",
    "no-fit": "No power law could be fitted; the row's reason says why.",
    "small-sample": "Fewer than 20 positive eigenvalues: the small-sample estimator was used.",
    "short-tail": "Fewer than 20 eigenvalues in the fitted tail.",
    "few-decades": "The fitted tail spans less than one decade.",
    "no-clear-minimum": "Another x_min fits about as well (D within 5 %) and gives an alpha more than three "
    "sigmas away.",
    "truncated-tail": "The largest eigenvalue is smaller than a power law of this length would have "
    "(probability below 1 %).",
    "not-heavy-tailed": "Alpha is 8 or more: the tail is not a power law; it stays out of the model's means.",
    "over-trained": "Alpha is below 2: a very heavy tail, seen in over-trained layers.",
    "under-trained": "Alpha is above 6: a light tail, seen in under-trained layers.",
    "float32": "The linear algebra ran in single precision.",
    "unknown-rounding": "The storage type's rounding is not known; zero was judged as for float32.",
    "bulk-plus-spikes": "Noise with some eigenvalues beside it describes the spectrum, not a power law.",
    "correlation-traps": "Shuffling the weights leaves eigenvalues beyond the random edge: arXiv:2506.04434.",
}
"""Flag to meaning; docs and explanations are made from it."""

SHORT: Final = 20
HEAVY_LIMIT: Final = 8.0
GOOD_RANGE: Final = (2.0, 6.0)
_TRUNCATED_PROBABILITY: Final = 0.01
_AS_GOOD: Final = 1.05
_APART: Final = 3.0


def of_fit(fit: PowerLawFit, curve: Curve | None, positive: int) -> Iterator[str]:
    """Yield the flags that a fit to ``positive`` eigenvalues earns (arXiv:2106.00734, appendix C)."""
    if positive < SHORT:
        yield "small-sample"
    if fit.alpha is None or fit.x_min is None or fit.x_max is None:
        yield "no-fit"
        return
    if fit.tail_size < SHORT:
        yield "short-tail"
    if fit.x_max < 10 * fit.x_min:
        yield "few-decades"
    if curve is not None and _ambiguous(fit, curve, positive):
        yield "no-clear-minimum"
    if _truncated(fit.alpha, fit.x_max / fit.x_min, fit.tail_size):
        yield "truncated-tail"
    if fit.alpha >= HEAVY_LIMIT:
        yield "not-heavy-tailed"
    if fit.alpha < GOOD_RANGE[0]:
        yield "over-trained"
    elif fit.alpha > GOOD_RANGE[1]:
        yield "under-trained"


def _ambiguous(fit: PowerLawFit, curve: Curve, positive: int) -> bool:
    """Tell whether a sampled candidate fits as well and disagrees about alpha."""
    if fit.alpha is None or fit.sigma is None or fit.ks_distance is None:
        return False
    for at in np.flatnonzero(curve.ks_distance <= _AS_GOOD * fit.ks_distance).tolist():
        alpha = float(curve.alpha[at])
        sigma = (alpha - 1) / math.sqrt(positive - int(curve.starts[at]))
        if abs(alpha - fit.alpha) > _APART * max(sigma, fit.sigma):
            return True
    return False


def _truncated(alpha: float, span: float, tail: int) -> bool:
    """Tell whether ``tail`` draws from the power law would all stay below x_max too seldom.

    The largest of n draws is below x with probability (1 - (x/x_min)^(1-alpha))^n.
    """
    beyond = math.exp((1 - alpha) * math.log(span))
    return beyond < 1 and tail * math.log1p(-beyond) < math.log(_TRUNCATED_PROBABILITY)
